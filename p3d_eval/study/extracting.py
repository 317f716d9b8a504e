"""An extraction of a study, planned as the command ``extract`` plans it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from p3d_eval.allocator import keep_freed_memory
from p3d_eval.backbones import Backbone, load_backbone, views_of
from p3d_eval.errors import UserError
from p3d_eval.features.engines import Engine, choose_engine
from p3d_eval.features.extractor import run_extraction
from p3d_eval.features.meter import SET_UP, Totals
from p3d_eval.features.planning import ExtractionPlan, plan_extraction
from p3d_eval.features.sampling import choose_sampling
from p3d_eval.study.layers import Taken, layer_problems
from p3d_eval.study.settings import INPUT_KEYS, ExtractSettings

if TYPE_CHECKING:
    from p3d_eval.study.tasks import ExtractTask


def plan_task(task: "ExtractTask") -> tuple[ExtractionPlan, Engine]:
    """Load the network and check everything before the first video is decoded.

    Raises
    ------
    UserError
        As :func:`p3d_eval.features.planning.plan_extraction`.
    """
    keep_freed_memory()
    asked = task.extract
    network, engine = load_network(task)
    spec = network.input_spec
    sampling = choose_sampling(
        spec.clip_length,
        spec.frame_stride,
        asked.sampling,
        asked.clips,
        asked.clip_stride,
        seed=asked.seed,
        fps=asked.fps,
    )
    plan = plan_extraction(
        network,
        task.videos,
        asked.layers,
        task.out,
        sampling=sampling,
        per_clip=asked.per_clip,
        dtype=asked.dtype,
        batch_size=asked.batch_size,
        workers=asked.workers,
        video_timeout=asked.video_timeout,
        decoder=asked.decoder,
        views=views_of(asked.crops, asked.mirror),
        compiling=asked.compile,
    )
    return plan, engine


def require_taken(plan: ExtractionPlan, takers: Mapping[str, Taken]) -> dict[str, UserError]:
    """Return the evaluations that will not find their layers; one that does is enough to extract.

    Raises
    ------
    UserError
        When none will.
    """
    problems = layer_problems(takers, plan.store.layers, plan.backbone.aslan_layers)
    if problems and len(problems) == len(takers):
        raise next(iter(problems.values()))
    return problems


def load_network(task: "ExtractTask") -> tuple[Backbone, Engine]:
    """Load the network of an extraction, and say where it runs.

    Raises
    ------
    UserError
        As :func:`p3d_eval.backbones.load_backbone`.
    """
    asked = task.extract
    engine = choose_engine("local", asked.device, asked.processes)
    network = load_backbone(
        task.backbone,
        task.weights,
        engine.device,
        seed=asked.seed,
        precision=asked.precision,
        **_input_changes(asked),
        **task.options,
    )
    return network, engine


def _input_changes(asked: ExtractSettings) -> dict[str, Any]:
    """Return what is changed of the network's own input, as ``load_backbone`` takes it."""
    named = {name.removesuffix("_size"): getattr(asked, name) for name in INPUT_KEYS}
    given = {name: value for name, value in named.items() if value is not None}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}


def time_first_video(plan: ExtractionPlan, folder: Path) -> tuple[float, float]:
    """Measure an extraction on its first video: seconds to set the network up, once, and seconds a video.

    Parameters
    ----------
    plan : ExtractionPlan
        Of all videos.
    folder : Path
        Where a small feature file may lie meanwhile.
    """
    first = replace(plan.store, videos=plan.store.videos[:1])
    alone = replace(plan, videos=plan.videos[:1], out=folder / "first.h5", store=first, workers=1, all_videos=1)
    return split_seconds(run_extraction(alone).usage, alone.batch_clips, plan.workers)


def split_seconds(usage: Totals, batch_clips: int, workers: int) -> tuple[float, float]:
    """Tell what a run on one video took once, to set the network up, from what each video will take.

    The last batch was padded; in a run on many videos nearly all are full.

    Parameters
    ----------
    usage : Totals
        Of one video, decoded by one process.
    batch_clips : int
        Clips of a batch.
    workers : int
        Processes that will decode.
    """
    seconds, clips = usage.seconds, usage.counts["clips"]
    padded = -(-clips // batch_clips) * batch_clips
    computing = seconds["network"] * clips / padded if clips else 0.0
    computing += sum(seconds[stage] for stage in ("copy", "prepare", "average", "write"))
    decoding = sum(seconds[stage] for stage in ("decode", "convert", "hand over"))
    return seconds[SET_UP], max(computing, decoding / max(1, workers))
