"""Clip and video hits against counting by hand and scikit-learn; class columns; linear probes."""

import json

import numpy as np
import pytest
from sklearn.metrics import top_k_accuracy_score
from sklearn.preprocessing import normalize
from sklearn.svm import LinearSVC

from p3d_eval.errors import UserError
from p3d_eval.features import open_features, write_store
from p3d_eval.protocols.class_columns import match_columns, spelling
from p3d_eval.protocols.evaluation import evaluate
from p3d_eval.protocols.metrics import label_ranks
from p3d_eval.protocols.significance import compare
from tests.support.clip_scores import clip_store

SPORTS = ("archery", "bowling", "curling", "diving", "fencing", "golf")


def youtube(number):
    return f"id{number:09d}"


def write_sports(folder, labels):
    """Official files for videos with these labels."""
    folder.mkdir(exist_ok=True)
    (folder / "labels.txt").write_text("".join(f"{name}\n" for name in SPORTS))
    lines = (
        f"https://www.youtube.com/watch?v={video} {','.join(map(str, own))}\n" for video, own in labels.items()
    )
    (folder / "test_partition.txt").write_text("".join(lines))
    return folder


@pytest.fixture(scope="module")
def sports(tmp_path_factory):
    """40 videos of 1 to 4 clips, every fifth with two labels; columns in another order than the labels."""
    folder = tmp_path_factory.mktemp("sports")
    generator = np.random.default_rng(3)
    labels = {youtube(n): (n % 6, (n + 2) % 6) if n % 5 == 0 else (n % 6,) for n in range(40)}
    columns = [SPORTS[k] for k in (3, 1, 5, 0, 4, 2)]
    clips = {}
    for n, (video, own) in enumerate(labels.items()):
        scores = generator.random((1 + n % 4, 6))
        scores[:, [columns.index(SPORTS[k]) for k in own]] += 0.4
        clips[f"videos/v_{video}"] = (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)
    return clip_store(folder / "s.h5", clips, columns), write_sports(folder / "lists", labels), labels, clips


def hits(scores, own, columns, k):
    """Karpathy's definition, literally: is a label among the k highest scores?"""
    best = np.argsort(-scores, axis=1)[:, :k]
    return [any(columns[place] in {SPORTS[label] for label in own} for place in row) for row in best]


def test_sports1m_by_hand(sports):
    store, lists, labels, clips = sports
    result = evaluate("sports1m", store, annotations=lists)
    columns = store.classes
    of_clips = [hits(clips[f"videos/v_{video}"], own, columns, 1) for video, own in labels.items()]
    assert result.metrics["clip_hit1"].value == pytest.approx(np.mean(np.concatenate(of_clips)))
    assert result.metrics["clip_hit1"].n == sum(map(len, of_clips)) == 100
    means = np.stack([clips[f"videos/v_{video}"].astype(float).mean(axis=0) for video in labels])
    for k in (1, 5):
        expected = [
            hits(mean[None], own, columns, k)[0] for mean, own in zip(means, labels.values(), strict=True)
        ]
        assert result.metrics[f"video_hit{k}"].value == pytest.approx(np.mean(expected))
    assert 0.3 < result.metrics["clip_hit1"].value < result.metrics["video_hit1"].value < 1
    assert result.scores.labels.sum() == 48
    assert result.scores.classes.tolist() == list(SPORTS)
    both = result.per_class["archery"]
    assert both.n == sum(0 in own for own in labels.values())
    assert not result.annotations["official"]


def test_scores_that_are_not_there_are_missed_before_those_of_clips(tmp_path, sports):
    store, lists, *_ = sports
    other = tmp_path / "other.h5"
    write_store(other, list(store.ids), {"pool5": np.asarray(store["prob"])}, classes=store.classes)
    with pytest.raises(UserError, match="other.h5.*'prob'"):
        evaluate("sports1m", other, annotations=lists)


def test_video_scores_need_no_clips(tmp_path, sports):
    store, lists, *_ = sports
    plain = tmp_path / "plain.h5"
    write_store(plain, list(store.ids), {"prob": np.asarray(store["prob"])}, classes=store.classes)
    with pytest.raises(UserError, match="holds no scores of single clips") as caught:
        evaluate("sports1m", plain, annotations=lists)
    assert "--per-clip" in caught.value.hint
    whole = evaluate("sports1m", store, annotations=lists)
    found = evaluate("sports1m", plain, annotations=lists, measure="video")
    assert found.metrics == {name: whole.metrics[name] for name in ("video_hit1", "video_hit5")}


