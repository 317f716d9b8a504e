"""Where things stand in figures, measured: nothing outside, nothing on top of other words, no empty bands."""

import base64
import io
from dataclasses import replace
from itertools import combinations, pairwise

import numpy as np
import pytest
from matplotlib.axis import Axis
from matplotlib.figure import Figure as Drawing
from matplotlib.text import Text
from PIL import Image

from p3d_eval.reports.figures.confusion import confusion_figure
from p3d_eval.reports.figures.curves import precision_recall_figure, roc_figure
from p3d_eval.reports.figures.data import FigureData
from p3d_eval.reports.figures.lettering import fitted, width_of, wrapped
from p3d_eval.reports.figures.per_class import per_class_figure
from p3d_eval.reports.figures.picture import compose
from p3d_eval.reports.figures.style import styled
from p3d_eval.reports.figures.sweep import sweep_figure
from p3d_eval.reports.figures.trade_off import trade_off_figure
from tests.support.figure_data import map_figure
from tests.support.figures import class_result, labelled, pair_result, profile_result

NAMES_101 = tuple(f"SomeActionNumber{place:03}" for place in range(101))
ODD = ("50%_off & more", "$x_1$ #1", "W" * 40, "пробежка на длинную дистанцию по лесу", "very_" * 30 + "long")
WIDE = "WWWWWWWWWWWWWWWWWWWW MMMMMMMMMMMMMMMMMMMMMMMM"  # 40 wide letters are more than a column
NOTES = ("A note that says much, and goes on: " + "many words " * 30, "W" * 200)


def networks(make, names=("p3d199", WIDE, "c3d"), **options):
    return labelled(*(make(name, seed=place, **options) for place, name in enumerate(names)))


def trade_off(names=("p3d199", WIDE, "c3d", "resnet152", "s3d")):
    speeds = dict(zip(names, (5.0, 50.0, 300.0, 40.0, 9.0), strict=True))
    profiles = [profile_result(name, speed) for name, speed in speeds.items()]
    return trade_off_figure(labelled(*(class_result(n, seed=i) for i, n in enumerate(names)), *profiles))


def pictured(figure: FigureData) -> FigureData:
    """Give twelve videos of a map a picture."""
    content = io.BytesIO()
    Image.new("RGB", (96, 72), "navy").save(content, "JPEG")
    address = f"data:image/jpeg;base64,{base64.b64encode(content.getvalue()).decode()}"
    return replace(figure, thumbnails=dict.fromkeys(figure.series[0].ids[:12], address))


FIGURES = {
    "sweep": lambda: sweep_figure(networks(class_result)),
    "roc": lambda: roc_figure(networks(pair_result)),
    "precision-recall": lambda: precision_recall_figure(networks(class_result)),
    "confusion of 3": lambda: confusion_figure(networks(class_result, ("c3d",), classes=ODD[:3])[0]),
    "confusion of 5": lambda: confusion_figure(networks(class_result, (WIDE,), classes=ODD)[0]),
    "confusion of 101": lambda: confusion_figure(networks(class_result, ("c3d",), classes=NAMES_101)[0]),
    "per-class": lambda: per_class_figure(networks(class_result, classes=ODD)),
    "per-class of 101": lambda: per_class_figure(networks(class_result, classes=NAMES_101)),
    "speed-accuracy": trade_off,
    "a map": lambda: map_figure((WIDE,), classes=ODD),
    "two maps with pictures": lambda: pictured(map_figure((WIDE, "c3d"), classes=NAMES_101[:20])),
    "two maps of 101": lambda: map_figure((WIDE, "c3d"), videos=404, classes=NAMES_101),
    "four maps": lambda: map_figure((WIDE, "c3d", "i3d", "s3d"), classes=ODD),
}


def drawn(data: FigureData) -> Drawing:
    """Draw as files are drawn, with everything in its place."""
    drawing = compose(data)
    drawing.draw_without_rendering()
    return drawing


