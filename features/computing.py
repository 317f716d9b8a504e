"""Computing on this machine: decode, run the network, average; nothing here writes."""

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from p3d_eval.backbones.runner import Runner
from p3d_eval.errors import P3DEvalError, UserError
from p3d_eval.features.ahead import Ahead
from p3d_eval.features.averaging import Averager
from p3d_eval.features.blocks import Job
from p3d_eval.features.clips import Batch, ClipCutter, ReadyClip
from p3d_eval.features.decoding import DecoderPool
from p3d_eval.features.groups import Group
from p3d_eval.features.meter import SET_UP, Meter
from p3d_eval.features.planning import ExtractionPlan, network_failed
from p3d_eval.features.results import Outcome
from p3d_eval.features.transfer import Stopwatch, wait_for

_BATCHES_AHEAD = 2  # ready while the network runs: one to take, one that is being made
_LAUNCHED = 2  # batches that a GPU has in hand before the first one's results are awaited
_NO_MEMORY = "can't allocate memory"  # what torch says on a CPU
_RESULT_BYTES = 256 << 20  # results that wait to be written


def compute_results(plan: ExtractionPlan, groups: Iterable[Group]) -> Generator[Outcome]:
    """Compute the features of the wanted videos of ``groups``, on the plan's device.

    Decoders are processes of their own; a thread of this process prepares frames and cuts clips; the
    network runs where the generator is consumed, and beside a GPU in a thread too. Every queue between
    them is bounded. Closing the generator ends all of it.

    Parameters
    ----------
    plan : ExtractionPlan
        Network, layers, sampling, batch size.
    groups : iterable of Group
        What to compute, from `groups_of`; taken one by one as decoders become free.

    Yields
    ------
    ClipResult, VideoResult or Usage
        Clips only where the plan stores every clip; usage after every batch. The same bits for
        a group whatever else runs, on the same type of device with as many threads.

    Raises
    ------
    UserError
        When a user's network fails, or the device has too little memory.
    RuntimeError
        When a decoder met a bug.
    """
    meter = Meter(plan.workers)
    wanted: set[int] = set()
    cutter = ClipCutter(plan.backbone, plan.views, meter)
    with (
        DecoderPool(_jobs(plan, groups, wanted), plan.workers, plan.video_timeout, meter) as pool,
        Ahead(
            cutter.batches(pool, plan.batch_clips),
            _BATCHES_AHEAD,
            meter,
            "preparing waits",
            "network waits",
            pool.stop,
        ) as batches,
    ):
        results = _run(plan, batches, wanted, meter)
        if plan.backbone.device.type != "cuda":
            # In this thread, so that Ctrl-C need not wait for a batch.
            yield from results
            return
        results = _on(plan.backbone.device, results)
        depth = max(2, _RESULT_BYTES // (8 * plan.result_numbers))
        with Ahead(results, depth, meter, "results wait", "writing waits", batches.stop) as ready:
            yield from ready


def _jobs(plan: ExtractionPlan, groups: Iterable[Group], wanted: set[int]) -> Iterator[tuple[int, Job]]:
    planes = plan.backbone.device.type == "cuda"  # colour conversion is the device's work where it is a GPU
    for group in groups:
        wanted |= group.wanted
        for row in group.rows:
            yield row, plan.job(row, planes=planes)


def _run(plan: ExtractionPlan, batches: Iterable[Batch], wanted: set[int], meter: Meter) -> Generator[Outcome]:
    """Run batches; on a GPU, results are fetched while later batches run."""
    device = plan.backbone.device
    averager = Averager(wanted, plan.per_clip)
    with _explained(plan), meter.stage(SET_UP):
        runner = Runner(plan.backbone, plan.layers, plan.batch_clips, plan.compiling)
    launched: deque[tuple[Iterator[Outcome], Stopwatch]] = deque()
    depth = _LAUNCHED if device.type == "cuda" else 0
    for batch in batches:
        wait_for(batch.fence, device)
        watch = Stopwatch(device)
        values = _activations(plan, runner, batch.clips) if batch.clips else {}
        watch.lap("network")
        launched.append((averager.add(batch, values), watch))
        watch.lap("average")
        meter.count("clips", len(batch.clips))
        meter.tell(runner.notices)
        del values, batch
        while len(launched) > depth:
            yield from _fetched(*launched.popleft(), meter)
    for results, watch in launched:
        yield from _fetched(results, watch, meter)


def _on(device: torch.device, results: Generator[Outcome]) -> Generator[Outcome]:
    """Run results with ``device`` as the current one: graphs and events are made on that."""
    with torch.cuda.device(device):
        yield from results


def _fetched(results: Iterator[Outcome], watch: Stopwatch, meter: Meter) -> Iterator[Outcome]:
    """Yield a batch's results, and what it took."""
    yield from results
    meter.add(watch.seconds())
    yield meter.take()


@torch.inference_mode()
def _activations(plan: ExtractionPlan, runner: Runner, clips: tuple[ReadyClip, ...]) -> Mapping[str, Tensor]:
    """Run the network on a batch, padded by its last clip; average over the views in float64."""
    padded = [*clips, *[clips[-1]] * (plan.batch_clips - len(clips))]
    length = len(clips[0].frames)
    total: dict[str, Tensor] = {}
    for view in range(len(plan.views)):
        frames = torch.stack([frame[view] for clip in padded for frame in clip.frames])
        inputs = plan.backbone.finish_clips(frames.unflatten(0, (len(padded), length)))
        del frames
        found = _features(plan, runner, inputs)
        if len(plan.views) == 1:
            return {name: tensor[: len(clips)] for name, tensor in found.items()}
        for name, tensor in found.items():
            wide = tensor[: len(clips)].double()
            total[name] = total[name] + wide if name in total else wide
    return {name: tensor / len(plan.views) for name, tensor in total.items()}


def _features(plan: ExtractionPlan, runner: Runner, inputs: Tensor) -> Mapping[str, Tensor]:
    """Run the network; check that every layer has a row for each clip."""
    with _explained(plan):
        found = runner(inputs)
    for name, tensor in found.items():
        shape = (len(inputs), *plan.store.layers[name].shape)
        if tensor.shape != shape:
            raise UserError(
                f"{plan.backbone.name}: layer {name!r} gave the shape {tuple(tensor.shape)} "
                f"for {len(inputs)} clips, not {shape}",
                "Every layer needs one row for each clip, of the shape that one clip has",
            )
    return found


@contextmanager
def _explained(plan: ExtractionPlan) -> Iterator[None]:
    """Say whose error it is when the network fails: a user's own network is theirs to mend."""
    try:
        yield
    except P3DEvalError:
        raise
    except Exception as error:
        if not isinstance(error, torch.cuda.OutOfMemoryError) and _NO_MEMORY not in str(error):
            raise network_failed(plan.backbone, plan.layers, error) from error
        raise UserError(
            f"{plan.backbone.device} has too little memory for batches of {plan.batch_clips} clips "
            f"of {plan.backbone.name}",
            "Choose a smaller --batch-size",
        ) from error
