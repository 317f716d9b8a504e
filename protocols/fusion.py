"""Early and late fusion of several feature files (the paper's "P3D ResNet + IDT").

C3D's authors concatenate ("simply concatenate C3D features with iDT features, then do linear SVM",
facebookarchive/C3D#229); the P3D paper does not say how it fuses. Early fusion puts blocks one after the
other, each normalised alone and scaled by its weight, with one classifier; late fusion takes the weighted
mean of the classifiers' scores, or of the softmax of these.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from p3d_eval.errors import UserError
from p3d_eval.protocols.c_path import FOLDS, group_folds, one_class_remains
from p3d_eval.protocols.classification import train, worst_of
from p3d_eval.protocols.classification_options import ClassificationOptions
from p3d_eval.protocols.fused_store import CV, FusedStore
from p3d_eval.protocols.left_out import SPLIT
from p3d_eval.protocols.result import Certificate
from p3d_eval.protocols.task_features import Matched, TaskFeatures, read_features
from p3d_eval.protocols.task_fits import Fits, Outcome, targets
from p3d_eval.protocols.tasks import Index, TaskSplit
from p3d_eval.protocols.timing import Timer

Array = NDArray[np.float64]
Weights = tuple[float, ...]
Fit = Callable[[TaskFeatures, ClassificationOptions, Timer], Fits]

_STEPS = {2: 10, 3: 5}  # of the grid of weights that cv tries: tenths for two files, fifths for three
_MORE_STEPS = 4


def fit_fused(
    store: FusedStore,
    blocks: Sequence[TaskFeatures],
    options: ClassificationOptions,
    timer: Timer,
    fit: Fit,
) -> Fits:
    """Fit every split on several feature files.

    Parameters
    ----------
    store : FusedStore
    blocks : sequence of TaskFeatures
        Of each file, see `read_blocks`.
    options : ClassificationOptions
    timer : Timer
    fit : callable
        How one set of features is fitted.

    Raises
    ------
    UserError
        When the weights are to be chosen where every video is left out in turn, or early fusion is weighted
        although each dimension is standardised after it.
    """
    splits = blocks[0].task.splits
    if store.weights == CV and any(split.name == SPLIT for split in splits):
        raise UserError(
            "weights: cv is not possible where videos are left out in turn", "Give --weights 0.5,0.5"
        )
    if store.fusion == "early" and options.normalise == "zscore" and len(set(store.weights)) > 1:
        raise UserError(
            "weights: zscore after early fusion undoes them", "Use --normalise l2, or --fusion late"
        )
    if store.weights != CV:
        return _with_weights(store, blocks, options, timer, fit, tuple(map(float, store.weights)))
    found: list[Fits] = []
    said: list[str] = []
    for split in splits:
        with timer.phase("weights"):
            choice = choose_weights(store, blocks, split, options)
        alone = [_only(block, split) for block in blocks]
        found.append(_told(_with_weights(store, alone, options, timer, fit, choice.weights), choice))
        said.append(f"{split.name}: {', '.join(f'{weight:g}' for weight in choice.weights)}")
    return Fits(
        [outcome for one in found for outcome in one.outcomes],
        {point: [one.swept[point][0] for one in found] for point in found[0].swept},
        "; ".join(filter(None, (found[0].said, f"weights chosen for split {', for split '.join(said)}"))),
    )


def describe_fusion(store: FusedStore) -> str:
    """Say in one sentence how files were fused."""
    how = {
        "early": "early fusion: blocks normalised one by one, times the square root of their weights, then one "
        "classifier",
        "late": "late fusion: weighted mean of the classifiers' scores",
        "late-softmax": "late fusion: weighted mean of the softmax of the classifiers' scores",
    }[store.fusion]
    if store.weights == CV:
        return f"{how}; weights by cross validation over groups of training videos, the most even of equals"
    given = ", ".join(f"{float(weight):.3g}" for weight in store.weights)
    return f"{how}; weights {given} (the paper does not say)"


def read_blocks(store: FusedStore, matched: Matched, options: ClassificationOptions) -> list[TaskFeatures]:
    """Read each file's features of the matched videos, normalised one file at a time.

    A huge layer is replaced by coordinates (see `read_features`). Put one after the other, blocks of these
    have the same inner products as the layers themselves.
    """
    blocks = []
    for number, layer in enumerate(store.layers_of(options.layer)):
        own = store.ids_in(number, list(matched.ids.values()))
        there = replace(matched, ids=dict(zip(matched.ids, own, strict=True)))
        blocks.append(read_features(store.parts[number], there, layer, options.normalise, options.device))
    return blocks


def _only(block: TaskFeatures, split: TaskSplit) -> TaskFeatures:
    task = replace(block.task, splits=(split,))
    return replace(block, matched=replace(block.matched, task=task))


def _with_weights(
    store: FusedStore,
    blocks: Sequence[TaskFeatures],
    options: ClassificationOptions,
    timer: Timer,
    fit: Fit,
    weights: Weights,
) -> Fits:
    if store.fusion == "early":
        return fit(blocks[0].with_values(concatenate([block.X for block in blocks], weights)), options, timer)
    each = [fit(block, options, timer) for block in blocks]
    return Fits(
        [
            _averaged(same, store, weights)
            for same in zip(*(fits.outcomes for fits in each), strict=True)
        ],
        {
            point: [
                _averaged(same, store, weights)
                for same in zip(*(fits.swept[point] for fits in each), strict=True)
            ]
            for point in each[0].swept
        },
        each[0].said,
    )  # fmt: skip


def concatenate(blocks: Sequence[Array], weights: Weights) -> Array:
    """Put blocks (n, D_k) one after the other, each times √(weight · number of blocks).

    Inner products, all that a linear SVM sees, are then the weighted mean of the blocks' times their number;
    equal weights leave the blocks as they are.
    """
    return np.hstack(
        [block * np.sqrt(weight * len(blocks)) for block, weight in zip(blocks, weights, strict=True)]
    )


def fuse_scores(scores: Sequence[Array], weights: Weights, fusion: str) -> Array:
    """Weighted mean of scores, or of their softmax, each of shape (n, classes)."""
    values = [softmax(own, axis=1) if fusion == "late-softmax" else own for own in scores]
    total = np.zeros_like(values[0])
    for own, weight in zip(values, weights, strict=True):
        total += weight * np.where(np.isneginf(own), 0.0, own)  # 0 · −∞ is no number
        total[np.isneginf(own)] = -np.inf
    return total


def _averaged(same: Sequence[Outcome], store: FusedStore, weights: Weights) -> Outcome:
    first = same[0]
    named = [
        replace(one, problem=f"{one.problem}, {part.label}")
        for outcome, part in zip(same, store.parts, strict=True)
        for one in outcome.certificates
    ]
    chosen: dict[str, Any] = dict(first.chosen)
    if chosen:
        chosen["parts"] = [dict(outcome.chosen) for outcome in same]
    scores = fuse_scores([outcome.scores for outcome in same], weights, store.fusion)
    return replace(first, scores=scores, certificates=tuple(named), chosen=chosen)


@dataclass(frozen=True)
class WeightChoice:
    """What cross validation found.

    Parameters
    ----------
    weights : tuple of float
        Those that are right most often, the most even of equals.
    tried : mapping of str to float
        Share of the training videos that were right while they were left out, for all weights tried.
    certificates : tuple of Certificate
        The worst of all fits.
    """

    weights: Weights
    tried: Mapping[str, float]
    certificates: tuple[Certificate, ...]


def _told(fits: Fits, choice: WeightChoice) -> Fits:
    (outcome,) = fits.outcomes
    chosen = {**outcome.chosen, "weights": list(choice.weights), "weights tried": dict(choice.tried)}
    certificates = (*outcome.certificates, *choice.certificates)
    return replace(fits, outcomes=[replace(outcome, chosen=chosen, certificates=certificates)])


def weight_grid(parts: int) -> list[Weights]:
    """Weights that sum to 1, the even ones first: of equally good ones the most even is taken."""
    steps = _STEPS.get(parts, _MORE_STEPS)
    grid = [
        tuple(step / steps for step in (*chosen, steps - sum(chosen)))
        for chosen in product(range(steps + 1), repeat=parts - 1)
        if sum(chosen) <= steps
    ]
    return sorted(grid, key=lambda weights: (round(sum(w * w for w in weights), 9), weights))


def choose_weights(
    store: FusedStore, blocks: Sequence[TaskFeatures], split: TaskSplit, options: ClassificationOptions
) -> WeightChoice:
    """Choose weights by group-aware cross validation on a split's training videos.

    Raises
    ------
    UserError
        When there is one group only, or a fold leaves one class to train on.
    """
    task = blocks[0].task
    rows = blocks[0].there(split.train)
    groups = [task.groups[row] for row in rows.tolist()]
    even = f"Give them: --weights {','.join(['1'] * len(blocks))}"
    if len(set(groups)) < 2:
        raise UserError(f"weights: split {split.name} has training videos of one group only", even)
    folds = group_folds(groups, FOLDS, options.seed)
    if one_class_remains(targets(task, rows), folds):
        raise UserError(f"weights: split {split.name}: a fold leaves one class only to train on", even)
    grid = weight_grid(len(blocks))
    right = np.zeros(len(grid), np.int64)
    shown = task.indicator(rows)
    certificates: list[Certificate] = []
    for fold in np.unique(folds):
        held = np.flatnonzero(folds == fold)
        found = _held_out(store, blocks, (rows, np.flatnonzero(folds != fold), held), options, grid)
        certificates += found.certificates
        for number, scores in enumerate(found.scores):
            right[number] += int(shown[held, scores.argmax(axis=1)].sum())
    tried = {
        " ".join(f"{weight:g}" for weight in weights): float(share)
        for weights, share in zip(grid, right / len(rows), strict=True)
    }
    worst = worst_of(certificates, f"split {split.name}, cross validation of weights")
    return WeightChoice(grid[int(right.argmax())], tried, worst)


@dataclass(frozen=True)
class _HeldOut:
    """Scores of one fold's videos for each choice of weights, and what was solved for them."""

    scores: list[Array]
    certificates: list[Certificate]


def _held_out(
    store: FusedStore,
    blocks: Sequence[TaskFeatures],
    parts: tuple[Index, Index, Index],
    options: ClassificationOptions,
    grid: Sequence[Weights],
) -> _HeldOut:
    rows, learned, held = parts
    task = blocks[0].task
    groups = [task.groups[row] for row in rows[learned].tolist()]
    labels = targets(task, rows[learned])
    certificates: list[Certificate] = []

    def scores(X: Array) -> Array:
        trained = train(options.make_classifier(), options.normalise, X[learned], labels, groups, "weights")
        certificates.extend(trained.certificates)
        return trained.scores(X[held], len(task.classes))

    samples = [block.samples(rows) for block in blocks]
    if store.fusion == "early":
        return _HeldOut([scores(concatenate(samples, weights)) for weights in grid], certificates)
    own = [scores(X) for X in samples]
    return _HeldOut([fuse_scores(own, weights, store.fusion) for weights in grid], certificates)