def words(drawing: Drawing) -> list[Text]:
    """Return all texts that are seen: not those of ticks beyond an axis's ends."""
    hidden = set()
    for axis in drawing.findobj(Axis):
        low, high = sorted(axis.get_view_interval())
        ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
        hidden |= {one for tick in ticks if not low <= tick.get_loc() <= high for one in tick.findobj(Text)}
    return [
        one
        for one in drawing.findobj(Text)
        if one.get_visible() and one.get_text().strip() and one not in hidden
    ]


@pytest.mark.parametrize("name", FIGURES)
def test_no_word_is_cut_off(name):
    data = FIGURES[name]()
    with styled():
        drawing = drawn(replace(data, notes=(*data.notes, *NOTES)))
        for text in words(drawing):
            box = text.get_window_extent()
            inside = (
                drawing.bbox.x0 <= box.x0 and box.x1 <= drawing.bbox.x1,
                drawing.bbox.y0 <= box.y0 and box.y1 <= drawing.bbox.y1,
            )
            assert inside == (True, True), text.get_text()


@pytest.mark.parametrize("name", [name for name in FIGURES if name != "two maps of 101"])
def test_no_word_is_written_over_another(name):
    data = FIGURES[name]()
    with styled():
        drawing = drawn(replace(data, notes=(*data.notes, *NOTES)))
        boxes = [(one.get_text(), one.get_window_extent()) for one in words(drawing)]
    for (one, first), (two, second) in combinations(boxes, 2):
        width = min(first.x1, second.x1) - max(first.x0, second.x0)
        height = min(first.y1, second.y1) - max(first.y0, second.y0)
        assert min(width, height) < 3, (one, two)  # dots of 300 an inch


@pytest.mark.parametrize("name", ["sweep", "roc", "precision-recall", "per-class", "speed-accuracy"])
def test_a_key_covers_nothing_that_is_drawn(name):
    with styled():
        drawing = drawn(FIGURES[name]())
        (key,) = drawing.legends
        box = key.get_window_extent()
        assert box.y0 >= max(axes.get_window_extent().y1 for axes in drawing.axes)
        assert drawing.bbox.x0 <= box.x0 < box.x1 <= drawing.bbox.x1


@pytest.mark.parametrize("name", FIGURES)
def test_there_is_no_empty_band(name):
    with styled():
        drawing = compose(FIGURES[name](), bare=True)
        content = io.BytesIO()
        drawing.savefig(content, format="png", dpi=50)
    ink = np.asarray(Image.open(content).convert("L")) < 250
    for axis in (0, 1):
        filled = np.flatnonzero(ink.any(axis=axis))
        gaps = np.diff([0, *filled, ink.shape[1 - axis]])
        assert gaps.max() <= 0.4 * 50, axis  # inches, of 50 dots


def test_cells_of_a_confusion_matrix_are_square():
    with styled():
        for name in ("confusion of 3", "confusion of 5", "confusion of 101"):
            box = drawn(FIGURES[name]()).axes[0].get_window_extent()
            assert box.width / box.height == pytest.approx(1, abs=0.04)


def test_names_of_networks_cover_neither_each_other_nor_networks_nor_the_front():
    with styled():
        drawing = drawn(
            trade_off(("p3d199", "c3d (random weights) with a long name", "i3d", "resnet152", "s3d"))
        )
        (axes,) = drawing.axes
        boxes = [one.get_window_extent() for one in axes.texts]
        assert len(boxes) == 5
        points = [line for line in axes.get_lines() if len(line.get_xdata()) == 1]
        for line in points:
            (at,) = axes.transData.transform(line.get_xydata())
            assert not any(box.contains(*at) for box in boxes)
        (front,) = (line for line in axes.get_lines() if line.get_linestyle() == "--")
        path = front.get_path().transformed(axes.transData)
        assert not any(path.intersects_bbox(box, filled=False) for box in boxes)


def test_numbers_of_a_logarithmic_axis_are_written_as_numbers():
    with styled():
        (axes,) = drawn(trade_off()).axes
        said = [one.get_text() for one in axes.get_xticklabels() if one.get_text()]
    assert {"10", "100"} <= set(said)
    assert all(float(one) > 0 for one in said)


