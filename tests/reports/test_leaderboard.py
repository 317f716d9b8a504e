"""The leaderboard: who is on it, what is ranked, and what is refused."""

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

import p3d_eval as pe
from p3d_eval.cli import app
from p3d_eval.errors import UserError
from p3d_eval.protocols.result import Metric
from p3d_eval.reports.leaderboard import leaderboard
from tests.support.results import aslan_result, scored_result, ucf101_result


def table_of(board):
    (table,) = board.tables
    return table


def cells(board, label):
    return next(row for row in table_of(board).rows if row.label == label).cells


def order(board):
    return [row.label for row in table_of(board).rows]


THREE = [
    ucf101_result("a", 0.90, backbone="a"),
    ucf101_result("b", 0.80, backbone="b"),
    ucf101_result("c", 0.70, backbone="c"),
    aslan_result("a", 0.60, backbone="a"),
    aslan_result("b", 0.75, backbone="b"),
]


def test_systems_are_rows_and_benchmarks_are_columns():
    board = leaderboard(THREE)
    table = table_of(board)
    assert [column.key for column in table.columns] == [
        "rank",
        "ucf101",
        "ucf101_rank",
        "aslan",
        "aslan_rank",
        "mean",
        "borda",
    ]
    assert [(group.heading, [row.label for row in group.rows]) for group in table.groups] == [
        ("on every benchmark", ["b", "a"]),
        ("not ranked on every benchmark, so not overall", ["c"]),
    ]
    assert cells(board, "b")["mean"].value == pytest.approx((80 + 75) / 2)
    assert cells(board, "a")["borda"].value == cells(board, "b")["borda"].value == 1
    assert cells(board, "c")["ucf101_rank"].value == 3
    assert "mean" not in cells(board, "c")
    assert cells(board, "a")["ucf101"].best
    assert cells(board, "b")["ucf101"].second


def test_every_number_is_defined_below():
    notes = " ".join(table_of(leaderboard(THREE)).notes)
    assert "Mean: of the values on ucf101 (accuracy), aslan (accuracy), each with the same weight." in notes
    assert "the number of the 2 systems on all of them that one beats" in notes
    assert "at most 2." in notes
    assert (
        "ucf101: accuracy, 3 results on 13320 videos, annotations aaaaaaaaaaaa (official), version 1." in notes
    )


def test_without_a_system_on_every_benchmark_nothing_is_said_of_all():
    board = leaderboard([*THREE[:2], aslan_result("d", backbone="d")])
    table = table_of(board)
    assert [column.key for column in table.columns] == ["ucf101", "ucf101_rank", "aslan", "aslan_rank"]
    assert table.notes[0] == "No system is ranked on every benchmark; --benchmarks chooses those to rank by."
    assert table.notes[1].startswith("Rank: by the value on the benchmark; equal ones")
    assert not any(note.startswith(("Mean", "Borda")) for note in table.notes)
    assert "aslan: accuracy, 1 result on 3697 videos, " in " ".join(table.notes)


def test_the_command_filters_by_every_option_and_tells_how(tmp_path):
    for name, seed in (("a", 0), ("b", 1)):
        result = ucf101_result(name, backbone=name)
        replace(result, options={**result.options, "seed": seed}).save(tmp_path / f"{name}.json")
    shown = CliRunner().invoke(app, ["leaderboard", str(tmp_path), "--where", "seed=1", "--json"])
    assert shown.exit_code == 0, shown.output
    (table,) = json.loads(shown.stdout)["tables"]
    assert [row["label"] for group in table["groups"] for row in group["rows"]] == ["b"]
    for wrong in ("seed", "=1", "seed="):
        refused = CliRunner().invoke(app, ["leaderboard", str(tmp_path), "--where", wrong])
        assert refused.exit_code == 2
        assert f"--where {wrong!r} is not KEY=PATTERN" in refused.output
        assert "--where label='i3d*'" in refused.output


