"""The page as text: what stands in it, that it takes every text literally, and that its commands are right."""

import base64
import hashlib
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from p3d_eval.cli import app
from p3d_eval.errors import UserError
from p3d_eval.protocols.result import Metric
from p3d_eval.reports import Report
from p3d_eval.reports.failed import Failed
from p3d_eval.reports.figures.data import KINDS, FigureData, Matrix
from p3d_eval.reports.page import gather_figures
from tests.support.figure_data import curve_figure, every_figure, map_figure, matrix_figure
from tests.support.figures import class_result
from tests.support.parsed import Parsed
from tests.support.results import aslan_result, ucf101_result

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def report():
    return Report.of([ucf101_result("i3d", backbone="i3d"), aslan_result("i3d", backbone="i3d")])


def test_nothing_is_fetched(report):
    page = Parsed(report.to_page(every_figure()))
    addresses = [
        value
        for _, attributes in page.elements
        for name, value in attributes.items()
        if name in ("src", "href", "action", "srcset", "data", "poster")
    ]
    assert all(address.startswith(("#", "data:")) for address in addresses), addresses
    assert not any("@import" in script or "url(" in script for script in page.scripts)
    policy = next(meta["content"] for meta in page.of("meta") if "http-equiv" in meta)
    assert policy.startswith("default-src 'none'; ")


