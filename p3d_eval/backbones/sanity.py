"""What goes wrong most often when a network is brought in, each as a check that measures it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional

from p3d_eval.backbones.backbone import Backbone, LayerTexts
from p3d_eval.backbones.checkpoint import hash_state
from p3d_eval.backbones.listing import last_layer
from p3d_eval.backbones.network import Network
from p3d_eval.backbones.runner import BOUNDS
from p3d_eval.backbones.spec import InputSpec
from p3d_eval.errors import UserError, counted

Verdict = Literal["pass", "warn", "fail"]
Outputs = Mapping[str, Tensor]

_GRAIN = (4, 24, 24)  # frames and pixels for which the blurred noise of an example clip has one value
_DRIFT = 3  # pixels that it moves from frame to frame
_UNIT_MEAN = 1.0  # a mean of pixels in 0 … 1 is at most this
_BYTE_RANGE = 100.0  # a range this wide is one of bytes
_SAME = 1e-6  # of a layer's largest value: clips that differ less are the same to the network
_SUM_ERROR = 1e-3  # of probabilities, which 16-bit arithmetic reaches


@dataclass(frozen=True)
class Check:
    """One finding about a network.

    Parameters
    ----------
    name : str
        What was looked at.
    verdict : {"pass", "warn", "fail"}
        ``warn`` is unusual, and may be meant; ``fail`` makes features wrong.
    finding : str
        What was measured, in one line.
    """

    name: str
    verdict: Verdict
    finding: str


def example_clips(spec: InputSpec, count: int = 2) -> list[Tensor]:
    """Make clips of moving blurred noise: uint8, T × H × W × channels, each from its own seed."""
    height, width = (spec.resize, spec.resize) if isinstance(spec.resize, int) else spec.resize
    size = (spec.clip_length, height, width + _DRIFT * spec.clip_length)
    clips = []
    for seed in range(count):
        generator = torch.Generator().manual_seed(seed)
        coarse = [-(-length // grain) + 1 for length, grain in zip(size, _GRAIN, strict=True)]
        noise = 255 * torch.rand(1, spec.channels, *coarse, generator=generator)
        smooth = functional.interpolate(noise, size=size, mode="trilinear", align_corners=True)[0]
        frames = [smooth[:, time, :, _DRIFT * time : _DRIFT * time + width] for time in range(spec.clip_length)]
        clips.append(torch.stack(frames).permute(0, 2, 3, 1).round().to(torch.uint8))
    return clips


def check_backbone(
    backbone: Backbone, layers: LayerTexts | None = None, clips: Sequence[Tensor] | None = None
) -> tuple[Check, ...]:
    """Measure what goes wrong most often when a network is brought in.

    Parameters
    ----------
    backbone : Backbone
        The network.
    layers : str or sequence of str, optional
        What is looked at; by default the layers for ASLAN, else the last one listed.
    clips : sequence of Tensor, optional
        Two different clips or more, uint8 of shape T × H × W × channels; by default moving noise.

    Returns
    -------
    tuple of Check
        Input range, finite values, probabilities, determinism, batch invariance, mode, constant output, time
        reversal, weights. Checks that the cause of another failure would fail too are left out: those that
        compare outputs where they are not finite, batch invariance where the same clip gives other numbers.

    Raises
    ------
    UserError
        When a layer is unknown or there is none, the network fails, or fewer than two clips are given.
    """
    looked_at = layers or backbone.aslan_layers or last_layer(backbone)
    given = list(clips) if clips is not None else example_clips(backbone.input_spec)
    if len(given) < 2:
        raise UserError("a check needs two clips", "Give another one, or none: then they are made")
    inputs = torch.cat([backbone.preprocess(clip[None]) for clip in given])
    before = hash_state(backbone.module)
    alone = backbone.features(inputs[:1], looked_at)
    again = backbone.features(inputs[:1], looked_at)
    together = backbone.features(inputs, looked_at)
    even = _one_middle(inputs[:1])
    orders = backbone.features(torch.cat([even, even.flip(2)]), looked_at)
    unchanged = before == hash_state(backbone.module)
    bound = BOUNDS[backbone.precision]
    values = _check_range(backbone.input_spec, inputs)
    finite = _check_finite(together, alone, again, orders)
    mode, weights = _check_mode(backbone, unchanged), _check_weights(backbone)
    if finite.verdict == "fail":
        return values, finite, mode, weights
    determinism = _check_determinism(alone, again, bound)
    return (
        values,
        finite,
        *_check_probabilities(together, backbone.classes),
        determinism,
        *(() if determinism.verdict == "fail" else (_check_batches(alone, together, bound),)),
        mode,
        _check_constant(together),
        _check_time(backbone.network, orders),
        weights,
    )


def _one_middle(clip: Tensor) -> Tensor:
    """Show the frame before the middle of an even clip twice, so that both orders have one frame there.

    A network that sees the middle frame alone sees no order then.
    """
    clip = clip.clone()
    count = clip.shape[2]
    clip[:, :, count // 2] = clip[:, :, (count - 1) // 2]
    return clip


def _check_range(spec: InputSpec, inputs: Tensor) -> Check:
    low, high = sorted(spec.value_range)
    least, largest = float(inputs.min()), float(inputs.max())
    found = f"{least:.4g} … {largest:.4g} from bytes, mean {float(inputs.mean()):.4g}"
    name = "input range"
    if not inputs.isfinite().all():
        return Check(name, "fail", f"{found}: not all finite")
    if min(spec.mean) < low or max(spec.mean) > high:
        mean = ", ".join(f"{one:g}" for one in spec.mean)
        return Check(name, "fail", f"{found}: the mean {mean} lies outside of the range {low:g} … {high:g}")
    small = 0 < max(map(abs, spec.mean)) <= _UNIT_MEAN or 0 < min(spec.std) < max(spec.std) <= _UNIT_MEAN
    if small and high - low > _BYTE_RANGE:
        return Check(
            name, "warn", f"{found}: mean and std look made for 0 … 1, the range is {low:g} … {high:g}"
        )
    return Check(name, "pass", found)


def _check_finite(found: Outputs, *others: Outputs) -> Check:
    """Look at every run; the range that is told is of the first."""
    bad = [name for name in found if not all(run[name].isfinite().all() for run in (found, *others))]
    if bad:
        return Check("finite values", "fail", f"infinite or no numbers in {', '.join(bad)}")
    ranges = ", ".join(f"{name} {float(one.min()):.3g} … {float(one.max()):.3g}" for name, one in found.items())
    return Check("finite values", "pass", ranges)


def _check_probabilities(found: Outputs, classes: Sequence[str]) -> tuple[Check, ...]:
    if "prob" not in found:
        return ()
    prob = found["prob"].flatten(1)
    error = float((prob.sum(1) - 1).abs().max())
    if float(prob.min()) < 0 or not error <= _SUM_ERROR:
        sums = f"least value {float(prob.min()):.3g}, sums off by {error:.2g}"
        return (Check("probabilities", "fail", f"prob is no distribution: {sums}"),)
    if classes and len(classes) != prob.shape[1]:
        return (
            Check(
                "probabilities",
                "fail",
                f"{counted(prob.shape[1], 'value')} for {counted(len(classes), 'class name')}",
            ),
        )
    return (Check("probabilities", "pass", f"{counted(prob.shape[1], 'value')}, sums within {error:.1g} of 1"),)


def _relative(found: Outputs, expected: Outputs) -> tuple[str, float]:
    """Layer whose first clip differs most, as a part of its largest value, and that difference."""
    differences = {
        name: float((values[0] - expected[name][0]).abs().max() / (expected[name][0].abs().max() or 1))
        for name, values in found.items()
    }
    worst = max(differences, key=lambda name: differences[name])
    return worst, differences[worst]


def _check_determinism(first: Outputs, second: Outputs, bound: float) -> Check:
    if all(torch.equal(first[name], second[name]) for name in first):
        return Check("determinism", "pass", "the same clip gives the same bits")
    layer, difference = _relative(second, first)
    finding = f"the same clip twice differs by {difference:.1e} of the largest value in {layer}"
    if difference <= bound:
        return Check("determinism", "warn", finding)
    return Check("determinism", "fail", f"{finding}: is dropout on in evaluation?")


def _check_batches(alone: Outputs, together: Outputs, bound: float) -> Check:
    layer, difference = _relative(together, alone)
    finding = f"a clip alone and in a batch differs by {difference:.1e} of the largest value in {layer}"
    if difference <= bound:
        return Check("batch invariance", "pass", finding)
    return Check("batch invariance", "fail", f"{finding}: does it normalise over the batch?")


def _check_mode(backbone: Backbone, unchanged: bool) -> Check:
    training = [name or "the network itself" for name, one in backbone.module.named_modules() if one.training]
    if not unchanged:
        return Check("evaluation mode", "fail", "running the network changes its parameters or statistics")
    if training:
        some = ", ".join(training[:3])
        number = counted(len(training), "module")
        return Check("evaluation mode", "fail", f"in training mode after a run: {number} ({some})")
    return Check(
        "evaluation mode", "pass", "every module is in evaluation mode, and nothing changed by running"
    )


def _check_constant(found: Outputs) -> Check:
    spreads = {
        name: float((values[1:] - values[:1]).abs().max() / (values.abs().max() or 1))
        for name, values in found.items()
    }
    same = [name for name, spread in spreads.items() if not spread > _SAME]
    shown = ", ".join(f"{name} {spread:.1e}" for name, spread in spreads.items())
    if same:
        return Check("constant output", "fail", f"different clips give the same {', '.join(same)}")
    return Check("constant output", "pass", f"two clips differ, as parts of the largest value: {shown}")


def _check_time(network: Network, found: Outputs) -> Check:
    if network.input_spec.clip_length == 1:
        return Check("time reversal", "pass", "one frame has no order")
    pooled = {name: _without_places(values) for name, values in found.items()}
    differences = {
        name: float((values[-1] - values[0]).abs().max() / (values[0].abs().max() or 1))
        for name, values in pooled.items()
    }
    shown = ", ".join(f"{name} {difference:.1e}" for name, difference in differences.items())
    if max(differences.values()) > _SAME:
        return Check("time reversal", "pass", f"a clip played backwards differs: {shown}")
    finding = f"a clip played backwards is the same: {shown}"
    if network.images:
        return Check("time reversal", "pass", f"{finding}, as for every network of images")
    return Check("time reversal", "warn", f"{finding}; it sees no order of frames")


def _without_places(values: Tensor) -> Tensor:
    """Average over time and space, or over tokens: what is played backwards lies elsewhere in a map."""
    if values.ndim <= 2:
        return values
    return values.mean(1) if values.ndim == 3 else values.flatten(2).mean(2)


def _check_weights(backbone: Backbone) -> Check:
    if backbone.weights.random:
        return Check("weights", "warn", f"{backbone.weights.source}: nobody trained them")
    return Check("weights", "pass", f"{backbone.weights.source}, SHA-256 {backbone.weights.sha256[:12]}…")


def worst_verdict(checks: Sequence[Check]) -> Verdict:
    """Return the gravest of the verdicts."""
    order = get_args(Verdict)
    return max((check.verdict for check in checks), key=order.index)
