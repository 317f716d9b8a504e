"""Maps: which videos, which numbers, which pictures; the same every time."""

import base64
import dataclasses
import io

import numpy as np
import pytest
from PIL import Image
from sklearn.manifold import trustworthiness
from sklearn.metrics import silhouette_score

from p3d_eval.errors import UnknownNameError, UserError
from p3d_eval.features import open_features, write_store
from p3d_eval.protocols.classifiers.neighbours import CosineNeighbours
from p3d_eval.reports.figures import embedding, tsne
from p3d_eval.reports.figures.data import Series
from p3d_eval.reports.figures.draw_maps import told
from p3d_eval.reports.figures.embedding import ITERATIONS, embed
from p3d_eval.reports.figures.mapped_videos import choose_videos
from p3d_eval.reports.figures.picture import Figure
from p3d_eval.reports.figures.thumbnails import SIDE, make_thumbnails, read_thumbnail, spread
from p3d_eval.reports.figures.tsne import MapOptions, tsne_figure
from tests.support.videos import make_video, read_number

CLASSES = ("archery", "biking", "diving")


def features(n=36, width=6, spread_=0.5, seed=0):
    generator = np.random.default_rng(seed)
    labels = np.arange(n) % len(CLASSES)
    return 3 * np.eye(len(CLASSES), width)[labels] + spread_ * generator.normal(size=(n, width)), labels


def video_ids(n=36):
    return [f"{CLASSES[row % 3]}/v_{CLASSES[row % 3]}_g{row // 6 + 1:02}_c{row:02}" for row in range(n)]


@pytest.fixture
def make_store(tmp_path):
    def make(name="net", ids=None, **changes):
        ids = video_ids() if ids is None else ids
        X, _ = features(len(ids), **changes)
        path = write_store(tmp_path / f"{name}.h5", ids, {"pool5": X.astype(np.float32)}, backbone=name)
        return open_features(path)

    return make


def test_neighbours_stay_neighbours_and_two_runs_agree():
    X, labels = features(60, width=70, spread_=0.3)
    told = []
    found = embed(X, perplexity=8, seed=3, advance=told.append)
    assert found.components == 50
    assert sum(told) == sum(ITERATIONS)
    assert silhouette_score(found.points, labels) > 0.6
    np.testing.assert_array_equal(found.points, embed(X, perplexity=8, seed=3).points)
    assert np.abs(found.points - embed(X, perplexity=8, seed=4).points).max() > 1e-3
    assert found.divergence > 0


def test_threads_change_nothing(monkeypatch):
    """openTSNE's threads add up the divergence in any order, which shows in the last digits."""
    monkeypatch.setattr(embedding, "ITERATIONS", (5, 10))
    monkeypatch.setattr(embedding, "_MANY", 100)
    X = np.random.default_rng(0).normal(size=(600, 8))
    found = [embed(X) for _ in range(6)]
    assert len({map_.divergence for map_ in found}) == 1
    assert len({map_.points.tobytes() for map_ in found}) == 1


def test_a_curve_is_unrolled():
    """Trustworthiness (Venna and Kaski, 2001): who is near in the map is near in space."""
    t = np.linspace(0, 4, 80)
    X = np.column_stack([np.cos(t), np.sin(t), t])
    found = embed(X, perplexity=5)
    assert found.components is None
    assert trustworthiness(X, found.points, n_neighbors=5) > 0.95


def test_few_samples_lower_the_perplexity():
    X, _ = features(10)
    assert embed(X).perplexity == 3


@pytest.mark.parametrize(
    ("X", "options", "message"),
    [
        (np.eye(3), {}, "t-SNE of 3 videos"),
        (np.ones((9, 4)), {}, "9 videos of 4 values span no plane"),
        (np.arange(9.0)[:, None], {}, "9 videos of 1 value span no plane"),
        (np.eye(9), {"perplexity": 0.5}, "perplexity: 0.5 is not a number of at least 1"),
        (np.eye(9), {"perplexity": float("nan")}, "perplexity: nan"),
        (np.eye(9), {"components": 1}, "pca: 1 dimensions"),
    ],
)
def test_what_cannot_be_mapped_is_said(X, options, message):
    with pytest.raises(UserError, match=message):
        embed(X, **options)