def test_the_policy_allows_this_script_and_this_style_alone(report):
    text = report.to_page(every_figure())
    policy = next(meta["content"] for meta in Parsed(text).of("meta") if "http-equiv" in meta)
    for kind in ("script", "style"):
        (content,) = re.findall(f"<{kind}>(.*?)</{kind}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy


def test_figures_stand_in_the_page_as_they_were_given(report):
    figures = every_figure()
    assert {figure.kind for figure in figures} == set(KINDS)
    page = Parsed(report.to_page(figures))
    holders = [one["data-figure"] for one in page.of("div") if "data-figure" in one]
    stored = [json.loads(script) for script in page.scripts if script.startswith("{")]
    names = [one["id"] for one in page.of("script") if one.get("type") == "application/json"]
    assert holders == names
    for figure, found in zip(figures, stored, strict=True):
        assert {**found, "series": []} == {**figure.to_json(), "series": []}
        for mine, kept in zip(figure.series, found["series"], strict=True):
            assert tuple(kept["ids"]) == mine.ids
            assert [y is None for y in kept["y"]] == [y is None for y in mine.y]
            there = [(a, b) for a, b in zip(kept["y"], mine.y, strict=True) if b is not None]
            assert all(a == pytest.approx(b, rel=5e-6) for a, b in there)


@given(st.text(max_size=40))
@settings(max_examples=60, deadline=None)
def test_no_text_of_a_result_or_figure_becomes_markup(text):
    result = ucf101_result(f"a{text}", warnings=(text,), choices=(text,), options={"layer": text})
    figure = FigureData("roc", text, text, text, curve_figure().series, facts={text: text}, notes=(text,))
    page = Parsed(Report.of([result], published=False).to_page([figure], title=text))
    plain = Parsed(
        Report.of(
            [ucf101_result("a", warnings=("x",), choices=("x",), options={"layer": "x"})], published=False
        ).to_page([FigureData("roc", "x", "x", "x", curve_figure().series, facts={"x": "x"}, notes=("x",))])
    )
    assert {tag for tag, _ in page.elements} <= {tag for tag, _ in plain.elements}
    data = next(json.loads(script) for script in page.scripts if script.startswith("{"))
    assert data["title"] == text


def test_broken_names_do_no_harm_and_the_same_input_gives_the_same_page(tmp_path):
    broken = "half \ud800, none \x00, turned \u202e"
    result = ucf101_result(broken, warnings=(broken,))
    figure = FigureData("roc", broken, broken, broken, curve_figure().series)
    page = Report.of([result]).to_page([figure])
    assert Parsed(page).text.count("half ?, none") >= 3
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    assert Report.of([result]).to_page([figure]) == page


def test_every_number_has_its_source(report):
    text = Parsed(report.to_page([map_figure()])).text
    one = report.results[0].result
    assert one.result_id in text
    assert one.features["weights"]["sha256"] in text
    assert one.annotations["sha256"] in text
    assert "relative duality gap" in text
    assert "C = 1" in text  # a choice
    assert "c" * 64 in text  # the figure's source
    assert "Published rows: P3D Table 5" in text


def test_figures_lead_to_the_results_that_they_are_made_from(report):
    one = report.results[0].result.result_id
    figure = replace(curve_figure("roc"), sources={"i3d": one, "p3d199": "d" * 64})
    page = Parsed(report.to_page([figure]))
    links = [attributes["href"] for attributes in page.of("a")]
    assert f"#result-{one}" in links
    assert [attributes["id"] for attributes in page.of("details") if "id" in attributes].count(
        f"result-{one}"
    ) == 1
    assert "d" * 64 in page.text


def test_the_largest_confusions_stand_below_their_matrix_each_name_for_itself(report):
    names = ("עברית", "a_b & c", "d")
    page = Parsed(report.to_page([matrix_figure(names)]))
    listed = "Largest confusions 23 % d → עברית 17 % a_b & c → d 9 % עברית → a_b & c"
    assert listed in page.text
    assert len(page.of("bdi")) >= 6
    many = tuple(f"class {place:02}" for place in range(40))
    even = replace(matrix_figure(many), matrix=Matrix(many, many, ((1.0,) * 40,) * 40))
    assert "and 1540 more of 2 %" in Parsed(report.to_page([even])).text
    assert "Largest confusions none" in Parsed(report.to_page([matrix_figure(("alone",))])).text


def test_numbers_of_a_map_have_sensible_digits(report):
    figure = map_figure()
    facts = {"perplexity": 79 / 3, "silhouette": -0.0, "k-NN accuracy (%)": 100 / 7}
    figure = replace(figure, series=tuple(replace(one, facts=facts) for one in figure.series))
    assert "i3d 26.33 0 14.29" in Parsed(report.to_page([figure])).text


def test_warnings_stand_first():
    unsound = ucf101_result("unsound", gap=1.0, warnings=("Read this.",))
    text = Parsed(Report.of([unsound]).to_page()).text
    order = ["Before you quote a number", "NOT CONVERGED, do not quote", "UCF101: linear SVM"]
    assert sorted(order, key=text.index) == order
    assert "unsound: Read this." in text


def test_a_warning_is_said_once_with_its_rows():
    both = [ucf101_result(label, warnings=("Read this.",), seconds={}) for label in ("a", "b")]
    text = Parsed(Report.of(both).to_page()).text
    assert "a, b: Read this." in text


def test_what_is_undefined_is_said_with_its_reason():
    result = ucf101_result(metrics={"accuracy": Metric(None, reason="no video was left")})
    assert "undefined (no video was left)" in Parsed(Report.of([result]).to_page()).text


def test_work_that_failed_is_shown_as_failed():
    failed = Failed("aslan", "c3d", "no annotations: --pairs not given")
    text = Parsed(Report.of([ucf101_result()], failures=[failed]).to_page()).text
    assert "c3d" in text
    assert "no annotations: --pairs not given" in text


def test_an_empty_report_is_still_a_page():
    page = Parsed(Report((), ()).to_page())
    assert "Tables" in page.text
    assert not page.of("table")


def test_a_page_loads_no_network_library(tmp_path):
    result = replace(ucf101_result(), default_options={"C": 1.0, "layer": "pool5", "label": ""})
    path = result.save(tmp_path / "r.json")
    code = (
        f"import sys; import p3d_eval as pe; pe.report({str(path)!r}).to_page(); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.fixture
def study(tmp_path):
    """A folder with a result and, below it, two figures and what is no figure."""
    folder = tmp_path / "study"
    ucf101_result("i3d", backbone="i3d").save(folder / "results" / "ucf101-i3d.json")
    map_figure().write(folder / "figures" / "map.figure.json")
    curve_figure().write(folder / "figures" / ".draft" / "hidden.figure.json")
    (folder / "figures" / "broken.figure.json").write_text("{}", encoding="utf-8")
    curve_figure("roc").write(tmp_path / "roc.figure.json")
    return folder


def run(*arguments):
    return CliRunner().invoke(app, ["report", *map(str, arguments)])


def titles_of(page):
    return [json.loads(script)["title"] for script in Parsed(page).scripts if script.startswith("{")]


def test_figures_are_gathered_from_folders_and_by_name(study, tmp_path):
    named = tmp_path / "roc.figure.json"
    figures, left_out = gather_figures([], [study, study, tmp_path / "absent"], [named, named])
    assert figures == [FigureData.read(named), map_figure()]
    assert len(left_out) == 1
    assert "broken.figure.json: not the data of a figure; left out" in left_out[0]
    with pytest.raises(UserError, match="broken.figure.json"):
        gather_figures([], [], [study / "figures" / "broken.figure.json"])


def test_results_bring_the_figures_that_they_allow(tmp_path):
    class_result("i3d").save(tmp_path / "i3d.json")
    class_result("c3d", seed=1).save(tmp_path / "c3d.json")
    report = Report.of([tmp_path])
    figures, left_out = gather_figures(report.results)
    assert left_out == []
    assert sorted({figure.kind for figure in figures}) == ["confusion", "per-class", "sweep"]
    assert titles_of(report.to_page()) == [figure.title for figure in figures]
    assert titles_of(report.to_page(())) == []
    figures[0].write(tmp_path / "drawn.figure.json")  # stands for the one that would be made again
    again, _ = gather_figures(report.results, [tmp_path])
    assert sorted(figure.title for figure in again) == sorted(figure.title for figure in figures)


def test_scores_that_are_lost_cost_their_figure_and_a_warning(tmp_path):
    path = class_result("i3d").save(tmp_path / "i3d.json")
    (tmp_path / "i3d.scores.npz").unlink()
    text = Parsed(Report.of([path]).to_page()).text
    assert "i3d.scores.npz: the scores of i3d.json are not there" in text


def test_the_command_writes_the_page(study, tmp_path):
    out = tmp_path / "deep" / "page.html"
    done = run(study, "--figure", tmp_path / "roc.figure.json", "--out", out)
    assert done.exit_code == 0, done.output
    assert titles_of(out.read_text(encoding="utf-8"))[:2] == ["Curves of roc", "t-SNE of pool5"]
    assert "broken.figure.json" in done.stderr.replace("\n", "")
    assert run(study, "--out", out).exit_code == 2
    assert run(study, "--out", out, "--overwrite", "--quiet").exit_code == 0
    assert run(study, "--format", "html").stdout.startswith("<!doctype html>")
    assert run(study, "--format", "html", "--fragment").stdout == Report.of([study]).to_html()


def test_the_page_is_opened(study, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or True)
    out = tmp_path / "page.html"
    assert run(study, "--out", out, "--open").exit_code == 0
    assert opened.pop() == out.resolve().as_uri()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = set(study.rglob("*"))
    looked = run(study, "--format", "html", "--open")
    assert looked.exit_code == 0
    assert looked.stdout == ""
    address = opened.pop()
    assert address.startswith("file://")
    assert address.endswith("report.html")
    assert set(study.rglob("*")) == before
    made = set(tmp_path.iterdir())
    assert run(tmp_path / "absent", "--format", "html", "--open").exit_code == 2
    assert set(tmp_path.iterdir()) == made
    monkeypatch.setattr("webbrowser.open", lambda address: False)
    missing = run(study, "--out", tmp_path / "other.html", "--open")
    assert missing.exit_code == 0
    assert "no browser found here; the page is" in missing.stderr


def test_what_a_page_needs_is_refused_elsewhere(study, tmp_path):
    mistakes = {
        ("--open",): "--figure and --open belong to a page",
        ("--figure", tmp_path / "roc.figure.json", "--format", "csv"): "--figure and --open belong to a page",
        ("--format", "html", "--fragment", "--open"): "--figure and --open belong to a page",
        ("--format", "csv", "--fragment"): "--fragment belongs to LaTeX and HTML",
        ("--format", "html", "--caption", "x"): "--caption and --label belong to LaTeX",
        ("--format", "html", "--figure", tmp_path / "no.json"): "no.json: no such file",
    }
    for arguments, complaint in mistakes.items():
        done = run(study, *arguments)
        assert done.exit_code == 2, arguments
        assert complaint in done.output.replace("\n", " "), arguments
        assert done.stdout == ""


def test_a_profile_is_shown_in_its_own_units():
    metrics = {"parameters": Metric(65_000_000), "clips_per_second": Metric(4.25, low=4.0, high=4.5)}
    profile = ucf101_result("p3d63", protocol="profile", metrics=metrics, certificates=(), splits=0)
    text = Parsed(Report.of([profile], published=False).to_page()).text
    assert "profile · parameters 6.5e+07" in text
    assert "clips per second 4.25 4 4.5" in text
    assert "425" not in text
    assert "parameters 6.5e+07" in " ".join(Parsed(profile._repr_html_()).texts)
