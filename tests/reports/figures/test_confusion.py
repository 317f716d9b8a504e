"""Confusion matrices against scikit-learn, and their largest cells."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from p3d_eval.errors import UserError
from p3d_eval.reports.figures.confusion import Confusion, confusion_figure, largest_confusions, shares
from p3d_eval.reports.figures.data import Matrix
from tests.support.figures import CLASSES, class_result, labelled, pair_result


def test_counts_are_scikit_learns():
    result = class_result()
    figure = confusion_figure(labelled(result)[0])
    wanted = confusion_matrix(result.scores.labels, result.scores.scores.argmax(axis=1))
    assert figure.matrix.rows == CLASSES
    assert np.array(figure.matrix.values).tolist() == wanted.tolist()
    assert figure.facts == {"right": np.trace(wanted), "videos": 40}


def test_of_equal_scores_the_first_class_is_guessed_as_accuracy_counts():
    scores = class_result().scores
    even = replace(scores, scores=np.zeros_like(scores.scores))
    figure = confusion_figure(labelled(class_result(scores=even))[0])
    assert [row[0] for row in figure.matrix.values] == [10] * 4


def test_largest_confusions_come_by_share_then_by_count():
    matrix = Matrix(("a", "b", "c"), ("a", "b", "c"), ((8, 1, 1), (2, 18, 0), (0, 0, 0)))
    assert largest_confusions(matrix, 2) == [Confusion("b", "a", 2, 10), Confusion("a", "b", 1, 10)]
    assert len(largest_confusions(matrix)) == 3
    assert shares(matrix) == [[80, 10, 10], [10, 90, 0], [0, 0, 0]]


def test_pairs_and_several_classes_a_video_are_refused():
    with pytest.raises(UserError, match="this is of pairs"):
        confusion_figure(labelled(pair_result())[0])
    scores = class_result().scores
    several = replace(scores, labels=np.eye(4, dtype=int)[scores.labels])
    with pytest.raises(UserError, match="this is of videos of several classes"):
        confusion_figure(labelled(class_result(scores=several))[0])
