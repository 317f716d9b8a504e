"""Comparing results: what is compared, what is refused, and what is said."""

import json
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score
from typer.testing import CliRunner

import p3d_eval as pe
from p3d_eval.cli import app
from p3d_eval.errors import UserError
from p3d_eval.protocols.metrics import activitynet_average_precision
from p3d_eval.protocols.result import Scores
from p3d_eval.protocols.significance import compare
from tests.support.results import aslan_result, ucf101_result

CLASSES = 4
COUNTS = (3, 5, 1)  # whose mean, divided by 7 each, is rounded otherwise than that of (1, 5, 3)


def scored(label, quality, *, seed=0, groups=40, clips=5, splits=2):
    """A result whose clips of one group succeed or fail much alike; the same videos for every label."""
    n = groups * clips * splits
    generator = np.random.default_rng([seed, len(label)])
    labels = np.random.default_rng(9).integers(0, CLASSES, n)
    group = np.arange(n) // clips
    luck = generator.normal(size=groups * splits)[group] + 0.3 * generator.normal(size=n)
    scores = generator.normal(0, 0.1, (n, CLASSES))
    scores[np.arange(n), labels] += quality + luck
    saved = Scores(
        ids=np.array([f"v{number:04}" for number in range(n)]),
        split=np.arange(n) // (groups * clips),
        labels=labels,
        classes=np.array([f"c{number}" for number in range(CLASSES)]),
        scores=scores.astype(np.float32),
        clusters=np.array([f"g{number:03}" for number in group]),
        cluster_kind="(class, group) clusters",
    )
    return replace(ucf101_result(label, backbone=label, splits=splits), scores=saved)


def right(result):
    scores = result.scores
    return (scores.scores.argmax(axis=1) == scores.labels).astype(float)


@pytest.fixture(scope="module")
def three():
    return scored("weak", 0.2), scored("weaker", 0.0), scored("strong", 1.5)


def test_difference_of_the_mean_over_splits(three):
    weak, _, strong = three
    (one,) = compare([strong, weak]).comparisons
    difference = right(strong) - right(weak)
    assert one.difference.value == pytest.approx(difference.reshape(2, -1).mean(axis=1).mean())
    assert one.first_value == pytest.approx(right(strong).mean())
    assert one.difference.low < one.difference.value < one.difference.high
    assert (one.test, one.units) == ("sign-flip", "80 (class, group) clusters")
    sums = difference.reshape(80, 5).sum(axis=1)
    expected = stats.permutation_test(
        (sums,), np.sum, permutation_type="samples", n_resamples=20_000, random_state=0
    ).pvalue
    assert one.p_value == pytest.approx(expected, abs=1e-3)
    assert one.sentence.startswith("strong is better than weak: accuracy ")
    assert "sign-flip test over 80 (class, group) clusters" in one.sentence


def test_exchanging_two_results_changes_signs_alone(three):
    weak, weaker, _ = three
    (one,), (two,) = (compare(pair).comparisons for pair in ((weak, weaker), (weaker, weak)))
    assert (two.difference.value, two.p_value) == (-one.difference.value, one.p_value)
    assert (two.first_value, two.second_value) == (one.second_value, one.first_value)
    assert two.difference.low == pytest.approx(-one.difference.high, abs=0.01)


def test_rows_in_another_order_change_nothing(three):
    weak, _, strong = three
    order = np.random.default_rng(0).permutation(len(weak.scores.ids))
    moved = {
        name: getattr(weak.scores, name)[order] for name in ("ids", "split", "labels", "scores", "clusters")
    }
    shuffled = replace(weak, scores=replace(weak.scores, **moved))
    assert compare([strong, shuffled]) == compare([strong, weak])


def test_mcnemar_and_its_warning(three):
    weak, _, strong = three
    report = compare([strong, weak], test="mcnemar")
    a, b = right(strong) > 0, right(weak) > 0
    alone, other = (a & ~b).sum(), (b & ~a).sum()
    assert report.comparisons[0].p_value == stats.binomtest(alone, alone + other).pvalue
    assert any("too optimistic" in warning for warning in report.warnings)
    assert not any("too optimistic" in warning for warning in compare([strong, weak]).warnings)


def test_student_over_splits(three):
    weak, _, strong = three
    (one,) = compare([strong, weak], test="student").comparisons
    a, b = (right(result).reshape(2, -1).mean(axis=1) for result in (strong, weak))
    expected = stats.ttest_rel(a, b)
    assert one.p_value == pytest.approx(expected.pvalue)
    ends = expected.confidence_interval(0.95)
    assert (one.difference.low, one.difference.high) == pytest.approx((ends.low, ends.high))


