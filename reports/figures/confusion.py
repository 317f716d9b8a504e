"""Which class is taken for which."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from p3d_eval.errors import UserError
from p3d_eval.reports.figures.data import FigureData, Matrix
from p3d_eval.reports.figures.labelled import Labelled, cautions


@dataclass(frozen=True)
class Confusion:
    """One cell off the diagonal.

    Parameters
    ----------
    true, predicted : str
        Classes.
    count : float
        Videos of the first that were taken for the second.
    share : float
        Of all videos of the first class, in percent.
    """

    true: str
    predicted: str
    count: float
    share: float

    @property
    def told(self) -> str:
        """Its share as a reader sees it."""
        return f"{self.share:.0f} %"


def confusion_figure(result: Labelled) -> FigureData:
    """Count, for every class, what its test videos were taken for, over all splits.

    Parameters
    ----------
    result : Labelled
        A result of a classification with one class a video.

    Raises
    ------
    UserError
        When it has no scores, or is of pairs or of several classes a video.
    """
    scores = result.scores()
    if scores.scores.ndim != 2 or scores.labels.ndim != 1:
        what = "pairs" if scores.scores.ndim == 1 else "videos of several classes"
        raise UserError(
            f"{result.loaded.name}: a confusion matrix is drawn of one class a video, this is of {what}",
            "p3d-eval plot roc, or precision-recall, draws these",
        )
    classes = tuple(scores.classes.tolist())
    guessed = np.argmax(scores.scores, axis=1)  # of equal scores the first class, as accuracy counts
    counts = np.zeros((len(classes), len(classes)))
    np.add.at(counts, (scores.labels, guessed), 1)
    right, total = float(np.trace(counts)), float(counts.sum())
    return FigureData(
        kind="confusion",
        title=f"{result.result.protocol}: confusion matrix of {result.label}",
        x_label="Predicted class",
        y_label="True class",
        matrix=Matrix(classes, classes, tuple(map(tuple, counts.tolist()))),
        facts={"right": right, "videos": total},
        notes=(f"All splits together: {right:.0f} of {total:.0f} right.", *cautions([result])),
        sources={result.label: result.result.result_id},
    )


def largest_confusions(matrix: Matrix, count: int | None = None) -> list[Confusion]:
    """List the cells off the diagonal by their share of the true class, the largest first.

    Of equal shares the one of more videos comes first, then the matrix's order decides; all where no ``count``
    is given.
    """
    found = []
    for true, row in zip(matrix.rows, matrix.values, strict=True):
        for predicted, value in zip(matrix.columns, row, strict=True):
            if value and predicted != true:
                found.append(Confusion(true, predicted, value, 100 * value / sum(row)))
    return sorted(found, key=lambda one: (-one.share, -one.count))[:count]


def listed_confusions(matrix: Matrix, lines: int) -> tuple[list[Confusion], str]:
    """List as many of the largest confusions as fit some lines, two or more.

    Returns
    -------
    list of Confusion
    str
        ``and 7 more of 10 %``, which takes a line, too: where others are as large as the last one, so that
        which of them is listed means nothing. Empty where there are none.
    """
    found = largest_confusions(matrix)
    if len(found) <= lines:
        return found, ""
    end = lines if found[lines - 1].told != found[lines].told else lines - 1
    last = found[end - 1].told
    more = sum(one.told == last for one in found[end:])
    return found[:end], f"and {more} more of {last}" if more else ""


def shares(matrix: Matrix) -> Sequence[Sequence[float]]:
    """Percent of each row in each column; a row of zeros stays zero."""
    return [[100 * value / max(sum(row), 1.0) for value in row] for row in matrix.values]
