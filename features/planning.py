"""What an extraction will do, checked before the first video is decoded."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from p3d_eval.backbones import BACKBONES
from p3d_eval.backbones.backbone import Backbone
from p3d_eval.backbones.layers import parse_layers
from p3d_eval.backbones.views import CENTRE, View
from p3d_eval.errors import P3DEvalError, UserError
from p3d_eval.features.blocks import Job
from p3d_eval.features.decoding import DEFAULT_TIMEOUT
from p3d_eval.features.frame_names import stat_video
from p3d_eval.features.identity import identity_hash
from p3d_eval.features.ids import VideoFile, list_videos
from p3d_eval.features.layout import stored_type
from p3d_eval.features.options import require_options
from p3d_eval.features.origin import plan_identity, plan_provenance
from p3d_eval.features.sampling import Sampling
from p3d_eval.features.schema import LayerPlan, StorePlan, VideoRecord
from p3d_eval.features.sharding import Shard
from p3d_eval.files import followed, require_new, require_writable

_CPU_WORKERS = 2  # the network takes all cores for many times as long as decoding
_GPU_WORKERS = 16  # what one H200 can use


@dataclass(frozen=True)
class ExtractionPlan:
    """An extraction that has been checked and not begun.

    Parameters
    ----------
    backbone : Backbone
        The network.
    videos : tuple of VideoFile
        What to run it on; a shard's own.
    layers : str
        Requests in the layers' grammar, comma separated.
    out : Path
        The feature file.
    sampling : Sampling
        Which clips.
    store : StorePlan
        What the file will hold (without the number of clips, where that needs decoding).
    per_clip : bool
        Whether every clip's activations are stored.
    batch_size, workers : int
        Clips in a batch; decoding processes (0: a thread of this process).
    overwrite : bool
        Whether an existing file is replaced.
    views : tuple of View
        Crops and mirror images that every clip is averaged over.
    video_timeout : float
        Seconds without a decoded frame after which a video is given up; 0 for no limit.
    decoder : str
        What decodes.
    all_videos : int
        Videos of all shards together; 0 where there is one.
    compiling : {"auto", "on", "off"}
        Whether the network goes through ``torch.compile``.
    """

    backbone: Backbone
    videos: tuple[VideoFile, ...]
    layers: str
    out: Path
    sampling: Sampling
    store: StorePlan
    per_clip: bool = False
    batch_size: int = 8
    workers: int = 2
    overwrite: bool = False
    all_videos: int = 0
    views: tuple[View, ...] = (CENTRE,)
    video_timeout: float = DEFAULT_TIMEOUT
    decoder: str = "pyav"
    compiling: str = "auto"

    @property
    def batch_clips(self) -> int:
        """Clips in every batch: ``batch_size``, or as many as there are where that is known to be fewer."""
        return _batch_clips(self.sampling, self.batch_size, self.all_videos or len(self.videos))

    @property
    def result_numbers(self) -> int:
        """Numbers in one clip's or video's activations."""
        return sum(int(np.prod(layer.shape, dtype=np.int64)) for layer in self.store.layers.values())

    def job(self, row: int, planes: bool = False, count_only: bool = False) -> Job:
        """Return what a decoder is to do for a video."""
        video = self.videos[row]
        return Job(str(video.path), video.id, self.sampling, self.decoder, planes, count_only)

    @property
    def nbytes(self) -> int:
        """Predicted size of the file (a lower bound for sliding clips that are all stored)."""
        if not self.per_clip:
            return self.store.nbytes
        clips = 1 if self.sampling.kind == "sliding" else self.sampling.clips
        return replace(self.store, clip_counts=np.full(len(self.videos), clips, np.int64)).nbytes


def plan_extraction(
    backbone: Backbone,
    videos: Sequence[VideoFile] | Path,
    layers: str | Sequence[str] | None,
    out: Path,
    *,
    sampling: Sampling | None = None,
    per_clip: bool = False,
    dtype: str = "float32",
    batch_size: int = 8,
    workers: int | None = None,
    video_timeout: float = DEFAULT_TIMEOUT,
    views: Sequence[View] = (CENTRE,),
    decoder: str = "pyav",
    compiling: str = "auto",
    root: Path | None = None,
    annotations: Mapping[str, Mapping[str, bytes]] | None = None,
    overwrite: bool = False,
    shard: str | None = None,
) -> ExtractionPlan:
    """Check everything that can be checked before the first video is decoded.

    Parameters
    ----------
    backbone : Backbone
        The network; its input spec says clip length and frame stride, which must be the sampling's.
    videos : sequence of VideoFile, or Path
        What to run it on; a path is a folder or a list (`list_videos`).
    layers : str or sequence of str, optional
        ``[alias=]layer[:reduction]``; by default the backbone's ASLAN layers.
    out : Path
        The feature file.
    sampling : Sampling, optional
        Which clips; by default 20 uniform ones of the backbone's clip length and frame stride.
    per_clip : bool
        Whether to store every clip's activations beside the means.
    dtype : {"float32", "float16"}
        Stored type; ``prob`` is always float32.
    batch_size : int
        Clips in a batch.
    workers : int, optional
        Decoding processes; 0 decodes in a thread of this process, where a broken video can hang or crash
        it. By default 2 for a network on the CPU, and a process for each core but two for one on a GPU.
    video_timeout : float
        Seconds without a decoded frame after which a video is given up; 0 for no limit.
    views : sequence of View
        Crops and mirror images of each clip (`views_of`); a clip's activation is their mean.
    decoder : {"pyav", "torchcodec", "torchcodec:cuda"}
        What decodes videos; what torchcodec cannot read, PyAV does, with a notice.
    compiling : {"auto", "on", "off"}
        Whether the network goes through ``torch.compile``; ``auto`` does so on GPUs.
    root : Path, optional
        What the paths of a list of videos are relative to.
    annotations : mapping, optional
        Dataset → file name → raw content, to embed in a new file.
    overwrite : bool
        Whether an existing file is replaced instead of continued.
    shard : str, optional
        ``"i/n"``: only the i-th of n parts of the videos, into a file of its own (`merge_shards`).

    Raises
    ------
    UserError
        When a layer or option is unknown, there are no videos, or the file cannot be written.
    """
    require_options(dtype, batch_size, workers, video_timeout, decoder, compiling)
    spec = backbone.input_spec
    if spec.channel_order == "flow":
        raise UserError(
            f"{backbone.name} takes optical flow, and videos are decoded to RGB frames",
            "Run it in Python on flow of your own (backbone.features) and `p3d-eval import` what it gives",
        )
    chosen = sampling or Sampling(spec.clip_length, frame_stride=spec.frame_stride)
    if (chosen.clip_length, chosen.frame_stride) != (spec.clip_length, spec.frame_stride):
        raise UserError(
            f"sampling takes {chosen.clip_length} frames, every {chosen.frame_stride}; {backbone.name} "
            f"is set to {spec.clip_length}, every {spec.frame_stride}",
            "Use backbone.with_input(clip_length=…, frame_stride=…)",
        )
    chosen = replace(chosen, centre=backbone.network.centre)
    text = _layers_text(backbone, layers)
    stored = _plan_layers(backbone, text, dtype)
    found = list_videos(videos, root) if isinstance(videos, Path) else tuple(videos)
    records = tuple(_record(video) for video in found)
    seen = (chosen, tuple(views))
    identity = plan_identity(backbone, text, seen, stored, per_clip, decoder)
    rows = range(len(found))
    if shard is not None:
        part = Shard.parse(shard)
        rows = part.rows(len(found), _batch_clips(chosen, batch_size, len(found)))
        identity["shard"] = part.identity(rows, len(found), identity_hash(identity, records))
    out = followed(out)
    require_new(out, overwrite=True)  # an existing file is continued or replaced; a folder is a mistake
    require_writable(out)
    store = StorePlan(
        videos=tuple(records[row] for row in rows),
        layers=stored,
        identity=identity,
        provenance=plan_provenance(backbone, text, seen, decoder),
        classes=tuple(backbone.classes),
        annotations=annotations or {},
    )
    return ExtractionPlan(
        backbone,
        tuple(found[row] for row in rows),
        text,
        out,
        chosen,
        store,
        per_clip,
        batch_size,
        _default_workers(backbone) if workers is None else workers,
        overwrite,
        len(found),
        tuple(views),
        video_timeout,
        decoder,
        compiling,
    )


def _default_workers(backbone: Backbone) -> int:
    if backbone.device.type != "cuda":
        return _CPU_WORKERS
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(_GPU_WORKERS, max(_CPU_WORKERS, cores - 2))


def _batch_clips(sampling: Sampling, batch_size: int, videos: int) -> int:
    return batch_size if sampling.kind == "sliding" else min(batch_size, videos * sampling.clips)


def _layers_text(backbone: Backbone, layers: str | Sequence[str] | None) -> str:
    """Check requests against the network; return them, or its ASLAN layers, as one text.

    Raises
    ------
    UserError
        When a layer is unknown, or none is named and the network registers no default.
    """
    wanted = backbone.aslan_layers if layers is None else layers
    if layers is None and not wanted:
        listed = ",".join(backbone.network.layers) or "LAYER,LAYER"
        raise UserError(
            f"{backbone.name} registers no default layers",
            f"Name them: --layers {listed}, or as the Network's aslan_layers",
        )
    text = wanted if isinstance(wanted, str) else ",".join(wanted)
    try:
        backbone.request_shapes(text)
    except P3DEvalError:
        raise
    except Exception as error:
        raise network_failed(backbone, text, error) from error
    return text


def network_failed(backbone: Backbone, layers: str, error: Exception) -> Exception:
    """Return what to raise when the network failed: an error of a user's own network is theirs to mend."""
    if backbone.name in BACKBONES:
        return error
    return UserError(
        f"{backbone.name} failed while its layers {layers} were computed: "
        f"{type(error).__name__}: {' '.join(str(error).split())}",
        "Mend the network; --debug shows where it failed",
    )


def _record(video: VideoFile) -> VideoRecord:
    try:
        size, changed = stat_video(video.path)
    except OSError:  # a link to nothing: decoding fails and lists it with its reason
        return VideoRecord(video.id)
    return VideoRecord(video.id, size, changed)


def _plan_layers(backbone: Backbone, layers: str, dtype: str) -> dict[str, LayerPlan]:
    paths = {request.name: request.path for request in parse_layers(layers)}
    return {
        name: LayerPlan(shape, axes, stored_type(paths[name], dtype))
        for name, (shape, axes) in backbone.request_shapes(layers).items()
    }
