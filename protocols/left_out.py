"""Leaving each group of videos out in turn: one split, scored by classifiers that have not seen the group."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from p3d_eval.errors import UserError
from p3d_eval.protocols.classification import Trained, train, worst_of
from p3d_eval.protocols.classification_options import ClassificationOptions
from p3d_eval.protocols.leave_one_out import TOLERANCE, leave_one_out
from p3d_eval.protocols.normalisation import Standardiser
from p3d_eval.protocols.pca_sweep import parse_dimensions, project, train_points
from p3d_eval.protocols.result import Certificate
from p3d_eval.protocols.task_features import TaskFeatures
from p3d_eval.protocols.task_fits import Fits, Outcome
from p3d_eval.protocols.tasks import Index, TaskSplit
from p3d_eval.protocols.timing import Timer

Array = NDArray[np.float64]
Fold = tuple[Index, Index, list[str]]
Fit = Callable[[Fold], dict[int, tuple[Trained, Array]]]

SPLIT = "leave one out"
_WHOLE = 0  # stands for all dimensions beside numbers of principal components


def left_out_split(videos: int) -> TaskSplit:
    """Make a task's one split: every video trains, and is tested by who has not seen its group."""
    rows = np.arange(videos)
    return TaskSplit(SPLIT, rows, rows)


def fit_left_out(data: TaskFeatures, options: ClassificationOptions, timer: Timer) -> Fits:
    """Score every video by the classifier that is trained on all videos but those of its group.

    Linear SVMs on rows that are normalised one by one go by :func:`leave_one_out`, which needs few fits; what
    is learned in each fold (standardisation, C, principal components) and other classifiers go by a loop.

    Parameters
    ----------
    data : TaskFeatures
        Videos of one class each; ``task.groups`` says what is left out together.
    options : ClassificationOptions
    timer : Timer

    Raises
    ------
    UserError
        When there are not two groups, or without one of them there are not two classes.
    """
    folds = list(_folds(data))
    classifier = options.make_classifier()
    exact = classifier.name == "svm" and len(classifier.values) == 1 and options.normalise != "zscore"
    with timer.phase("classify"):
        outcome, said = _exactly(data, options) if exact else _by_loop(data, options, folds)
    swept: dict[int, list[Outcome]] = {}
    points = parse_dimensions(options.pca)
    if points:
        with timer.phase("pca"):
            found = _loop(data, options, folds, lambda fold: _fit_points(data, options, points, fold))
        swept = {point: [found[point]] for point in points}
        said += "; each fold has its own principal components"
    what = "each group of videos" if data.task.clustered else "each video"
    return Fits([outcome], swept, f"{what} left out in turn: {said}")


def _folds(data: TaskFeatures) -> Iterator[Fold]:
    """Yield training rows, test rows and the training rows' groups of every fold, groups in ascending order."""
    task = data.task
    rows = data.there(task.splits[0].test)
    groups = np.array([task.groups[row] for row in rows.tolist()])
    names = np.unique(groups).tolist()
    if len(rows) < 2:
        raise UserError(
            f"{task.dataset}: one video alone, {names[0]!r}", "Give others to train on, of two classes or more"
        )
    if len(names) < 2:
        raise UserError(f"{task.dataset}: all videos are of the group {names[0]!r}", "Two groups are needed")
    classes = {task.labels[row] for row in rows.tolist()}
    if len(classes) < 2:
        ((label, *_),) = classes
        raise UserError(
            f"{task.dataset}: all videos are of one class, {task.classes[label]!r}", "Two classes are needed"
        )
    one = task.cluster_kind
    for name in names:
        out = groups == name
        training = rows[~out]
        if len({task.labels[row] for row in training.tolist()}) < 2:
            raise UserError(f"{task.dataset}: without the {one} {name!r} only one class remains")
        yield training, rows[out], groups[~out].tolist()


def _exactly(data: TaskFeatures, options: ClassificationOptions) -> tuple[Outcome, str]:
    task = data.task
    rows = data.there(task.splits[0].test)
    classifier = options.make_classifier()
    found = leave_one_out(
        data.samples(rows),
        task.first_labels(rows),
        C=classifier.values[0],
        groups=[task.groups[row] for row in rows.tolist()],
        device=classifier.device,
    )
    scores = np.full((len(rows), len(task.classes)), -np.inf)
    scores[:, found.classes] = found.values
    solver = f"Newton in Gram space, float64, squared hinge, C = {classifier.values[0]:g}"
    certificate = Certificate(SPLIT, solver, found.residual, TOLERANCE, found.problems, "KKT residual")
    return _outcome(data, options, scores, (certificate,), Counter()), found.statement


