"""Training on each split of a task and scoring its test videos; the same on principal components."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from numpy.typing import NDArray

from p3d_eval.errors import UserError
from p3d_eval.protocols.classification import Trained, train
from p3d_eval.protocols.classification_options import ClassificationOptions
from p3d_eval.protocols.normalisation import Normalisation, Standardiser
from p3d_eval.protocols.pca_sweep import parse_dimensions, project, train_points
from p3d_eval.protocols.result import Certificate
from p3d_eval.protocols.task_features import TaskFeatures
from p3d_eval.protocols.tasks import Index, Task, TaskSplit
from p3d_eval.protocols.timing import Timer


@dataclass(frozen=True, eq=False)
class Outcome:
    """One split: the scores of its test videos, before anything is judged.

    Parameters
    ----------
    name : str
        Name of the split.
    counted : ndarray of int
        Rows of the task that count: the test videos, without missing ones unless these count as wrong.
    tested : ndarray of int
        Those of them that have features.
    scores : ndarray of float, shape (tested, classes)
        The largest is predicted; −∞ for a class that training had not.
    n_train : int
        Number of training videos used.
    certificates : tuple of Certificate
    chosen : mapping
        What was chosen on the training videos.
    untrained : tuple of str
        Classes of counted videos without a training video.
    """

    name: str
    counted: Index
    tested: Index
    scores: NDArray[Any]
    n_train: int
    certificates: tuple[Certificate, ...] = ()
    chosen: Mapping[str, Any] = field(default_factory=dict)
    untrained: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Fits:
    """All that was fitted on one set of features.

    Parameters
    ----------
    outcomes : list of Outcome, one a split
    swept : dict of int to list of Outcome
        The same on each number of principal components, from large to small.
    said : str
        One sentence for the result, where there is something to say.
    """

    outcomes: list[Outcome]
    swept: dict[int, list[Outcome]] = field(default_factory=dict)
    said: str = ""


def fit_task(data: TaskFeatures, options: ClassificationOptions, timer: Timer) -> Fits:
    """Train and test on each split of the task, and on principal components where these are asked for."""
    return Fits(fit_splits(data, options, timer), fit_sweep(data, options, timer))


def fit_splits(data: TaskFeatures, options: ClassificationOptions, timer: Timer) -> list[Outcome]:
    """Train and test on each split of the task.

    Raises
    ------
    UserError
        When there is too little to train or to test on.
    """
    with timer.phase("classify"):
        return [
            run_split(data, split, options, options.normalise, f"split {split.name}")
            for split in data.task.splits
        ]


def run_split(
    data: TaskFeatures,
    split: TaskSplit,
    options: ClassificationOptions,
    normalise: Normalisation,
    problem: str,
    trained: Trained | None = None,
) -> Outcome:
    """Train on one split's training videos, and score its test videos.

    Parameters
    ----------
    data : TaskFeatures
    split : TaskSplit
    options : ClassificationOptions
    normalise : Normalisation
        What is still to be learned on the training videos (``zscore``), if anything.
    problem : str
        What the certificates call the fit.
    trained : Trained, optional
        Trained on this split's training videos already.

    Raises
    ------
    UserError
        When there are not training videos of two classes and a test video.
    """
    task = data.task
    training, tested = data.there(split.train), data.there(split.test)
    counted = split.test if options.allow_missing == "wrong" else tested
    taught = {label for row in training.tolist() for label in task.labels[row]}
    if len(taught) < 2 or not len(tested):
        raise UserError(f"split {split.name}: training videos of two classes and a test video are needed")
    classifier = options.make_classifier()
    if trained is None:
        groups = [task.groups[row] for row in training.tolist()]
        trained = train(classifier, normalise, data.samples(training), targets(task, training), groups, problem)
    shown = {label for row in counted.tolist() for label in task.labels[row]}
    return Outcome(
        name=split.name,
        counted=counted,
        tested=tested,
        scores=trained.scores(data.samples(tested), len(task.classes)),
        n_train=len(training),
        certificates=trained.certificates,
        chosen={} if trained.choice is None else asdict(trained.choice) | {"seed": classifier.seed},
        untrained=tuple(sorted(task.classes[label] for label in shown - taught)),
    )


def targets(task: Task, rows: Index) -> NDArray[Any]:
    """Give what a classifier learns: class numbers, shape (n,), or an indicator (n, classes)."""
    return task.indicator(rows) if task.multi_label else task.first_labels(rows)


def fit_sweep(data: TaskFeatures, options: ClassificationOptions, timer: Timer) -> dict[int, list[Outcome]]:
    """Do the same on fewer and fewer principal components of each split's training videos.

    Returns
    -------
    dict of int to list of Outcome
        By number of dimensions, from large to small; empty where the option ``pca`` asks for none.
    """
    points = parse_dimensions(options.pca)
    found: dict[int, list[Outcome]] = {point: [] for point in points}
    for split in data.task.splits if points else ():
        with timer.phase("pca"):
            rows = data.there(split.train)
            training, scaled = data.place[rows], data.X
            if options.normalise == "zscore":
                scaled = Standardiser.learn(scaled[training]).apply(scaled)
            projected = project(
                scaled, training.tolist(), points, options.pca_solver, options.seed, options.device
            )
        with timer.phase("classify"):
            trained: dict[int, Trained] = {}
            if not data.task.multi_label:
                trained = train_points(
                    projected[training],
                    data.task.first_labels(rows),
                    points,
                    options.make_classifier(),
                    f"split {split.name}",
                )
            for point in points:
                problem = f"split {split.name}, pca {point}"
                values = data.with_values(projected[:, :point])
                found[point].append(run_split(values, split, options, "none", problem, trained.get(point)))
    return found
