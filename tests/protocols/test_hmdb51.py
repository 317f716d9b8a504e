"""HMDB51 against scikit-learn, and the new classification protocols as a user types them."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.preprocessing import normalize
from sklearn.svm import LinearSVC
from typer.testing import CliRunner

from p3d_eval.cli import app
from p3d_eval.errors import UserError
from p3d_eval.features import open_features, write_store
from p3d_eval.protocols.annotations import hmdb51
from p3d_eval.protocols.evaluation import evaluate
from p3d_eval.protocols.result import Result
from p3d_eval.reports import Report
from tests.support import annotation_files as made


@pytest.fixture(scope="module")
def hmdb(tmp_path_factory):
    """Three classes of 30 clips from six films each; per split 15 train, 9 test, 6 are not used."""
    folder = tmp_path_factory.mktemp("hmdb")
    generator = np.random.default_rng(0)
    clips, y = {}, []
    for label, action in enumerate(("brush_hair", "cartwheel", "wave")):
        for n in range(30):
            stem = f"Film_{n // 5}_{action}_f_cm_np1_fr_med_{n % 5}"
            clips[f"{action}/{stem}"] = (action, stem, n)
            y.append(label)
    for split in (1, 2, 3):
        for action in ("brush_hair", "cartwheel", "wave"):
            rows = [
                (stem, "1112201122"[(n + 3 * split) % 10]) for own, stem, n in clips.values() if own == action
            ]
            text = "".join(f"{stem}.avi {use} \n" for stem, use in rows)
            (folder / f"{action}_test_split{split}.txt").write_text(text)
    y = np.array(y)
    X = np.abs(generator.normal(size=(3, 12))[y] + 0.8 * generator.normal(size=(90, 12)))
    store = open_features(write_store(folder / "h.h5", [f"hmdb51_org/{name}" for name in clips], {"pool5": X}))
    return store, folder, normalize(X), y


def test_against_scikit_learn(hmdb):
    store, folder, X, y = hmdb
    result = evaluate("hmdb51", store, splits=folder)
    expected = []
    for split in (1, 2, 3):
        use = np.array(["1112201122"[(n % 30 + 3 * split) % 10] for n in range(90)])
        model = LinearSVC(dual=True, tol=1e-9, max_iter=10**6).fit(X[use == "1"], y[use == "1"])
        expected.append(model.score(X[use == "2"], y[use == "2"]))
        found = result.splits[split - 1]
        assert found.metrics["accuracy"].value == pytest.approx(expected[-1])
        assert (found.n_train, found.n_test) == ((use == "1").sum(), (use == "2").sum())
    assert 0.4 < min(expected) < max(expected) < 1
    assert result.metrics["accuracy"].value == pytest.approx(np.mean(expected))
    assert "(class, source) clusters" in result.metrics["accuracy"].method
    assert result.coverage.expected == 90
    assert not result.annotations["official"]
    alone = evaluate("hmdb51", store, splits=folder, split=2)
    assert [split.name for split in alone.splits] == ["2"]
    assert alone.metrics["accuracy"].value == pytest.approx(expected[1])


def test_names_that_differ_in_case_are_offered(hmdb, tmp_path):
    store, folder, X, _ = hmdb
    wrong = [video.replace("Film", "film") if "wave" in video else video for video in store.ids]
    path = write_store(tmp_path / "case.h5", wrong, {"pool5": X})
    with pytest.raises(UserError, match="30 of 90 videos") as caught:
        evaluate("hmdb51", path, splits=folder)
    assert "30 differ from a stored id in case or extension only ('wave/Film_0_wave_f_" in caught.value.hint
    assert "'hmdb51_org/wave/film_0_wave_f" in caught.value.hint


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("P3D_EVAL_DATA", str(tmp_path / "user"))
    monkeypatch.setenv("COLUMNS", "100")
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_embedded_lists_are_found(run, hmdb, tmp_path):
    store, folder, *_ = hmdb
    (tmp_path / "h.h5").write_bytes(store.path.read_bytes())
    missing = run("hmdb51", "--features", "h.h5")
    assert missing.exit_code == 2
    assert "serre-lab" in missing.output
    embedded = run("annotate", "h.h5", "hmdb51", folder)
    assert embedded.exit_code == 0, embedded.output
    shown = run("hmdb51", "--features", "h.h5")
    assert shown.exit_code == 0, shown.output
    assert "embedded in h.h5" in shown.output
    assert hmdb51.parse(open_features("h.h5").annotations("hmdb51")).classes == (
        "brush_hair",
        "cartwheel",
        "wave",
    )


def test_activitynet_without_features(run, tmp_path):
    """Somebody else's file of predictions is judged, and its result stands in a report."""
    Path("activity_net.json").write_text(json.dumps(made.activitynet_document()))
    scores = {"c": [{"label": "Ballet", "score": 0.5}], "d": [{"label": "Ballet", "score": 1}]}
    Path("theirs.json").write_text(json.dumps({"version": "1", "results": scores, "external_data": {}}))
    shown = run("activitynet", "--predictions", "theirs.json", "--json")  # the JSON lies beside it
    assert shown.exit_code == 0, shown.output
    found = json.loads(shown.output)
    # Of c's two labels one is met, of d's none; Ballet: d's false score is the highest, then c's true one.
    assert found["metrics"]["top1"]["value"] == 0.5
    assert found["metrics"]["avg_top1"]["value"] == 0.25
    assert found["per_class"]["Ballet"]["value"] == 0.5
    assert found["per_class"]["Archery"]["value"] == 0
    result = Result.load(Path("results/activitynet-theirs.json"))
    assert result.label == "theirs"
    assert "theirs" in Report.of([result], True).to_markdown()
    again = run("activitynet", "--predictions", "theirs.json", "--overwrite")
    assert "top3: 50.00 [" in again.output
    nothing = run("activitynet", "--annotations", "activity_net.json")
    assert nothing.exit_code == 2
    assert "--predictions" in nothing.output
    both = run("activitynet", "--predictions", "theirs.json", "--write-predictions", "x.json", "--overwrite")
    assert both.exit_code == 2