def test_random_weights_are_told_by_the_panels_not_by_files(make_store):
    store = make_store("demo-net-a98f550380")
    store.provenance["weights"]["random"] = True
    figure = tsne_figure([store])
    assert figure.series[0].name.endswith("(random weights)")
    assert "Random weights say nothing about a trained network." in figure.notes
    assert not any("a98f550380.h5" in note for note in figure.notes)


def test_the_draw_depends_on_seed_and_names_alone(make_store):
    ids = video_ids()
    one, other = make_store("a"), make_store("b", list(reversed(ids)))
    drawn = choose_videos([one], 10, seed=1).task.names
    assert drawn == choose_videos([other], 10, seed=1).task.names
    assert drawn == tuple(sorted(drawn))
    assert drawn != choose_videos([one], 10, seed=2).task.names
    assert len(choose_videos([one], 10_000, seed=0).task.names) == 36


def test_only_videos_of_all_files_are_drawn_and_groups_come_from_names(make_store):
    chosen = choose_videos([make_store("a"), make_store("b", video_ids(18))], 100, seed=0)
    assert (chosen.common, chosen.known) == (18, 36)
    assert chosen.task.classes == CLASSES
    assert chosen.task.groups[0] == "archery/g1"


def test_a_table_gives_classes(make_store):
    store = make_store("a", [f"video{row}" for row in range(8)])
    with pytest.raises(UserError, match="'video0' is in no folder") as caught:
        choose_videos([store], 5, seed=0)
    assert caught.value.hint == "Give classes with --table labels.csv (id,label)"
    rows = "".join(f"video{row},{'ab'[row % 2]}\n" for row in range(9))
    chosen = choose_videos([store], 100, 0, ("t.csv", f"id,label\n{rows}".encode()))
    assert chosen.task.classes == ("a", "b")
    assert (chosen.common, chosen.known) == (8, 9)
    with pytest.raises(UserError, match="have no video of the table"):
        choose_videos([store], 100, 0, ("t.csv", b"id,label\nother,a\n"))


def test_two_networks_stand_side_by_side_with_their_numbers(make_store):
    clear, blurred = make_store("clear", spread_=0.2), make_store("blurred", spread_=3)
    figure = tsne_figure([clear, blurred], MapOptions(neighbours=4))
    one, two = figure.series
    assert (one.name, two.name) == ("clear", "blurred")
    assert one.ids == two.ids == tuple(sorted(video_ids()))
    assert one.classes[0] == "archery"
    assert figure.sources == {"clear": clear.identity, "blurred": blurred.identity}
    for series, store in ((one, clear), (two, blurred)):
        X = np.asarray(store["pool5"].rows(series.ids), np.float64)
        wanted = silhouette_score(X, series.classes, metric="cosine")
        assert series.facts["silhouette"] == pytest.approx(wanted, abs=1e-7)
        groups = np.array([video.split("_g")[1][:2] + video.split("/")[0] for video in series.ids])
        votes = CosineNeighbours(4).fit(X, np.array(series.classes)).left_out_scores(groups)
        right = np.unique(series.classes)[votes.argmax(axis=1)] == series.classes
        assert series.facts["k-NN accuracy (%)"] == pytest.approx(100 * right.mean())
    assert one.facts["k-NN accuracy (%)"] > two.facts["k-NN accuracy (%)"]
    assert figure.notes[0] == "All 36 videos; L2-normalised, openTSNE, perplexity 11.7."
    assert "among videos of other groups" in figure.notes[1]


def test_classes_of_few_videos_are_not_outvoted(tmp_path):
    """Twelve classes of 3 videos: of 20 neighbours 18 are of other classes, whatever the features."""
    names = [f"C{n // 3:02}/{n:02}" for n in range(36)]
    X = np.ones((36, 12)) + 0.01 * np.repeat(np.eye(12), 3, axis=0)  # cosines near 1: votes of one weight
    store = open_features(write_store(tmp_path / "near.h5", names, {"pool5": X.astype(np.float32)}))
    (panel,) = tsne_figure([store]).series
    assert (panel.facts["k"], panel.facts["k-NN accuracy (%)"]) == (2, 100)


