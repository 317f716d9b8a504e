"""Figures as files: whole, the same every time, legible, in any script."""

import re
import shutil
import subprocess
import zlib

import pytest
from matplotlib import font_manager
from PIL import Image

from p3d_eval.errors import UnknownNameError, UserError
from p3d_eval.protocols.result import Result
from p3d_eval.reports.figures import picture
from p3d_eval.reports.figures.catalogue import draw_everything
from p3d_eval.reports.figures.confusion import confusion_figure
from p3d_eval.reports.figures.curves import precision_recall_figure, roc_figure
from p3d_eval.reports.figures.data import FigureData, Series
from p3d_eval.reports.figures.per_class import per_class_figure
from p3d_eval.reports.figures.picture import Figure
from p3d_eval.reports.figures.style import COLOURS, MARKERS, colour_of, marker_of, shown
from p3d_eval.reports.figures.sweep import sweep_figure
from p3d_eval.reports.figures.trade_off import trade_off_figure
from p3d_eval.reports.loading import Loaded
from tests.support.figures import class_result, labelled, pair_result, profile_result

NAMES_101 = tuple(f"SomeActionNumber{place:03}" for place in range(101))
ODD = ("50%_off & more", "$x_1$ #1", "a\\b{c}", "бег", "very_" * 30 + "long")


def trade_off() -> FigureData:
    results = (class_result("a"), class_result("b", seed=1))
    return trade_off_figure(labelled(*results, profile_result("a", 5.0), profile_result("b", 50.0)))


MAKERS = {
    "sweep": lambda: sweep_figure(labelled(class_result(), class_result("c3d"))),
    "roc": lambda: roc_figure(labelled(pair_result(), pair_result("c3d", seed=1))),
    "precision-recall": lambda: precision_recall_figure(labelled(class_result())),
    "confusion": lambda: confusion_figure(labelled(class_result())[0]),
    "per-class": lambda: per_class_figure(labelled(class_result(), class_result("c3d", seed=1))),
    "speed-accuracy": trade_off,
}


@pytest.mark.parametrize("kind", MAKERS)
def test_every_kind_is_saved_in_all_formats_with_its_data(tmp_path, kind):
    data = MAKERS[kind]()
    assert data.kind == kind
    paths = Figure(data).save(tmp_path / "deep" / "plot")
    assert [path.name for path in paths] == [
        *("plot.pdf", "plot.svg", "plot.png"),
        *("plot.figure.json", "plot.csv"),
    ]
    starts = [path.read_bytes()[:5] for path in paths[:3]]
    assert starts == [b"%PDF-", b"<?xml", b"\x89PNG\r"]
    assert Image.open(paths[2]).size[0] >= 900  # one column at 300 dots an inch
    assert FigureData.read(paths[3]) == data
    # Drawn again from the file that stands beside it, it is the same picture.
    again = Figure.read(paths[3]).save(tmp_path / "again" / "plot")
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in paths]


def test_the_users_own_style_changes_nothing(tmp_path):
    import matplotlib as mpl

    plain = Figure(MAKERS["roc"]())._repr_png_()
    with mpl.rc_context({"font.size": 30, "lines.linewidth": 9, "axes.facecolor": "red"}):
        assert Figure(MAKERS["roc"]())._repr_png_() == plain
        assert mpl.rcParams["font.size"] == 30


def test_a_bare_figure_has_neither_title_nor_notes(tmp_path):
    data = MAKERS["confusion"]()
    whole, bare = (Figure(data, bare=bare).save(tmp_path / f"{bare}.png")[0] for bare in (False, True))
    assert Image.open(bare).size[1] < Image.open(whole).size[1]


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="needs pdftotext (poppler-utils)")
def test_all_101_classes_and_odd_names_stand_in_the_pdf(tmp_path):
    names = (*NAMES_101[len(ODD) :], *ODD)
    path, *_ = Figure(confusion_figure(labelled(class_result(classes=names))[0])).save(tmp_path / "c.pdf")
    text = subprocess.run(["pdftotext", "-raw", path, "-"], capture_output=True, text=True, check=True).stdout
    lines = text.splitlines()
    for name in names:
        start, _, end = shown(name, 24).partition("…")  # how much of a long name is kept depends on its letters
        assert any(line.startswith(start[:9]) and line.endswith(end[-9:]) for line in lines), name


def test_fonts_in_a_pdf_are_truetype(tmp_path):
    path, *_ = Figure(MAKERS["roc"]()).save(tmp_path / "c.pdf")
    content = path.read_bytes()
    streams = re.findall(rb"stream\r?\n(.*?)endstream", content, re.DOTALL)
    whole = content + b"".join(_inflated(one) for one in streams)
    assert b"/Type3" not in whole
    assert b"/FontFile2" in whole


def _inflated(stream: bytes) -> bytes:
    try:
        return zlib.decompress(stream)
    except zlib.error:
        return b""


def test_105_classes_differ_in_colour_or_marker():
    looks = {(colour_of(place), marker_of(place)) for place in range(len(COLOURS) * len(MARKERS))}
    assert len(looks) == 105


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("short", "short"), ("two\nlines", "two lines"), ("a" * 50 + "end", "a" * 20 + "…" + "a" * 16 + "end")],
)
def test_names_are_shortened_in_the_middle(name, wanted):
    assert shown(name) == wanted