def _by_loop(data: TaskFeatures, options: ClassificationOptions, folds: list[Fold]) -> tuple[Outcome, str]:
    def fit(fold: Fold) -> dict[int, tuple[Trained, Array]]:
        training, tested, groups = fold
        labels = data.task.first_labels(training)
        classifier = options.make_classifier()
        trained = train(classifier, options.normalise, data.samples(training), labels, groups, SPLIT)
        return {_WHOLE: (trained, data.samples(tested))}

    return _loop(data, options, folds, fit)[_WHOLE], f"{len(folds)} folds: each trained on its own"


def _fit_points(
    data: TaskFeatures, options: ClassificationOptions, points: tuple[int, ...], fold: Fold
) -> dict[int, tuple[Trained, Array]]:
    """Train on principal components of one fold's training videos, for each number of them."""
    training, tested, groups = fold
    values = data.samples(np.concatenate([training, tested]))
    n = len(training)
    if options.normalise == "zscore":
        values = Standardiser.learn(values[:n]).apply(values)
    projected = project(values, range(n), points, options.pca_solver, options.seed, options.device)
    labels, classifier = data.task.first_labels(training), options.make_classifier()
    together = train_points(projected[:n], labels, points, classifier, SPLIT)
    found = {}
    for point in points:
        trained = together.get(point)
        if trained is None:
            trained = train(classifier, "none", projected[:n, :point], labels, groups, f"{SPLIT}, pca {point}")
        found[point] = (trained, projected[n:, :point])
    return found


def _loop(
    data: TaskFeatures, options: ClassificationOptions, folds: list[Fold], fit: Fit
) -> dict[int, Outcome]:
    """Fit every fold, and put the scores of its test videos where they belong."""
    rows = data.there(data.task.splits[0].test)
    place = {row: number for number, row in enumerate(rows.tolist())}
    count = len(data.task.classes)
    scores: dict[int, Array] = {}
    checks: dict[int, list[Certificate]] = {}
    chosen: dict[int, Counter[float]] = {}
    for fold in folds:
        at = [place[row] for row in fold[1].tolist()]
        for key, (trained, tested) in fit(fold).items():
            own = scores.setdefault(key, np.empty((len(rows), count)))
            own[at] = trained.scores(tested, count)
            checks.setdefault(key, []).extend(trained.certificates)
            if trained.choice is not None:
                chosen.setdefault(key, Counter())[trained.choice.C] += 1
    return {
        key: _outcome(
            data,
            options,
            values,
            worst_of(checks.get(key, []), SPLIT if key == _WHOLE else f"{SPLIT}, pca {key}"),
            chosen.get(key, Counter()),
        )
        for key, values in scores.items()
    }


def _outcome(
    data: TaskFeatures,
    options: ClassificationOptions,
    scores: Array,
    certificates: tuple[Certificate, ...],
    chosen: Counter[float],
) -> Outcome:
    task = data.task
    tested = data.there(task.splits[0].test)
    counted = task.splits[0].test if options.allow_missing == "wrong" else tested
    sizes = Counter(task.groups[row] for row in tested.tolist())
    told: dict[str, Any] = {}
    if chosen:
        counts = {f"{value:g}": count for value, count in sorted(chosen.items())}
        told = {"C": chosen.most_common(1)[0][0], "folds": counts, "seed": options.seed}
    shown = {task.labels[row][0] for row in counted.tolist()}
    outside = {label for label in shown if not _outside(data, tested, label)}
    return Outcome(
        name=SPLIT,
        counted=counted,
        tested=tested,
        scores=scores,
        n_train=len(tested) - max(sizes.values()),
        certificates=certificates,
        chosen=told,
        untrained=tuple(sorted(task.classes[label] for label in outside)),
    )


def _outside(data: TaskFeatures, tested: Index, label: int) -> bool:
    """Whether a class has videos in two groups, so that it can be learned when one of them is left out."""
    groups = {data.task.groups[row] for row in tested.tolist() if data.task.labels[row][0] == label}
    return len(groups) > 1