def test_imported_scores_with_their_classes(run, tmp_path):
    """Scores of another program, class names beside them, Kinetics' CSV: the commands of docs."""
    for name, content in made.kinetics_files().items():
        Path(name).write_bytes(content)
    np.save("prob.npy", np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]], np.float32))
    Path("ids.txt").write_text(
        "0wR5jVB-WPk_000417_000427\n3caPS4FHFF8_000036_000046\n3caPS4FHFF8_000050_000060\n"
    )
    Path("classes.txt").write_text("Air_drumming\nabseiling\n")
    base = ("import", "prob.npy", "--ids", "ids.txt", "--name", "other", "--layer", "prob", "--out", "p.h5")
    assert run(*base, "--classes", "classes.txt").exit_code == 0
    shown = run("kinetics400", "--features", "p.h5", "--annotations", "val.csv", "--measure", "video", "--json")
    assert shown.exit_code == 0, shown.output
    found = json.loads(shown.output)
    assert found["metrics"]["video_top1"]["value"] == pytest.approx(2 / 3)
    refused = run("kinetics400", "--features", "p.h5", "--annotations", "val.csv", "--overwrite")
    assert refused.exit_code == 2
    assert "--per-clip" in refused.output
    for text, message in (
        ("a\n", "1 class names for 2 values"),
        ("a\na\n", "stands in line 1 already"),
        ("", "0 "),
    ):
        Path("bad.txt").write_text(text)
        wrong = run(*base, "--classes", "bad.txt", "--overwrite")
        assert wrong.exit_code == 2
        assert message in wrong.output
    features = run(
        *[word if word != "prob" else "pool5" for word in base], "--classes", "classes.txt", "--overwrite"
    )
    assert "class names go with a layer 'prob'" in features.output
