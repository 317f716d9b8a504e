"""``p3d-eval report`` as a user types it: files, formats, mistakes and exit codes."""

import io
import json
from dataclasses import replace

import pandas as pd
import pytest
from typer.testing import CliRunner

import p3d_eval as pe
from p3d_eval.cli import app
from p3d_eval.errors import UserError
from p3d_eval.protocols.result import Metric, Result
from p3d_eval.reports import Report
from tests.support.results import aslan_result, ucf101_result


@pytest.fixture
def saved(tmp_path):
    """A folder with three results."""
    folder = tmp_path / "results"
    folder.mkdir()
    ucf101_result("p3d199", 0.89).save(folder / "ucf101-p3d199.json")
    ucf101_result("i3d", 0.91, backbone="i3d").save(folder / "ucf101-i3d.json")
    aslan_result("i3d", backbone="i3d").save(folder / "aslan-i3d.json")
    return folder


def run(*arguments):
    return CliRunner().invoke(app, ["report", *map(str, arguments)])


def test_a_folder_stands_for_its_files(saved):
    by_folder, by_files = run(saved), run(*sorted(saved.glob("*.json")))
    assert by_folder.exit_code == 0
    assert by_folder.stdout == by_files.stdout == Report.of([saved]).to_text()
    assert by_folder.stdout.index("ASLAN") < by_folder.stdout.index("UCF101")


@pytest.mark.parametrize("command", ["report", "leaderboard"])
def test_a_result_is_not_overwritten_by_what_is_made_of_it(saved, command):
    path = saved / "aslan-i3d.json"
    before = path.read_bytes()
    for source in (saved, path):
        done = CliRunner().invoke(app, [command, str(source), "--out", str(path), "--overwrite"])
        assert done.exit_code == 2
        assert "aslan-i3d.json is one of the results" in done.output
    assert path.read_bytes() == before


def test_every_format_is_what_the_api_gives(saved):
    report = Report.of([saved])
    assert run(saved, "--format", "csv").stdout == report.to_csv()
    assert run(saved, "--format", "markdown").stdout == report.to_markdown()
    assert run(saved, "--format", "json").stdout == report.to_json()
    assert run(saved, "--format", "latex").stdout == report.to_latex()
    fragment = run(saved, "--format", "latex", "--fragment", "--caption", "A & B", "--label", "tab:x").stdout
    assert fragment == report.to_latex(standalone=False, caption="A & B", label="tab:x")
    assert "\\documentclass" not in fragment


def test_the_suffix_of_the_output_chooses_the_format(saved, tmp_path):
    out = tmp_path / "deep" / "table.tex"
    done = run(saved, "--out", out)
    assert done.exit_code == 0
    assert done.stdout == ""
    assert out.read_text(encoding="utf-8") == Report.of([saved]).to_latex()
    assert run(saved, "--out", tmp_path / "table.csv", "--quiet").output == ""
    assert len(pd.read_csv(tmp_path / "table.csv")) == 2 + 17 + 1 + 6


def test_a_suffix_of_no_format_is_refused_unless_the_format_is_named(saved, tmp_path):
    refused = run(saved, "--out", tmp_path / "table.docx")
    assert refused.exit_code == 2
    assert "no format has the suffix .docx" in refused.output.replace("\n", " ")
    assert not (tmp_path / "table.docx").exists()
    assert run(saved, "--out", tmp_path / "table.dat", "--format", "text").exit_code == 0


@pytest.mark.parametrize("command", ["report", "leaderboard"])
@pytest.mark.parametrize(("suffix", "told"), [(".html", "that of html"), (".TXT", "that of text")])
def test_a_suffix_of_another_format_is_refused(saved, tmp_path, command, suffix, told):
    out = tmp_path / f"q{suffix}"
    done = CliRunner().invoke(app, [command, str(saved), "--format", "latex", "--out", str(out)])
    assert done.exit_code == 2
    said = " ".join(done.output.split())
    assert f"q{suffix}: the suffix {suffix} is {told}, not of latex" in said
    assert "Leave out --format, or use .tex" in said
    assert not out.exists()
    assert run(saved, "--format", "latex", "--out", tmp_path / "q.tex").exit_code == 0


def test_a_feature_file_is_named_as_what_it_is(saved):
    path = saved / "feats.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    done = run(path)
    assert done.exit_code == 2
    said = " ".join(done.output.split())
    assert "feats.h5: not a result of p3d-eval (an HDF5 file, as feature files are)" in said
    assert "Give the JSON that a protocol wrote, e.g. p3d-eval ucf101 --features feats.h5" in said


@pytest.mark.parametrize("command", ["report", "leaderboard"])
def test_what_would_steer_a_terminal_is_shown_as_its_code_point(saved, command):
    """The override turns "net" and all that follows; an escape sequence would paint it, or worse."""
    ucf101_result("a\u202eten\x1b[31m").save(saved / "turned.json")
    done = CliRunner().invoke(app, [command, str(saved)])
    assert done.exit_code == 0
    assert "a[U+202E]ten" in done.output
    assert not {"\u202e", "\x1b"} & set(done.output)
    refused = run(saved, "--against", "none")
    assert refused.exit_code == 2
    assert "a[U+202E]ten[U+001B][31m" in refused.output
    assert not {"\u202e", "\x1b"} & set(refused.output)


def test_only_measured(saved):
    frame = pd.read_csv(io.StringIO(run(saved, "--format", "csv", "--only-measured").stdout))
    assert set(frame["kind"]) == {"measured"}