def test_layers_of_one_file_are_told_apart(make_store, tmp_path):
    X, _ = features()
    path = write_store(tmp_path / "two.h5", video_ids(), {"pool5": X, "prob": X + 1}, backbone="net")
    store = open_features(path)
    figure = tsne_figure([store, store], MapOptions(("pool5", "prob"), videos=12))
    assert [one.name for one in figure.series] == ["net, pool5", "net, prob"]
    assert figure.notes[0].startswith("12 of 36 videos, drawn with seed 0")
    with pytest.raises(UserError, match="are given twice"):
        tsne_figure([store, store])
    with pytest.raises(UserError, match="3 layers for 2 files"):
        tsne_figure([store, store], MapOptions(("a", "b", "c")))
    with pytest.raises(UnknownNameError, match="'pool6'"):
        tsne_figure([store], MapOptions(("pool6",)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"normalise": "zscore"}, "unknown value of normalise 'zscore'"),
        ({"neighbours": 0}, "neighbours: 0"),
        ({"thumbnails": -1}, "thumbnails: -1"),
        ({"components": 1}, "pca: 1"),
        ({"perplexity": 0.0}, "perplexity: 0.0"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        MapOptions(**options)


def test_pictures_are_spread_over_the_map():
    points = np.array([[0, 0], [0.1, 0], [10, 0], [0, 10], [10.1, 0]], float)
    assert spread(points, 3) == [1, 3, 4]
    assert len(spread(points, 99)) == 5
    assert spread(points[:0], 3) == []


@pytest.mark.parametrize(
    ("value", "said"), [(-0.004, "0.00"), (-0.0, "0.00"), (-0.006, "−0.01"), (0.123, "0.12")]
)
def test_a_silhouette_is_never_minus_zero(value, said):
    panel = Series("net", (0.0,), (0.0,), facts={"k": 20.0, "k-NN accuracy (%)": 71.3, "silhouette": value})
    assert told(panel) == f"20-NN 71.3 %, silhouette {said}"


def test_thumbnails_are_middle_frames_and_broken_videos_are_told(make_store, tmp_path):
    ids = video_ids()
    videos = tmp_path / "videos"
    for place, video in enumerate(ids[:-1]):
        path = videos / f"{video}.avi"
        path.parent.mkdir(parents=True, exist_ok=True)
        make_video(path, 3) if place else path.write_bytes(b"broken")
    figure = tsne_figure([make_store()], MapOptions(thumbnails=99), videos=videos)
    assert set(figure.thumbnails) == set(ids[1:-1])
    assert figure.notes[-1].startswith("No picture of 2 videos: ")
    assert max(read_thumbnail(next(iter(figure.thumbnails.values()))).shape) <= SIDE
    few = dataclasses.replace(figure, thumbnails=dict(list(figure.thumbnails.items())[:4]))
    plain = dataclasses.replace(figure, thumbnails={})
    assert Figure(few)._repr_png_() != Figure(plain)._repr_png_()
    with pytest.raises(UserError, match="99 thumbnails of videos that are nowhere"):
        tsne_figure([make_store("b")], MapOptions(thumbnails=99))


def test_videos_for_pictures_are_looked_for_before_the_map_is_made(make_store, tmp_path, monkeypatch):
    monkeypatch.setattr(tsne, "embed", None)
    with pytest.raises(UserError, match="nowhere: no such folder"):
        tsne_figure([make_store()], MapOptions(thumbnails=3), videos=tmp_path / "nowhere")


def test_a_thumbnail_is_the_middle_frame(tmp_path):
    make_video(tmp_path / "a.avi", 5)
    pictures, problems = make_thumbnails(tmp_path, ["a", "b"])
    assert read_number(read_thumbnail(pictures["a"])) == 2  # the middle of 0 … 4
    assert problems == [f"b: no such video in {tmp_path}"]


@pytest.mark.parametrize("address", ["", "data:image/jpeg;base64,AAAA", "data:image/jpeg;base64,!", "x"])
def test_what_is_no_thumbnail_is_refused(address):
    with pytest.raises(UserError, match="a thumbnail cannot be read"):
        read_thumbnail(address)


def test_a_large_thumbnail_is_refused():
    content = io.BytesIO()
    Image.new("RGB", (SIDE + 1, 10)).save(content, "JPEG")
    with pytest.raises(UserError, match="a thumbnail of"):
        read_thumbnail(f"data:image/jpeg;base64,{base64.b64encode(content.getvalue()).decode()}")
