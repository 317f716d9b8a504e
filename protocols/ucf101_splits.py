"""UCF101's splits: training on one, judging its test videos, and the numbers over all of them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from p3d_eval.errors import UserError
from p3d_eval.protocols.annotations import ucf101 as lists
from p3d_eval.protocols.classification import Trained, train
from p3d_eval.protocols.classifiers.choice import Classifier
from p3d_eval.protocols.normalisation import Normalisation
from p3d_eval.protocols.result import Certificate, Metric, Split
from p3d_eval.protocols.statistics import LEVEL, RESAMPLES, cluster_bootstrap, proportion


@dataclass(frozen=True)
class Outcome:
    """One split: what was predicted for each test video, and the numbers made from it."""

    clips: tuple[lists.Clip, ...]
    correct: NDArray[np.bool_]
    labels: NDArray[np.intp]
    scores: NDArray[np.float64]
    ids: tuple[str, ...]
    split: Split
    certificates: tuple[Certificate, ...]
    untrained: tuple[str, ...]


def run_split(
    split: lists.Split,
    classes: tuple[str, ...],
    features: NDArray[np.float64],
    rows: Mapping[str, int],
    matched: Mapping[str, str],
    *,
    classifier: Classifier,
    normalise: Normalisation,
    count_missing: bool,
    problem: str,
    trained: Trained | None = None,
) -> Outcome:
    """Train on one split's training videos, and judge every test video that counts.

    Parameters
    ----------
    split : Split
    classes : tuple of str
    features : ndarray of float64, shape (videos, D)
        Row-normalised; what ``normalise`` learns is learned here.
    rows, matched : mapping
        Name → row of ``features``, and → the store's id, of the videos that have features.
    classifier, normalise : Classifier, str
    count_missing : bool
        Whether test videos without features are counted as wrong.
    problem : str
        What the certificates call the fit.
    trained : Trained, optional
        Trained on this split's training videos already.

    Raises
    ------
    UserError
        When there is too little to train or test on, or a group is in both parts.
    """
    lists.require_apart(split)
    index = {action: label for label, action in enumerate(classes)}
    training = [clip for clip in split.train if clip.name in rows]
    tested = [clip for clip in split.test if clip.name in rows]
    counted = split.test if count_missing else tuple(tested)
    if len({clip.action for clip in training}) < 2 or not tested:
        raise UserError(f"split {split.number}: training videos of two classes and a test video are needed")
    targets = np.array([index[clip.action] for clip in training])
    if trained is None:
        samples = features[[rows[clip.name] for clip in training]]
        groups = [_group(clip) for clip in training]
        trained = train(classifier, normalise, samples, targets, groups, problem)
    scores = trained.scores(features[[rows[clip.name] for clip in tested]], len(classes))
    labels = np.array([index[clip.action] for clip in tested], np.intp)
    right = dict(zip(tested, (scores.argmax(axis=1) == labels).tolist(), strict=True))
    correct = np.array([right.get(clip, False) for clip in counted])
    metric = proportion(int(correct.sum()), len(correct), "videos")
    chosen = {} if trained.choice is None else asdict(trained.choice) | {"seed": classifier.seed}
    return Outcome(
        clips=tuple(counted),
        correct=correct,
        labels=labels,
        scores=scores,
        ids=tuple(matched[clip.name] for clip in tested),
        split=Split(str(split.number), {"accuracy": metric}, len(training), len(correct), chosen),
        certificates=trained.certificates,
        untrained=tuple(sorted({clip.action for clip in counted} - {clip.action for clip in training})),
    )


def _group(clip: lists.Clip) -> str:
    """Name what stays together: a group's number in all classes, as in the official splits; else the clip."""
    return clip.stem if clip.group is None else f"g{clip.group:02}"


def mean_accuracy(outcomes: list[Outcome], seed: int) -> Metric:
    """Mean of the splits' accuracies; clips of one class and group are resampled together."""
    parts = []
    for outcome in outcomes:
        keys = [(clip.action, clip.group if clip.group is not None else clip.stem) for clip in outcome.clips]
        position = {key: number for number, key in enumerate(dict.fromkeys(keys))}
        parts.append((outcome.correct, np.array([position[key] for key in keys], np.intp)))
    low, high = cluster_bootstrap(parts, seed)
    clusters = sum(int(cluster.max()) + 1 for _, cluster in parts)
    method = f"percentile bootstrap, {RESAMPLES} resamples of {clusters} (class, group) clusters within splits"
    value = float(np.mean([correct.mean() for correct, _ in parts]))
    return Metric(value, low, high, LEVEL, method, sum(len(correct) for correct, _ in parts), "videos")


def per_class(outcomes: list[Outcome], classes: tuple[str, ...]) -> dict[str, Metric]:
    """Accuracy of each class over the test videos of all splits that ran."""
    hits: dict[str, list[bool]] = {action: [] for action in classes}
    for outcome in outcomes:
        for clip, correct in zip(outcome.clips, outcome.correct.tolist(), strict=True):
            hits[clip.action].append(correct)
    return {action: proportion(sum(found), len(found), "videos") for action, found in hits.items()}