def test_missing_videos_of_both_countings(tmp_path, sports):
    store, _, labels, _ = sports
    lists = write_sports(tmp_path / "more", labels | {youtube(99): (0,), youtube(98): (1,)})
    with pytest.raises(UserError, match="2 of 42 videos"):
        evaluate("sports1m", store, annotations=lists)
    whole = evaluate("sports1m", store, annotations=lists, allow_missing="excluded").metrics
    wrong = evaluate("sports1m", store, annotations=lists, allow_missing="wrong").metrics
    assert wrong["video_hit1"].value == pytest.approx(whole["video_hit1"].value * 40 / 42)
    # Every number of clips is as frequent; the smallest stands for a missing video.
    assert (wrong["clip_hit1"].n, whole["clip_hit1"].n) == (102, 100)
    assert wrong["clip_hit1"].value == pytest.approx(whole["clip_hit1"].value * 100 / 102)


def test_ranks_of_the_best_label():
    scores = np.array([[0.1, 0.5, 0.4], [0.3, 0.3, 0.4], [0.2, 0.2, 0.2], [0.5, 0.1, 0.4]])
    labels = np.array([[0, 1, 0], [0, 1, 0], [0, 0, 1], [0, 1, 1]], bool)
    assert label_ranks(scores, labels).tolist() == [0, 2, 2, 1]
    never = label_ranks([[0.5, -np.inf], [-np.inf, 0.1]], np.array([[0, 1], [0, 1]], bool))
    assert never.tolist() == [np.iinfo(np.intp).max, 0]
    with pytest.raises(UserError, match="at least one class"):
        label_ranks(scores, np.zeros((4, 3), bool))


def test_ranks_against_scikit_learn(monkeypatch):
    monkeypatch.setattr("p3d_eval.protocols.metrics._RANKED_AT_ONCE", 7)
    generator = np.random.default_rng(0)
    scores, y = generator.random((300, 7)), generator.integers(7, size=300)
    ranks = label_ranks(scores, np.eye(7, dtype=bool)[y])
    for k in (1, 2, 5):
        assert (ranks < k).mean() == pytest.approx(top_k_accuracy_score(y, scores, k=k))


def kinetics_csv(rows, part="val"):
    lines = [f'"{label}",{video},{start},{start + 10},{part},0' for label, video, start in rows]
    return "\n".join(["label,youtube_id,time_start,time_end,split,is_cc", *lines]) + "\n"


