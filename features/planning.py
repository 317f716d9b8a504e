"""What an extraction will do, checked before the first video is decoded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from p3d_eval.backbones.backbone import Backbone
from p3d_eval.backbones.layers import parse_layers
from p3d_eval.errors import UserError
from p3d_eval.features.decode import decoder_versions
from p3d_eval.features.frame_names import stat_video
from p3d_eval.features.identity import identity_hash
from p3d_eval.features.ids import VideoFile, list_videos
from p3d_eval.features.layout import stored_type
from p3d_eval.features.sampling import Sampling
from p3d_eval.features.schema import LayerPlan, StorePlan, VideoRecord
from p3d_eval.features.sharding import Shard
from p3d_eval.files import followed, require_new, require_writable
from p3d_eval.provenance import command_line, machine, now, package_versions

PRECISION = "float32"  # TF32 off: the reference
_STORED_TYPES = ("float32", "float16")


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
        Clips in a batch; decoding threads.
    overwrite : bool
        Whether an existing file is replaced.
    all_videos : int
        Videos of all shards together; 0 where there is one.
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

    @property
    def batch_clips(self) -> int:
        """Clips in every batch: ``batch_size``, or as many as there are where that is known to be fewer."""
        return _batch_clips(self.sampling, self.batch_size, self.all_videos or len(self.videos))

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
    workers: int = 2,
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
    batch_size, workers : int
        Clips in a batch; decoding threads.
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
    if dtype not in _STORED_TYPES:
        raise UserError(f"unknown stored type {dtype!r}", f"Choose {' or '.join(_STORED_TYPES)}")
    if batch_size < 1 or workers < 1:
        raise UserError(f"batch size {batch_size} and workers {workers} must be 1 at least")
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
    text = _layers_text(backbone, layers)
    stored = _plan_layers(backbone, text, dtype)
    found = list_videos(videos, root) if isinstance(videos, Path) else tuple(videos)
    records = tuple(_record(video) for video in found)
    identity = _identity(backbone, text, chosen, stored, per_clip)
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
        provenance=_provenance(backbone, text, chosen),
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
        workers,
        overwrite,
        len(found),
    )


def _batch_clips(sampling: Sampling, batch_size: int, videos: int) -> int:
    return batch_size if sampling.kind == "sliding" else min(batch_size, videos * sampling.clips)


def _layers_text(backbone: Backbone, layers: str | Sequence[str] | None) -> str:
    """Check requests against the network; return them, or its ASLAN layers, as one text.

    Raises
    ------
    UserError
        When a layer is unknown, or none is named and the network registers no default.
    """
    wanted = layers or backbone.aslan_layers
    if not wanted:
        raise UserError(f"{backbone.name} registers no default layers", "Name them with --layers")
    text = wanted if isinstance(wanted, str) else ",".join(wanted)
    backbone.request_shapes(text)
    return text


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


def _requests(layers: str) -> dict[str, str]:
    """Return stored name → layer and reduction."""
    return {
        request.name: f"{request.path}:{request.reduction}" if request.reduction else request.path
        for request in parse_layers(layers)
    }


def _identity(
    backbone: Backbone, layers: str, sampling: Sampling, stored: Mapping[str, LayerPlan], per_clip: bool
) -> dict[str, Any]:
    """Everything that determines the numbers, besides the videos."""
    return {
        "backbone": backbone.name,
        "options": dict(backbone.options),
        "weights_sha256": backbone.weights.sha256,
        "input_spec": backbone.input_spec.to_json(),
        "layers": _requests(layers),
        "sampling": sampling.to_json(),
        "per_clip": per_clip,
        "precision": PRECISION,
        "dtype": {name: layer.dtype for name, layer in stored.items()},
        "decoder": decoder_versions(),
    }


def _provenance(backbone: Backbone, layers: str, sampling: Sampling) -> dict[str, Any]:
    return {
        "aslan_layers": list(backbone.aslan_layers),
        "backbone": backbone.name,
        "command": command_line(),
        "created": now(),
        "decoder": decoder_versions(),
        "device": _device_name(backbone.device),
        "input_spec": backbone.input_spec.to_json(),
        "machine": machine(),
        "options": dict(backbone.options),
        "precision": PRECISION,
        "reductions": _requests(layers),
        "sampling": sampling.to_json(),
        "trained_on": backbone.trained_on,
        "versions": package_versions(),
        "weights": {
            "source": backbone.weights.source,
            "sha256": backbone.weights.sha256,
            "random": backbone.weights.random,
        },
    }


def _device_name(device: torch.device) -> str:
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)
