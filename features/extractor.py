"""Extraction: decode, run the network, average, write; interrupted runs go on where they stopped."""

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from p3d_eval.backbones.backbone import Backbone
from p3d_eval.errors import UserError
from p3d_eval.features.bottleneck import progress_text
from p3d_eval.features.checks import require_replaceable
from p3d_eval.features.decoding import DecoderPool
from p3d_eval.features.embedding import add_annotations, not_embedded
from p3d_eval.features.engines import Engine
from p3d_eval.features.groups import groups_of
from p3d_eval.features.identity import require_same
from p3d_eval.features.ids import VideoFile
from p3d_eval.features.interruption import heed_interrupts
from p3d_eval.features.lock import WriterLock
from p3d_eval.features.meter import Meter, Totals
from p3d_eval.features.planning import ExtractionPlan, plan_extraction
from p3d_eval.features.requests import VideoHeader
from p3d_eval.features.results import VideoResult
from p3d_eval.features.schema import DONE
from p3d_eval.features.store import FeatureStore
from p3d_eval.features.storing import store_results
from p3d_eval.features.writer import StoreWriter, create_store
from p3d_eval.progress import Progress
from p3d_eval.provenance import command_line

ProgressFactory = Callable[[int, int], Progress]
LOCAL = Engine()


@dataclass(frozen=True)
class ExtractSummary:
    """What an extraction did.

    Parameters
    ----------
    path : Path
        The feature file.
    done : int
        Videos with features now.
    failed : mapping of str to str
        Videos without, and why.
    skipped : int
        Videos that an earlier run had done.
    expected : int
        All videos.
    seconds : float
        Time it took.
    usage : Totals
        Seconds by stage.
    """

    path: Path
    done: int
    failed: Mapping[str, str] = field(default_factory=dict)
    skipped: int = 0
    expected: int = 0
    seconds: float = 0.0
    usage: Totals = field(default_factory=Totals)

    @property
    def nothing_to_do(self) -> bool:
        """Whether the file was complete before."""
        return self.skipped == self.expected


def extract(
    backbone: Backbone,
    videos: Sequence[VideoFile] | Path,
    layers: str | Sequence[str] | None,
    out: Path,
    *,
    progress: ProgressFactory | None = None,
    counting: ProgressFactory | None = None,
    engine: Engine = LOCAL,
    **options: Any,
) -> ExtractSummary:
    """Plan an extraction and run it (`run_extraction`); ``options`` are those of `plan_extraction`."""
    plan = plan_extraction(backbone, videos, layers, out, **options)
    return run_extraction(plan, progress, counting, engine)


def run_extraction(
    plan: ExtractionPlan,
    progress: ProgressFactory | None = None,
    counting: ProgressFactory | None = None,
    engine: Engine = LOCAL,
) -> ExtractSummary:
    """Extract what the file does not have yet.

    Parameters
    ----------
    plan : ExtractionPlan
        From `plan_extraction`.
    progress : callable, optional
        (all videos, videos done before) → `Progress`.
    counting : callable, optional
        The same, for counting the frames of all videos first, which sliding clips need that are all stored.
    engine : Engine
        What computes (`choose_engine`); by default this process.

    Returns
    -------
    ExtractSummary

    Raises
    ------
    UserError
        When the existing file is of another run or holds other annotations, another process writes it, or
        space is short.
    """
    started = time.monotonic()
    totals = Totals()
    plan = engine.placed(plan)
    with WriterLock(plan.out):
        rows = _prepare_file(plan, counting)
        skipped = len(plan.videos) - len(rows)
        if rows or not FeatureStore(plan.out).complete:
            _extract_rows(plan, rows, progress, engine, totals)
        add_annotations(plan.out, not_embedded(FeatureStore(plan.out), plan.store.annotations))
        store = FeatureStore(plan.out)
    return ExtractSummary(
        plan.out, len(store.ids), store.failed, skipped, len(plan.videos), time.monotonic() - started, totals
    )


def _prepare_file(plan: ExtractionPlan, counting: ProgressFactory | None) -> list[int]:
    """Make the file, or check that it is this run's; return the rows still to do, failed ones among them."""
    if plan.overwrite:
        require_replaceable(plan.out)
    if plan.out.exists() and not plan.overwrite:
        existing = FeatureStore(plan.out)
        wanted = (plan.store.identity, plan.store.videos)
        require_same(plan.out, (existing.identity_fields, existing.videos), wanted)
        not_embedded(existing, plan.store.annotations)  # other annotations are found before the work
        return [int(row) for row in np.flatnonzero(existing.video_table["status"] != DONE)]
    store = replace(plan.store, clip_counts=_clip_counts(plan, counting)) if plan.per_clip else plan.store
    free = shutil.disk_usage(plan.out.resolve().parent).free
    if store.nbytes > free:
        raise UserError(
            f"{plan.out} needs {store.nbytes / 1e9:.1f} GB, {free / 1e9:.1f} GB are free",
            "Pool layers (res5c:avg), leave out --per-clip, use --dtype float16, or choose another disk",
        )
    create_store(plan.out, store)
    return list(range(len(plan.videos)))


def _clip_counts(plan: ExtractionPlan, counting: ProgressFactory | None) -> NDArray[np.int64]:
    """Clips of each video; sliding clips need the number of frames, which only decoding tells."""
    if plan.sampling.kind != "sliding":
        return np.full(len(plan.videos), plan.sampling.clips, np.int64)
    counts = np.zeros(len(plan.videos), np.int64)
    jobs = ((row, plan.job(row, count_only=True)) for row in range(len(plan.videos)))
    shown = counting(len(plan.videos), 0) if counting else nullcontext()
    with shown as bar, DecoderPool(jobs, plan.workers, plan.video_timeout, Meter()) as pool:
        for video in pool:
            for header in pool.read(video):
                if isinstance(header, VideoHeader):
                    counts[video.row] = sum(clip.repeats for clip in header.clips)
            if bar is not None:  # a broken video is met again, and listed, by the run itself
                bar.advance()
    return counts


def _extract_rows(
    plan: ExtractionPlan, rows: list[int], progress: ProgressFactory | None, engine: Engine, totals: Totals
) -> None:
    groups = groups_of(rows, len(plan.videos), plan.batch_clips)
    settings = {
        "batch_size": plan.batch_clips,
        "workers": plan.workers,
        "device": plan.store.provenance["device"],
        "threads": torch.get_num_threads(),
        "compile": plan.compiling,
        **engine.settings,
    }
    shown = progress(len(plan.videos), len(plan.videos) - len(rows)) if progress else nullcontext()
    with heed_interrupts() as check, StoreWriter(plan.out, command_line(), settings) as writer, shown as bar:

        def stored(result: VideoResult, reason: str | None) -> None:
            check()
            if bar is not None:
                for text in totals.news():
                    bar.note(text)
                for text in filter(None, (result.notice, reason)):
                    bar.note(f"{result.id}: {text}")
                bar.describe(progress_text(totals))
                bar.advance()

        with closing(engine.compute(plan, groups)) as results:
            store_results(writer, plan.store.layers, results, stored, totals)
        writer.finish()
