"""The data of figures: written, read again, refused where it is damaged."""

import json
import math

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p3d_eval.errors import UserError
from p3d_eval.reports.figures.data import FigureData, Matrix, Series, csv_path, data_path

NUMBERS = st.none() | st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(max_size=8)


@st.composite
def series(draw):
    n = draw(st.integers(0, 4))

    def column(values, optional):
        return (
            tuple(draw(st.lists(values, min_size=n, max_size=n))) if not optional or draw(st.booleans()) else ()
        )

    return Series(
        draw(TEXTS),
        *(column(NUMBERS, optional) for optional in (False, False, True, True)),
        *(column(TEXTS, True) for _ in range(2)),
        facts={"k": draw(NUMBERS)},
    )


@st.composite
def figures(draw):
    rows, columns = draw(st.lists(TEXTS, max_size=3)), draw(st.lists(TEXTS, max_size=3))
    cell = st.floats(allow_nan=False, allow_infinity=False)
    values = tuple(tuple(draw(cell) for _ in columns) for _ in rows)
    return FigureData(
        kind="roc",
        title=draw(TEXTS),
        x_label="a",
        y_label="b",
        series=tuple(draw(st.lists(series(), min_size=1, max_size=3))),
        matrix=draw(st.none() | st.just(Matrix(tuple(rows), tuple(columns), values))),
        notes=tuple(draw(st.lists(TEXTS, max_size=2))),
    )


@settings(max_examples=30, deadline=None)
@given(figures())
def test_what_is_written_is_read_again(tmp_path_factory, figure):
    path = figure.write(tmp_path_factory.mktemp("figure") / "one.figure.json")
    assert FigureData.read(path) == figure


def test_the_csv_has_a_row_for_each_point(tmp_path):
    figure = FigureData(
        "roc", "t", "a", "b", (Series("one", (0, 1), (2, 3), ids=("u", "v")), Series("two", (5.0,), (None,)))
    )
    path = figure.write(data_path(tmp_path / "plot.pdf"))
    assert path.name == "plot.figure.json"
    frame = pd.read_csv(csv_path(path))
    assert frame["series"].tolist() == ["one", "one", "two"]
    assert frame["ids"].tolist()[:2] == ["u", "v"]
    assert math.isnan(frame["y"][2])


def test_the_csv_of_a_matrix_has_a_row_for_each_cell_that_is_not_0():
    matrix = Matrix(("a", "b"), ("a", "b"), ((3.0, 0.0), (1.0, 2.0)))
    frame = FigureData("confusion", "t", "x", "y", matrix=matrix).to_frame()
    assert frame.to_numpy().tolist() == [["a", "a", 3.0], ["b", "a", 1.0], ["b", "b", 2.0]]


def test_lengths_that_differ_are_refused():
    with pytest.raises(ValueError, match="1 values of y for 2 points"):
        Series("one", (0, 1), (2,))
    with pytest.raises(ValueError, match="do not fit"):
        Matrix(("a",), ("a", "b"), ((1.0,),))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, "not the data of a figure"),
        ({"schema_version": 9}, "schema version 9, not 1"),
        ({"kind": "pie"}, "unknown kind 'pie'"),
        ({"series": [{"name": "a"}]}, "not the complete data"),
        ({"notes": [1]}, "1 is not a text"),
        ({"unknown": 1}, "not the complete data"),
    ],
)
def test_damaged_data_is_refused_in_one_line(tmp_path, change, message):
    path = FigureData("roc", "t", "a", "b", (Series("one", (0,), (1,)),)).write(tmp_path / "f.figure.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(UserError, match=message) as caught:
        FigureData.read(path)
    assert str(path) in caught.value.message


@pytest.mark.parametrize("text", ["", "[1]", '{"format": "p3d-eval figure"', "null"])
def test_what_is_no_figure_is_refused(tmp_path, text):
    path = tmp_path / "f.json"
    path.write_text(text)
    with pytest.raises(UserError, match="not the data of a figure"):
        FigureData.read(path)


def test_numbers_that_are_not_finite_are_refused(tmp_path):
    with pytest.raises(ValueError, match="JSON compliant"):
        FigureData("roc", "t", "a", "b", (Series("one", (0,), (math.nan,)),)).write(tmp_path / "f.json")
    path = FigureData("roc", "t", "a", "b", (Series("one", (0,), (1,)),)).write(tmp_path / "g.figure.json")
    path.write_text(path.read_text().replace('"x":[0]', '"x":[NaN]'))
    with pytest.raises(UserError, match="nan is not a number"):
        FigureData.read(path)


SERIES = {"name": "a", "x": [1], "y": [1], "low": [], "high": [], "ids": [], "classes": [], "facts": {}}


@pytest.mark.parametrize(
    ("kind", "series", "message"),
    [
        ("confusion", [], "no matrix"),
        ("roc", [], "0 series"),
        ("speed-accuracy", [SERIES], "1 series"),
        ("tsne", [SERIES], "series 'a' has no ids"),
        ("tsne", [SERIES | {"ids": ["v"], "classes": ["c"], "y": [None]}], "series 'a' lacks points"),
        ("tsne", [SERIES | {"x": [], "y": []}], "series 'a' lacks points"),
        ("per-class", [SERIES | {"classes": ["c"]}, SERIES | {"classes": ["d"]}], "other classes than 'a'"),
        ("sweep", [SERIES | {"x": [0]}], "dimensions that are not positive"),
    ],
)
def test_data_that_cannot_be_drawn_is_refused(tmp_path, kind, series, message):
    path = FigureData("roc", "t", "a", "b", (Series("one", (0,), (1,)),)).write(tmp_path / "f.figure.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"kind": kind, "series": series}))
    with pytest.raises(UserError, match=message):
        FigureData.read(path)