def test_the_order_is_as_asked():
    assert order(leaderboard(THREE)) == ["b", "a", "c"]
    assert order(leaderboard(THREE, sort="ucf101")) == ["a", "b", "c"]
    assert order(leaderboard(THREE, benchmarks=["ucf101"])) == ["a", "b", "c"]
    assert order(leaderboard(THREE, top=1)) == ["b"]
    assert "1 of 3 systems are shown; ranks are of all." in table_of(leaderboard(THREE, top=1)).notes


def test_a_benchmark_may_be_ranked_by_another_metric():
    results = [aslan_result("a", 0.7, 0.6, backbone="a"), aslan_result("b", 0.6, 0.7, backbone="b")]
    assert order(leaderboard(results)) == ["a", "b"]
    assert order(leaderboard(results, benchmarks=["aslan:auc"])) == ["b", "a"]


def test_results_on_other_videos_are_another_benchmark():
    other = ucf101_result("d", 0.99, backbone="d", annotations="f" * 64, official=False)
    board = leaderboard([*THREE[:2], other])
    keys = [column.key for column in table_of(board).columns]
    assert "ucf101#2" in keys
    assert "rank" not in cells(board, "d")
    assert cells(board, "d")["ucf101#2"].value == pytest.approx(99)


def test_a_version_of_its_own_is_another_benchmark():
    board = leaderboard([*THREE[:2], ucf101_result("d", 0.99, backbone="d", version="2")])
    assert "ucf101#2" in [column.key for column in table_of(board).columns]


def test_an_unconverged_result_is_shown_and_not_ranked():
    board = leaderboard([*THREE[:2], ucf101_result("wrong", 0.99, backbone="d", gap=1.0)])
    row = cells(board, "wrong")
    assert row["ucf101"].value == pytest.approx(99)
    assert "rank" not in row
    assert cells(board, "a")["rank"].value == 1
    assert board.loud[0].startswith("NOT CONVERGED, do not quote; not ranked: wrong")


def test_what_a_reader_must_know_is_marked():
    results = [
        ucf101_result("whole", 0.8),
        ucf101_result("net (random weights)", 0.7, random=True, backbone="x"),
        ucf101_result("net", 0.9, options={"C": 10.0, "layer": "pool5"}, backbone="y"),
    ]
    texts = {note.text for note in table_of(leaderboard(results)).footnotes}
    assert texts == {"features of random weights", "not the protocol's defaults: C = 10 (default 1)"}


def test_options_of_ones_own_make_a_row_of_their_own():
    usual = ucf101_result("i3d", 0.8, options={"C": 1.0, "layer": "pool5"})
    other = ucf101_result("i3d", 0.9, options={"C": 10.0, "layer": "pool5"})
    assert order(leaderboard([usual, other])) == ["i3d (C=10)", "i3d"]


def test_options_at_their_default_are_in_no_name():
    known = {"C": 1.0, "pca": None, "layer": "pool5"}
    found = [
        ucf101_result("i3d", value, options={**known, **own}, default_options=known)
        for value, own in ((0.9, {}), (0.8, {"pca": "100"}), (0.7, {"pca": "100", "C": 10.0}))
    ]
    assert order(leaderboard(found)) == ["i3d", "i3d (pca=100)", "i3d (C=10, pca=100)"]


def test_defaults_that_differ_between_protocols_part_no_rows_names():
    known = {"C": 1.0, "normalise": "l2"}
    usual, more = (
        ucf101_result("i3d", 0.8, options={**known, "C": C}, default_options=known) for C in (1.0, 100.0)
    )
    other = {"C": 1.0, "normalise": None, "layers": None}
    pairs = aslan_result("i3d", options={**other, "layers": "pool5"}, default_options=other)
    found = order(leaderboard([usual, more, pairs]))
    assert found == ["i3d", "i3d (C=100)"]  # layers part nothing: there is one result of aslan