def test_three_results_are_corrected_for_three_comparisons(three):
    report = compare(three)
    assert [(one.first, one.second) for one in report.comparisons] == [
        ("weak", "weaker"),
        ("weak", "strong"),
        ("weaker", "strong"),
    ]
    first = report.comparisons[0]
    assert first.p_value == compare(three[:2]).comparisons[0].p_value
    smallest = min(one.p_value for one in report.comparisons)
    assert min(one.adjusted_p_value for one in report.comparisons) == pytest.approx(3 * smallest)
    assert first.sentence.startswith("No difference is shown between weak and weaker: weak has ")
    assert "corrected for all comparisons" in first.sentence


@pytest.fixture(scope="module")
def pairs():
    def make(label, quality):
        generator = np.random.default_rng([1, len(label)])
        same = np.tile([1, 0], 300)
        decision = (
            generator.normal(size=600) + quality * (2 * same - 1) + np.repeat(generator.normal(size=10), 60) / 4
        )
        saved = Scores(
            ids=np.array([[f"a{n}", f"b{n}"] for n in range(600)]),
            split=np.repeat(np.arange(10), 60),
            labels=same,
            classes=np.array(["same"]),
            scores=decision.astype(np.float32),
            clusters=np.repeat([str(k + 1) for k in range(10)], 60),
            cluster_kind="folds",
        )
        return replace(aslan_result(label, backbone=label), scores=saved)

    return make("one", 0.6), make("other", 0.75)


def test_pairs_are_compared_fold_by_fold(pairs):
    (found,) = compare(pairs).comparisons
    a, b = (((p.scores.scores > 0) == p.scores.labels).reshape(10, 60).mean(axis=1) for p in pairs)
    exact = stats.permutation_test((a - b,), np.sum, permutation_type="samples", n_resamples=np.inf)
    assert found.p_value == pytest.approx(exact.pvalue)
    assert (found.how, found.units) == ("all sign patterns", "10 folds")
    ends = stats.ttest_rel(a, b).confidence_interval(0.95)
    assert (found.difference.low, found.difference.high) == pytest.approx((ends.low, ends.high))
    assert compare(pairs, test="student").comparisons[0].p_value == pytest.approx(stats.ttest_rel(a, b).pvalue)


def test_area_of_folds(pairs):
    (found,) = compare(pairs, metric="auc_mean_of_folds").comparisons
    areas = [
        np.array(
            [roc_auc_score(*part) for part in zip(np.split(s.labels, 10), np.split(s.scores, 10), strict=True)]
        )
        for s in (pairs[0].scores, pairs[1].scores)
    ]
    assert (found.first_value, found.second_value) == pytest.approx([one.mean() for one in areas])
    exact = stats.permutation_test(
        (areas[0] - areas[1],), np.sum, permutation_type="samples", n_resamples=np.inf
    )
    assert found.p_value == pytest.approx(exact.pvalue)
    with pytest.raises(UserError, match="no value for each fold") as caught:
        compare(pairs, metric="auc")
    assert "auc_mean_of_folds" in caught.value.hint


@pytest.fixture(scope="module")
def several():
    """Videos of several labels; the second system is the first with noise."""
    generator = np.random.default_rng(3)
    labels = generator.random((300, 6)) < 0.2
    labels[np.arange(300), generator.integers(0, 6, 300)] = True
    scores = generator.normal(size=(300, 6)) + 2 * labels
    kept = {
        "ids": np.array([f"v{n:03}" for n in range(300)]),
        "split": np.zeros(300, int),
        "labels": labels.astype(int),
        "classes": np.array(list("abcdef")),
    }
    return [
        replace(
            ucf101_result(label, backbone=label, splits=1),
            scores=Scores(**kept, scores=(scores + noise * generator.normal(size=(300, 6))).astype(np.float32)),
        )
        for label, noise in (("clean", 0.0), ("noisy", 1.0))
    ]


def test_mean_average_precision_of_both_on_the_same_draws(several):
    (found,) = compare(several).comparisons
    own = [activitynet_average_precision(r.scores.scores, r.scores.labels).mean() for r in several]
    assert (found.first_value, found.second_value) == pytest.approx(own)
    assert (found.test, found.units) == ("bootstrap", "300 videos")
    assert found.p_value == pytest.approx(2 / 10_001)
    assert 0 < found.difference.low < found.difference.value < found.difference.high
    (by_steps,) = compare(several, metric="map_sklearn").comparisons
    assert by_steps.first_value == pytest.approx(
        average_precision_score(several[0].scores.labels, several[0].scores.scores)
    )
    with pytest.raises(UserError, match="no value for a single trial"):
        compare(several, test="sign-flip")
    (top,) = compare(several, metric="top3").comparisons
    guesses = np.argsort(-several[0].scores.scores, axis=1)[:, :3]
    assert top.first_value == np.take_along_axis(several[0].scores.labels, guesses, axis=1).any(axis=1).mean()