@pytest.fixture(scope="module")
def kinetics(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kinetics")
    generator = np.random.default_rng(5)
    classes = ("air drumming", "arm wrestling", "passing American football (in game)")
    rows = [(classes[n % 3], youtube(n), n) for n in range(60)]
    (folder / "val.csv").write_text(kinetics_csv(rows))
    (folder / "train.csv").write_text(kinetics_csv([(c, "t" + v[1:], s) for c, v, s in rows], "train"))
    ids = [f"{label}/{video}_{start:06d}_{start + 10:06d}" for label, video, start in rows]
    ids += [f"train/t{video[1:]}" for _, video, _ in rows]
    y = np.tile(np.arange(3), 40)
    X = np.abs(generator.normal(size=(3, 16))[y] + 1.5 * generator.normal(size=(120, 16)))
    prob = generator.random((120, 4)) + 0.4 * np.eye(4)[y]
    names = ("Air_Drumming", "arm wrestling", "passing american football in game", "yoga")
    path = write_store(folder / "k.h5", ids, {"prob": prob, "pool5": X}, classes=names)
    return open_features(path), folder, X, y, prob


def test_kinetics_scores_with_a_class_more(kinetics):
    store, folder, _, y, prob = kinetics
    result = evaluate("kinetics400", store, annotations=folder / "val.csv", measure="video")
    expected = top_k_accuracy_score(y[:60], prob[:60], k=1, labels=range(4))
    assert result.metrics["video_top1"].value == pytest.approx(expected)
    assert result.metrics["video_top5"].value == 1
    assert any("1 class more" in choice for choice in result.choices)
    assert result.scores.classes.tolist()[3:] == ["yoga"]
    assert result.coverage.expected == 60


def test_linear_probe(kinetics):
    store, folder, X, y, _ = kinetics
    with pytest.raises(UserError, match="classifier: 'knn' has no effect: the layer 'prob'"):
        evaluate("kinetics400", store, annotations=folder, measure="video", classifier="knn")
    with pytest.raises(UserError, match="needs the training list"):
        evaluate("kinetics400", store, annotations=folder / "val.csv", layer="pool5")
    result = evaluate("kinetics400", store, annotations=folder, layer="pool5")
    X = normalize(X)
    model = LinearSVC(dual=True, tol=1e-9, max_iter=10**6).fit(X[60:], y[60:])
    assert result.metrics["video_top1"].value == pytest.approx(model.score(X[:60], y[:60]))
    assert 0.4 < result.metrics["video_top1"].value < 1
    assert result.splits[0].n_train == 60
    assert result.converged


def write_ssv2(folder, templates, videos):
    plain = [template.replace("[", "").replace("]", "") for template in templates]
    (folder / "labels.json").write_text(json.dumps({name: str(n) for n, name in enumerate(plain)}))
    entries = [{"id": video, "label": "x", "template": templates[label]} for video, label in videos.items()]
    (folder / "validation.json").write_text(json.dumps(entries))
    return plain


def test_ssv2(tmp_path):
    templates = ("Putting [something] onto [something]", "Closing [something]", "Tearing [something] into two")
    videos = {str(100 + n): n % 3 for n in range(30)}
    plain = write_ssv2(tmp_path, templates, videos)
    generator = np.random.default_rng(2)
    clips = {
        f"ssv2/{video}": generator.random((2, 3)) + 0.3 * np.eye(3)[label] for video, label in videos.items()
    }
    store = clip_store(tmp_path / "s.h5", clips, plain)
    result = evaluate("ssv2", store, annotations=tmp_path)
    scores, y = np.concatenate(list(clips.values())), np.repeat(list(videos.values()), 2)
    assert result.metrics["clip_top1"].value == pytest.approx(top_k_accuracy_score(y, scores, k=1))
    assert (
        result.metrics["clip_top1"].low < result.metrics["clip_top1"].value < result.metrics["clip_top1"].high
    )
    assert set(result.metrics) == {"clip_top1", "clip_top5", "video_top1", "video_top5"}


def test_columns_are_matched_by_name():
    assert match_columns(["b", "a"], ["a", "x", "b"], "f").tolist() == [2, 0]
    assert match_columns(["Using_[something]"], ["using something"], "f").tolist() == [0]
    assert match_columns(["a b", "A-B"], ["a b", "A-B"], "f").tolist() == [0, 1], "exact names win"
    assert spelling("Rock’n’roll (live)") == "rock n roll live"


@pytest.mark.parametrize(
    ("classes", "columns", "message"),
    [
        (["a"], [], "does not say which class"),
        (["archery", "golff"], ["archery", "golf"], "has no class 'golff'"),
        (["a b"], ["A b", "a-b"], "may be 'A b' and 'a-b'"),
        (["a"], ["a", "b", "a"], "may be 'a' and 'a' of the network"),
        (["a b", "a-b"], ["A B"], "'a b' and 'a-b' are both 'A B'"),
    ],
)
def test_columns_that_do_not_fit(classes, columns, message):
    with pytest.raises(UserError, match=message):
        match_columns(classes, columns, "f.h5")


def test_two_networks_are_compared_by_the_metric_of_the_protocol(sports, tmp_path):
    """Not by mean average precision, although some videos have two labels; values are the results' own."""
    store, lists, labels, clips = sports
    noise = np.random.default_rng(8)
    worse = {video: np.round(noise.random(values.shape), 1) for video, values in clips.items()}  # with ties
    results = [
        evaluate("sports1m", one, annotations=lists)
        for one in (store, clip_store(tmp_path / "w.h5", worse, store.classes))
    ]
    for metric in (None, "video_hit1", "video_hit5"):
        report = compare(results, metric=metric)
        name = metric or "video_hit1"
        assert report.metric == name
        (found,) = report.comparisons
        assert found.first_value == pytest.approx(results[0].metrics[name].value)
        assert found.second_value == pytest.approx(results[1].metrics[name].value)
    assert len(labels) == report.trials
