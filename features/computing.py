"""Computing on this machine: decode, run the network, average; nothing here writes."""

from collections.abc import Generator, Iterable

import numpy as np
import torch
from numpy.typing import NDArray

from p3d_eval.features.averaging import average_videos
from p3d_eval.features.groups import Group
from p3d_eval.features.planning import ExtractionPlan
from p3d_eval.features.prefetch import Prefetcher
from p3d_eval.features.results import Activations, Outcome


def compute_results(plan: ExtractionPlan, groups: Iterable[Group]) -> Generator[Outcome]:
    """Compute the features of the wanted videos of ``groups``, in this process and on the plan's device.

    Parameters
    ----------
    plan : ExtractionPlan
        Network, layers, sampling, batch size.
    groups : iterable of Group
        What to compute, from `groups_of`.

    Yields
    ------
    ClipResult or VideoResult
        Clips only where the plan stores every clip. The same bits for a group whatever else runs, on the
        same type of device with as many threads.
    """
    backbone = plan.backbone
    layers = plan.layers

    def prepare(frames: NDArray[np.uint8]) -> torch.Tensor:
        return backbone.preprocess(torch.from_numpy(frames)[None])[0]

    def forward(inputs: list[torch.Tensor]) -> Activations:
        found = backbone.features(torch.stack(inputs), layers)
        return {name: values.float().cpu().numpy() for name, values in found.items()}

    found = list(groups)
    wanted = {row for group in found for row in group.wanted}
    videos = [(row, number, plan.videos[row]) for number, group in enumerate(found) for row in group.rows]
    clip_bytes = 4 * int(np.prod(backbone.input_spec.input_shape))
    with Prefetcher(videos, plan.sampling, prepare, plan.workers, clip_bytes) as decoded:
        for result in average_videos(iter(decoded), forward, plan.batch_clips, plan.per_clip):
            if result.row in wanted:
                yield result