def test_json_is_one_document(saved):
    document = json.loads(run(saved, "--json").stdout)
    assert [table["protocol"] for table in document["tables"]] == ["aslan", "ucf101"]
    row = document["tables"][1]["groups"][0]["rows"][0]
    assert row["cells"]["accuracy"]["value"] == pytest.approx(91.0)


def test_an_existing_output_is_kept_unless_told_otherwise(saved, tmp_path):
    out = tmp_path / "table.csv"
    out.write_text("mine", encoding="utf-8")
    refused = run(saved, "--out", out)
    assert refused.exit_code == 2
    assert "exists" in refused.output
    assert out.read_text(encoding="utf-8") == "mine"
    assert run(saved, "--out", out, "--overwrite").exit_code == 0
    assert out.read_text(encoding="utf-8") != "mine"


def test_a_folder_of_other_things_is_read_around(saved):
    """A foreign JSON file and a copy are named in one line each, and left out."""
    (saved / "notes.json").write_text("[1, 2]", encoding="utf-8")
    (saved / "broken.json").write_text('{"protocol": "ucf101"', encoding="utf-8")
    (saved / "z-copy.json").write_bytes((saved / "aslan-i3d.json").read_bytes())
    (saved / "tables.json").write_text(Report.of(saved / "aslan-i3d.json").to_json(), encoding="utf-8")
    report = Report.of(saved)
    assert [len(table.groups[0].rows) for table in report.tables] == [1, 2]
    assert [one.path.name for one in report.results] == [
        "aslan-i3d.json",
        "ucf101-i3d.json",
        "ucf101-p3d199.json",
    ]
    left_out, twice = sorted(report.warnings, key=len, reverse=True)
    assert "2 other JSON files left out: broken.json: not a result" in left_out
    assert "notes.json: not a result of p3d-eval (it has no 'protocol')" in left_out
    assert "z-copy.json is the same result as" in twice
    assert "warning: " in run(saved).stderr


def test_a_copy_with_other_numbers_is_said_to_have_them(saved):
    one = Result.load(saved / "aslan-i3d.json")
    replace(one, metrics={"accuracy": Metric(0.5)}).save(saved / "z.json")
    (warning,) = Report.of(saved).warnings
    assert warning.endswith(
        f"it is shown once, with the numbers of {saved / 'aslan-i3d.json'}, which are others"
    )


def test_a_file_named_beside_its_folder_is_shown_once(saved):
    one = saved / "aslan-i3d.json"
    assert run(one, saved).stdout == run(saved).stdout
    assert run(saved, one).stdout == run(saved).stdout


def test_quiet_prints_nothing(saved):
    assert run(saved, "--quiet").output == ""


def test_the_api_takes_one_result_or_one_path(saved):
    path = saved / "aslan-i3d.json"
    expected = pe.report([path]).to_text()
    assert pe.report(path).to_text() == pe.report(str(path)).to_text() == expected
    assert pe.report(Result.load(path)).to_text() == expected


def test_mistakes_are_named_and_exit_with_2(saved, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "list.json").write_text("[1, 2]", encoding="utf-8")
    (tmp_path / "broken.json").write_text('{"protocol": "ucf101"', encoding="utf-8")
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00")
    one = saved / "aslan-i3d.json"
    copy = tmp_path / "copy.json"
    copy.write_text(one.read_text(encoding="utf-8"), encoding="utf-8")
    mistakes = {
        (): "no results to report",
        (tmp_path / "nothing.json",): "nothing.json: no such result file",
        (tmp_path / "empty",): "no results in this folder",
        (tmp_path / "list.json",): "list.json: not a result",
        (tmp_path / "broken.json",): "broken.json: not a result",
        (tmp_path / "bytes.json",): "bytes.json: not a result",
        (one, copy): "copy.json is the same result as",
        (one, "--caption", "x"): "--caption and --label belong to LaTeX",
        (tmp_path / "a.scores.npz",): "the scores of a result, not a result",
        (one, "--json", "--format", "csv"): "both want standard output",
        (one, "--published", "tabel5"): "unknown published table 'tabel5' Did you mean table5",
        (one, "--published", "table5", "--only-measured"): "contradict each other",
        (one, "--published", "table5", "--columns", "aslan:auc"): "contradict each other",
        (one, "--columns", "auc"): "column 'auc' is not PROTOCOL:METRIC",
        (one, "--columns", "aslan:acc"): "unknown metric of aslan 'acc'",
        (one, "--against", "i3"): "unknown row 'i3' Did you mean i3d",
    }
    for arguments, complaint in mistakes.items():
        done = run(*arguments)
        assert done.exit_code == 2, arguments
        assert complaint in done.output.replace("\n", " "), arguments
        assert "Traceback" not in done.output
        assert done.stdout == ""


def test_an_unknown_format_is_refused(saved):
    assert run(saved, "--format", "pdf").exit_code == 2


def test_the_api_takes_results_and_paths_together(saved):
    report = Report.of([saved / "ucf101-i3d.json", ucf101_result("p3d63", 0.8, backbone="p3d63")])
    assert [row.label for row in report.tables[0].groups[0].rows] == ["i3d", "p3d63"]
    with pytest.raises(UserError, match="same result"):
        Report.of([saved / "ucf101-i3d.json", ucf101_result("i3d", 0.91, backbone="i3d")])


def test_a_failed_certificate_is_a_warning_beside_the_table(saved):
    ucf101_result("loose", 0.95, backbone="i3d", gap=1e-2).save(saved / "loose.json")
    shown = run(saved, "--format", "csv")
    assert shown.stdout == Report.of([saved]).to_csv()
    assert "warning: NOT CONVERGED, do not quote: loose" in " ".join(shown.stderr.split())
    assert "warning" not in run(saved / "aslan-i3d.json").stderr