def without(result, rows):
    keep = np.setdiff1d(np.arange(len(result.scores.ids)), rows)
    arrays = {n: getattr(result.scores, n)[keep] for n in ("ids", "split", "labels", "scores", "clusters")}
    return replace(result, scores=replace(result.scores, **arrays))


def test_trials_that_one_lacks(three):
    weak, _, strong = three
    fewer = without(weak, [3, 4])
    with pytest.raises(UserError, match=r"^weak-\w+ lacks 2 scored trials that others have: v0003, v0004"):
        compare([strong, fewer])
    report = compare([strong, fewer], common=True)
    assert (report.left_out, report.trials) == (2, 398)
    assert report.warnings == ("2 trials that some result lacks are left out: the values are of the others.",)
    assert report.comparisons == compare([without(strong, [3, 4]), fewer]).comparisons


def test_feature_files_may_call_videos_by_longer_paths(three):
    """Extracted with --videos data and with --videos data/UCF-101: the same videos."""
    weak, _, strong = three
    below = replace(
        strong, scores=replace(strong.scores, ids=np.array([f"UCF-101/{v}" for v in strong.scores.ids]))
    )
    assert compare([weak, below]).comparisons == compare([weak, strong]).comparisons
    (turned,), (expected,) = (compare([one, weak]).comparisons for one in (below, strong))
    assert turned == expected
    with pytest.raises(UserError, match="lacks 2 scored trials"):
        compare([without(weak, [3, 4]), below])


def test_what_is_not_comparable(three, pairs):
    weak, _, strong = three
    relabelled = replace(strong, scores=replace(strong.scores, labels=(strong.scores.labels + 1) % CLASSES))
    renamed = replace(strong, scores=replace(strong.scores, classes=strong.scores.classes[::-1]))
    wrong = replace(strong.scores, scores=strong.scores.scores * np.nan)
    for other, message in (
        (pairs[0], "differ in their protocol: ucf101 and aslan"),
        (replace(strong, version="2"), "differ in their version: 1 and 2"),
        (replace(strong, annotations={"sha256": "0"}), "differ in their splits and labels"),
        (relabelled, "disagree on the label of v0000"),
        (renamed, "differ in their classes"),
        (weak, "is the same result as weak"),
        (replace(strong, scores=wrong), "empty, hold NaN or differ in length"),
        (replace(strong, scores=None), "carries no scores"),
    ):
        with pytest.raises(UserError, match=message):
            compare([weak, other])
    with pytest.raises(UserError, match="two results or more"):
        compare([weak])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric": "accurcy"}, "unknown metric 'accurcy'"),
        ({"metric": "top9"}, "there are 4 classes"),
        ({"test": "wilcoxon"}, "unknown test 'wilcoxon'"),
        ({"level": 1}, "level: 1 is not between 0 and 1"),
        ({"seed": -1}, "seed: -1 is negative"),
        ({"metric": "map"}, "several splits are not one ranking"),
    ],
)
def test_wrong_options(three, options, message):
    with pytest.raises(UserError, match=message):
        compare(three[:2], **options)


def test_unconverged_and_incomplete_results_are_named(three):
    weak, _, strong = three
    report = compare([strong, replace(ucf101_result("bad", gap=1e-3, missing=("x",)), scores=weak.scores)])
    assert report.warnings[0].startswith("NOT CONVERGED: bad")
    assert any(warning.startswith("bad: 13319 of 13320 videos") for warning in report.warnings)


def test_equal_scores(three):
    twin = replace(ucf101_result("twin", backbone="twin"), scores=three[0].scores)
    (one,) = compare([three[0], twin]).comparisons
    assert (one.p_value, one.difference.low, one.difference.high) == (1, 0, 0)
    assert one.sentence.startswith("weak and twin have the same accuracy, ")