def test_a_networks_only_result_of_a_protocol_joins_the_rows_of_its_settings():
    """It has no C and holds at both; ranks on it are of results, those over all benchmarks of rows."""
    known = {"layer": "pool5"}

    def network(name, values, other):
        settings = [
            ucf101_result(name, value, backbone=name, options={"C": C, "layer": "pool5"})
            for C, value in zip((1.0, 10.0), values, strict=True)
        ]
        plain = ucf101_result(name, other, backbone=name, protocol="own", options=known, default_options=known)
        return [*settings, plain]

    results = [*network("a", (0.9, 0.6), 0.7), *network("b", (0.8, 0.5), 0.6)]
    board = leaderboard(results, compared=("a", "a (ucf101 C=10)"))
    assert order(board) == ["a", "b", "a (ucf101 C=10)", "b (ucf101 C=10)"]
    ranks = {row.label: row.cells["own_rank"].value for row in table_of(board).rows}
    assert ranks == {"a": 1, "a (ucf101 C=10)": 1, "b": 2, "b (ucf101 C=10)": 2}  # two results, not four
    assert [cells(board, label)["rank"].value for label in order(board)] == [1, 2, 3, 4]
    assert board.comparisons["own"] == "one result stands in both rows"


def test_an_incomplete_result_is_shown_and_not_ranked_and_leaves_the_others_their_ranks():
    partial = [
        ucf101_result("part", 0.99, missing=("x",), backbone="p"),
        aslan_result("part", 0.5, backbone="p"),
    ]
    board = leaderboard([*THREE, *partial])
    usual = leaderboard([*THREE, partial[1]])
    assert [column.key for column in table_of(board).columns] == [one.key for one in table_of(usual).columns]
    for label in ("a", "b", "c"):
        assert cells(board, label) == cells(usual, label)
    found = cells(board, "part")
    assert found["ucf101"].value == pytest.approx(99)
    assert not found["ucf101"].best
    assert not found["ucf101"].second
    assert "ucf101_rank" not in found
    assert "rank" not in found
    assert found["aslan_rank"].value == 3
    (note,) = [one for one in table_of(board).footnotes if one.mark in found["ucf101"].marks]
    assert note.text.endswith("1 missing, counted as wrong; not ranked")


def test_results_that_lack_the_same_videos_are_ranked_where_none_is_complete():
    board = leaderboard(
        [ucf101_result(name, v, missing=("x",), backbone=name) for name, v in (("a", 0.5), ("b", 0.6))]
    )
    assert cells(board, "b")["rank"].value == 1
    assert not any("not ranked" in note.text for note in table_of(board).footnotes)


def test_filters_keep_what_matches():
    assert order(leaderboard(THREE, where={"label": "[ab]"})) == ["b", "a"]
    assert order(leaderboard(THREE, where={"protocol": "ucf*", "backbone": "c"})) == ["c"]
    partial = ucf101_result("part", 0.99, missing=("x",), backbone="p")
    assert "part" not in order(leaderboard([*THREE, partial], official=True))


def test_no_interval_no_interval_of_ranks():
    results = [
        ucf101_result("a", metrics={"accuracy": Metric(0.9)}),
        ucf101_result("b", metrics={"accuracy": Metric(0.8)}, backbone="b"),
    ]
    board = leaderboard(results)
    assert cells(board, "a")["rank"].shown == "1"
    assert any("Some value has no interval" in note for note in table_of(board).notes)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"sort": "bord"}, "Did you mean borda"),
        ({"benchmarks": ["ucf10"]}, "Did you mean ucf101"),
        ({"benchmarks": ["ucf101:acuracy"]}, "Did you mean accuracy"),
        ({"where": {"labl": "a"}}, "Did you mean label"),
        ({"where": {"label": "z"}}, "none of 5 results is left with label=z"),
        ({"compared": ("a", "z")}, "unknown system 'z'"),
        ({"compared": ("a", "a")}, "compared with itself"),
        ({"compared": ()}, "two rows are compared, not 0"),
        ({"compared": ("a",)}, "two rows are compared, not 1"),
        ({"top": 0}, "top: 0"),
    ],
)
def test_mistakes_are_named(given, complaint):
    with pytest.raises(UserError, match="(?s)" + complaint):
        leaderboard(THREE, **given)


@pytest.fixture
def folder(tmp_path):
    scored_result("good", 40).save(tmp_path / "good.json")
    scored_result("bad", 10).save(tmp_path / "bad.json")
    scored_result("also", 38).save(tmp_path / "also.json")
    aslan_result("good", backbone="good").save(tmp_path / "aslan.json")
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(app, ["leaderboard", *map(str, arguments)])


