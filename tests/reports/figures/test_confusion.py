"""Confusion matrices against scikit-learn, and their largest cells."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix

from p3d_eval.errors import UserError
from p3d_eval.reports.figures.confusion import (
    Confusion,
    confusion_figure,
    largest_confusions,
    listed_confusions,
    shares,
)
from p3d_eval.reports.figures.data import FigureData, Matrix
from p3d_eval.reports.figures.picture import compose
from p3d_eval.reports.figures.style import styled
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


@given(st.lists(st.integers(0, 3), min_size=25, max_size=25), st.integers(2, 21))
def test_a_list_that_ends_among_equal_shares_says_how_many_more_there_are(counts, lines):
    values = tuple(tuple(counts[place : place + 5]) for place in range(0, 25, 5))
    names = tuple("abcde")
    everything = largest_confusions(Matrix(names, names, values), 25)
    listed, more = listed_confusions(Matrix(names, names, values), lines)
    assert listed == everything[: len(listed)]
    assert len(listed) + bool(more) <= lines
    assert len(listed) == len(everything) or len(listed) >= lines - 1
    said = [f"{one.share:.0f}" for one in everything]
    left = said[len(listed) :].count(said[len(listed) - 1]) if listed else 0
    assert more == (f"and {left} more of {said[len(listed) - 1]} %" if left else "")


@pytest.mark.parametrize(("true", "predicted"), [("עברית", "a_b & c"), ("a_b & c", "עברית"), ("סוף 2", "ערב")])
def test_the_true_class_stands_left_of_the_arrow_whichever_way_it_is_written(true, predicted):
    matrix = Matrix((true, predicted), (true, predicted), ((7, 1), (0, 8)))
    figure = FigureData("confusion", "t", "Predicted class", "True class", matrix=matrix)
    with styled([true, predicted, "→"]):
        drawing = compose(figure)
        drawing.draw_without_rendering()
        _, *words = drawing.axes[1].texts
    assert [one.get_text() for one in words] == ["12 %", true, "→", predicted]  # laid out each for itself
    edges = [edge for one in words for edge in (one.get_window_extent().x0, one.get_window_extent().x1)]
    assert edges == sorted(edges)