def test_names_in_a_map_stay_within_their_panel_and_apart():
    with styled():
        drawing = drawn(FIGURES["two maps of 101"]())
        for axes in drawing.axes:
            room = axes.get_window_extent().padded(3)
            boxes = [one.get_window_extent() for one in axes.texts]
            assert len(boxes) > 10
            assert all(room.contains(*box.min) and room.contains(*box.max) for box in boxes)
            assert not any(one.padded(-3).overlaps(two.padded(-3)) for one, two in combinations(boxes, 2))


@pytest.mark.parametrize(("kind", "axis"), [("confusion", "x"), ("confusion", "y"), ("per-class", "y")])
def test_101_class_names_are_legible(kind, axis):
    with styled():
        drawing = drawn(FIGURES[f"{kind} of 101"]())
        seen = 0
        for axes in drawing.axes:
            labels = [
                one for one in getattr(axes, f"get_{axis}ticklabels")() if one.get_text().startswith("Some")
            ]
            boxes = [one.get_window_extent() for one in labels]
            ends = sorted((box.x0, box.x1) if axis == "x" else (box.y0, box.y1) for box in boxes)
            assert all(one[1] <= two[0] for one, two in pairwise(ends))
            assert all(one.get_fontsize() >= 6 for one in labels)
            seen += len(labels)
        assert seen == 101


def test_lines_of_the_list_of_confusions_are_as_far_apart_whatever_their_letters():
    classes = ("aaa", "Élan_g", "ÄÖÜ_ÿ", "A_rather_long_class_name_")
    with styled():
        drawing = drawn(confusion_figure(labelled(class_result(classes=classes))[0]))
        listed = drawing.axes[1].texts[1:]
        boxes = [one.get_window_extent() for one in listed]
    lines = [listed[place : place + 4] for place in range(0, len(listed), 4)]
    assert len(lines) > 3
    assert all("%" in share.get_text() and arrow.get_text() == "→" for share, _, arrow, _ in lines)
    assert {one.get_va() for one in listed} == {"baseline"}
    heights = [{one.xyann[1] for one in line} for line in lines]
    assert {len(own) for own in heights} == {1}
    assert np.allclose(np.diff([own.pop() for own in heights]), -0.14 * 72)
    for place in range(0, len(listed), 4):
        assert all(one.x1 < two.x0 for one, two in pairwise(boxes[place : place + 4]))


@pytest.mark.parametrize("text", ["accuracy of each class", WIDE, "бег по лесу"])
def test_words_are_as_wide_as_measured(text):
    with styled():
        drawing = Drawing(dpi=720)  # so that whole pixels weigh little
        seen = drawing.text(0, 0, text, fontsize=7).get_window_extent().width / 720
        assert width_of(text, 7) == pytest.approx(seen, rel=0.02)


def test_what_is_too_wide_is_shortened_and_wrapped():
    with styled():
        assert fitted("short", 1, 7) == "short"
        long = "narrow (random weights) (C=10, normalise=l2)"  # of 44 letters, which fit 3 inches
        assert fitted(long, 3, 7) == long
        assert width_of(fitted(WIDE, 1, 7), 7) <= 1 < width_of(WIDE, 7)
        assert fitted(WIDE, 0, 7) == "…"
        lines = wrapped(NOTES[0], 2, 7)
        assert " ".join(lines) == NOTES[0].strip()
        assert max(width_of(line, 7) for line in lines) <= 2
        assert wrapped("", 2, 7) == []


def ink(text):
    """Draw a line from the left edge; which dots are dark."""
    drawing = Drawing((3, 0.3), dpi=300)
    drawing.text(0, 0.3, text, fontsize=7)
    content = io.BytesIO()
    drawing.savefig(content, format="png")
    return np.asarray(Image.open(content).convert("L")) < 128


def test_what_follows_a_name_in_a_key_stands_right_of_it_whichever_way_it_is_written():
    name = "רשת"
    bars = per_class_figure(networks(class_result, (name, "c3d")))
    with styled([name]):
        said = drawn(bars).legends[0].get_texts()[0].get_text()
        alone = ink(name)
        wide = np.flatnonzero(alone.any(axis=0)).max() + 1
        assert (ink(said)[:, :wide] == alone[:, :wide]).all()
        assert ink(said)[:, wide:].any()