def by_split(label, counts, size=7):
    """A result with ``counts`` of ``size`` videos right in each split."""
    rows = np.arange(size * len(counts))
    hit = rows % size < np.repeat(counts, size)
    scores = np.stack([hit, ~hit], axis=1).astype(np.float32)
    names = np.array([f"v{row:02}" for row in rows])
    saved = Scores(names, rows // size, np.zeros(len(rows), int), np.array(["yes", "no"]), scores)
    return replace(ucf101_result(label, backbone=label, splits=len(counts)), scores=saved)


def test_values_that_differ_by_a_rounding_are_the_same(tmp_path):
    one, two = by_split("one", COUNTS), by_split("two", COUNTS[::-1])
    report = compare([one, two])
    (found,) = report.comparisons
    assert found.first_value != found.second_value
    assert found.sentence == "one and two have the same accuracy, 42.86 %."
    paths = [str(result.save(tmp_path / f"{result.label}.json")) for result in (one, two)]
    printed = CliRunner().invoke(app, ["compare", *paths])
    assert printed.exit_code == 0, printed.output
    for shown in (printed.stdout, report._repr_html_()):
        assert "+0.00" in shown
        assert "-0.00" not in shown


@pytest.fixture
def files(three, tmp_path):
    return [str(result.save(tmp_path / f"{result.label}.json")) for result in three]


def test_command(files, three, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    out = tmp_path / "comparison.json"
    shown = CliRunner().invoke(app, ["compare", *files, "--out", str(out)])
    assert shown.exit_code == 0, shown.output
    assert "accuracy in %, 400 trials; sign-flip over 80 (class, group) clusters" in shown.stdout
    expected = pe.compare(files)
    for one in expected.comparisons:
        assert one.sentence in shown.stdout
    assert [one.p_value for one in expected.comparisons] == [one.p_value for one in compare(three).comparisons]
    assert json.loads(out.read_text()) == json.loads(json.dumps(expected.to_json()))
    again = CliRunner().invoke(app, ["compare", *files[:2], "--out", str(out)])
    assert (again.exit_code, "--overwrite" in again.output) == (2, True)
    printed = CliRunner().invoke(app, ["compare", *files[:2], "--json", "--seed", "4", "--test", "bootstrap"])
    assert json.loads(printed.stdout)["seed"] == 4
    assert CliRunner().invoke(app, ["compare", *files, "--quiet"]).output == ""


def test_command_with_wrong_input(files, tmp_path):
    (tmp_path / "weak.scores.npz").unlink()
    for arguments, message in (
        (files, "the scores of weak.json are not there"),
        (files[1:2], "two results or more"),
        ([*files, "--out", "x.csv"], "x.csv: the name of a result ends in .json"),
        ([*files[1:], "--out", files[1]], "exists"),
        ([*files[1:], "--out", files[1], "--overwrite"], "is one of the results"),
        (["absent.json", files[1]], "absent.json: no such result file"),
        ([str(tmp_path), files[1]], "is a folder"),
    ):
        shown = CliRunner().invoke(app, ["compare", *arguments])
        assert shown.exit_code == 2
        assert message in " ".join(shown.output.split())


def test_splits_of_one_cluster_each_are_drawn_whole():
    strong, weak = (
        scored(label, quality, groups=1, clips=16, splits=5) for label, quality in (("s", 1), ("w", 0))
    )
    differences = (right(strong) - right(weak)).reshape(5, 16).mean(axis=1)
    every = np.sort([differences[list(drawn)].mean() for drawn in product(range(5), repeat=5)])
    (one,) = compare([strong, weak], test="bootstrap").comparisons
    # Ends of 10,000 draws, whose shares have a standard error of 0.0016: within 0.02 to 0.03 of the exact ones.
    for end, at in ((one.difference.low, 0.025), (one.difference.high, 0.975)):
        low, high = np.quantile(every, [at - 0.005, at + 0.005])
        assert low <= end <= high
    assert one.difference.low < differences.mean() < one.difference.high


def with_lonely_split(label, quality):
    """Three splits, the first of which tests one cluster alone."""
    made = scored(label, quality, groups=2, splits=3)
    clusters = made.scores.clusters.copy()
    clusters[made.scores.split == 0] = "g000"
    return replace(made, scores=replace(made.scores, clusters=clusters))


def test_a_split_of_one_cluster_gives_no_interval():
    strong, weak = with_lonely_split("strong", 1.5), with_lonely_split("weak", 0.0)
    report = compare([strong, weak])
    (one,) = report.comparisons
    assert (one.difference.low, one.difference.high) == (None, None)
    assert one.difference.method == "no interval: a split tests one alone of the (class, group) clusters"
    assert report.rows[0][5] == "–"
    assert "points, no interval; p = " in one.sentence
    with pytest.raises(UserError, match="a split tests one alone") as caught:
        compare([strong, weak], test="bootstrap")
    assert "sign-flip" in caught.value.hint
    assert compare([strong, weak], test="student").comparisons[0].difference.low is not None


def test_one_cluster_is_no_sample_of_rankings():
    alone = [scored(label, 1.0, groups=1, splits=1) for label in ("one", "other")]
    with pytest.raises(UserError, match="has no other sample"):
        compare(alone, metric="map")