def test_any_two_rows_are_compared(folder):
    board = pe.leaderboard(folder, compared=("good", "bad"))
    (found,) = board.comparisons["ucf101"].comparisons
    # 15 clusters differ, all one way: of 2^15 flips of signs two are as extreme.
    assert found.p_value == pytest.approx(2 / 2**15)
    assert board.comparisons["aslan"] == "bad is not on it"
    assert board.sentences[0].startswith("ucf101: good is better than bad: accuracy 100.00 % against 25.00 %")
    assert "not compared" in board.sentences[1]


def test_a_compared_row_need_not_be_named_with_what_tables_add(tmp_path):
    scored_result("good (random weights)", 40, random=True).save(tmp_path / "good.json")
    scored_result("bad (as stated)", 10).save(tmp_path / "bad.json")
    board = pe.leaderboard(tmp_path, compared=("good", "bad"))
    (found,) = board.comparisons["ucf101"].comparisons
    assert (found.first, found.second) == ("good (random weights)", "bad (as stated)")
    assert pe.leaderboard(tmp_path, compared=("good (random weights)", "bad")).sentences == board.sentences
    with pytest.raises(UserError, match="(?s)unknown system 'goo'.*Did you mean good[?] Available: bad, good$"):
        pe.leaderboard(tmp_path, compared=("goo", "bad"))
    with pytest.raises(UserError, match="compared with itself"):
        pe.leaderboard(tmp_path, compared=("good", "good (random weights)"))


def test_a_compared_name_of_two_rows_is_refused():
    known = {"C": 1.0, "layer": "pool5"}
    rows = [
        ucf101_result("i3d (random weights)", 0.8, options={**known, "C": C}, default_options=known, backbone=b)
        for C, b in ((10.0, "a"), (100.0, "b"))
    ]
    with pytest.raises(UserError) as caught:
        leaderboard([*rows, ucf101_result("c", 0.9)], compared=("i3d", "c"))
    assert caught.value.message == "'i3d' may be 2 rows"
    assert "i3d (random weights) (C=10), i3d (random weights) (C=100)" in caught.value.hint
    board = leaderboard([*rows, ucf101_result("c", 0.9)], compared=("i3d (C=10)", "c"))
    assert list(board.comparisons) == ["ucf101"]


def test_the_command_prints_what_the_api_gives(folder):
    board = pe.leaderboard(folder, benchmarks=["ucf101"], compared=("good", "also"))
    done = run(folder, "--benchmarks", "ucf101", "--compare", "good", "also")
    assert done.exit_code == 0
    assert done.stdout.startswith(board.to_text())
    assert " ".join(board.sentences[0].split()) in " ".join(done.stdout.split())
    assert done.stdout.count("good and also") == board.sentences[0].count("good and also") == 1
    for drawn in (board.to_page(), board.to_markdown(), board.to_latex()):
        assert "No difference is shown between good and also" in " ".join(drawn.split())
    csv = run(folder, "--benchmarks", "ucf101", "--compare", "good", "also", "--format", "csv")
    assert csv.stdout == board.to_csv()
    document = json.loads(run(folder, "--compare", "good", "bad", "--json").stdout)
    assert document["tables"][0]["protocol"] == "leaderboard"
    assert document["comparisons"]["aslan"] == {"reason": "bad is not on it"}


def test_the_command_keeps_existing_files_and_refuses_nonsense(folder, tmp_path):
    out = tmp_path / "out" / "board.tex"
    assert run(folder, "--out", out).exit_code == 0
    assert "\\toprule" in out.read_text(encoding="utf-8")
    assert run(folder, "--out", out).exit_code == 2
    assert run(folder, "--out", out, "--overwrite", "--quiet").output == ""
    (tmp_path / "empty").mkdir()
    for arguments, complaint in {
        (tmp_path / "empty",): "no results in this folder",
        (): "no results to rank",
        (folder, "--where", "label"): "is not KEY=PATTERN",
        (folder, "--sort", "x"): "unknown order 'x'",
    }.items():
        done = run(*arguments)
        assert (done.exit_code, done.stdout) == (2, "")
        assert complaint in done.output.replace("\n", " ")