def test_characters_that_no_font_has_are_told(tmp_path, monkeypatch):
    own = [one for one in font_manager.fontManager.ttflist if one.name == "DejaVu Sans"]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", own)
    data = FigureData("roc", "跑步", "x", "y", (Series("бег", (0, 1), (0, 1)),))
    figure = Figure(data)
    assert figure.missing_characters == ("步", "跑")
    assert figure.warning.startswith("no installed font has 步, 跑: drawn as boxes; install one")
    figure.save(tmp_path / "f.png")  # without matplotlib's warnings, which pytest would show
    assert Figure(MAKERS["roc"]()).warning is None


def test_an_unknown_font_is_named():
    with pytest.raises(UnknownNameError, match="unknown font 'DejaVu Sens'") as caught:
        Figure(MAKERS["roc"](), font="DejaVu Sens")._repr_png_()
    assert "DejaVu Sans" in caught.value.hint


def test_existing_files_and_wrong_suffixes_are_refused(tmp_path):
    figure = Figure(MAKERS["roc"]())
    with pytest.raises(UserError, match=r"plot.jpg: no figure has the suffix .jpg"):
        figure.save(tmp_path / "plot.jpg")
    (tmp_path / "plot.csv").write_text("mine")
    with pytest.raises(UserError, match=r"plot.csv exists"):
        figure.save(tmp_path / "plot.pdf")
    assert [path.name for path in tmp_path.iterdir()] == ["plot.csv"]
    assert len(figure.save(tmp_path / "plot.pdf", overwrite=True)) == 3


def test_a_set_of_results_gives_every_figure_it_allows():
    results = [
        class_result("a"),
        class_result("b", seed=1),
        pair_result("a"),
        pair_result("c", scores=None),
        profile_result("a", 3.0),
    ]
    figures, problems = draw_everything(Loaded(one) for one in results)
    assert sorted(figures) == [
        "aslan-roc",
        "aslan-speed-accuracy",
        "ucf101-confusion-a",
        "ucf101-confusion-b",
        "ucf101-per-class",
        "ucf101-speed-accuracy",
        "ucf101-sweep",
    ]
    assert problems == ()
    assert [one.name for one in figures["aslan-roc"].series] == ["a"]


def test_figures_that_fail_are_told_and_stop_no_other(tmp_path):
    path = class_result("a").save(tmp_path / "a.json")
    path.with_name("a.scores.npz").write_bytes(b"damaged")
    figures, problems = draw_everything(
        [Loaded(class_result(name), path if name == "a" else None) for name in ("a", "a/b", "a b", "C=1.0")]
    )
    assert sorted(figures) == [
        "ucf101-confusion-C-1-0",  # a dot would begin a suffix
        "ucf101-confusion-a-b",
        "ucf101-confusion-a-b-2",
        "ucf101-per-class",
        "ucf101-sweep",
    ]
    assert len(problems) == 1
    assert problems[0].startswith("ucf101-confusion-a: ")
    assert figures["ucf101-per-class"].notes[-1] == "Not shown: C=1.0."


def test_a_huge_figure_has_a_bounded_number_of_pixels(tmp_path, monkeypatch):
    monkeypatch.setattr(picture, "_MOST_PIXELS", 500)
    path, *_ = Figure(MAKERS["roc"]()).save(tmp_path / "huge.png")
    assert 490 < max(Image.open(path).size) <= 500


def test_figures_that_fail_for_the_same_reason_share_a_line(tmp_path):
    loaded = []
    for place in range(10):
        path = class_result(f"n{place}", seed=place).save(tmp_path / f"n{place}.json")
        loaded.append(Loaded(Result.load(path), path))
        scores = path.with_name(f"n{place}.scores.npz")
        scores.write_bytes(b"changed") if place == 7 else scores.unlink()
    _, problems = draw_everything(loaded)
    told = "ucf101-confusion-n0, ucf101-confusion-n1, ucf101-confusion-n2 … and 6 more"
    assert problems == (
        f"{told}: {tmp_path / 'n0.scores.npz'}: the scores of n0.json are not there, and so with the others",
        f"ucf101-confusion-n7: {tmp_path / 'n7.scores.npz'}: not the scores that n7.json was made with",
    )


def test_bars_of_classes_are_of_one_setting_of_each_network():
    def judged(label, cost, **changes):
        return class_result(label, options={"C": cost}, default_options={"C": 1.0}, **changes)

    several = [judged("a", 0.1), judged("a", 1.0), judged("a", 10.0), judged("b", 10.0, seed=1)]
    figures, _ = draw_everything(Loaded(one) for one in several)
    figure = figures["ucf101-per-class"]
    assert [one.name for one in figure.series] == ["a", "b"]  # the default where there is one, else the first
    assert figure.sources["a"] == several[1].result_id
    assert figure.notes[-1] == "Not shown: a (C=0.1), a (C=10)."
    figures, _ = draw_everything(Loaded(one) for one in several[:3])
    assert [one.name for one in figures["ucf101-per-class"].series] == ["a (C=0.1)", "a", "a (C=10)"]
