"""Results: what their id depends on, what loading refuses, and which ones are called official."""

import json
from dataclasses import replace
from types import MappingProxyType

import pytest

from p3d_eval.errors import UserError
from p3d_eval.protocols.annotations import aslan, ucf101
from p3d_eval.protocols.description import describe_annotations
from p3d_eval.protocols.evaluation import evaluate
from p3d_eval.protocols.protocol import AnnotationFiles
from p3d_eval.protocols.result import Result
from tests.support import protocol_data as data


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return data.ucf_store(tmp_path_factory.mktemp("ucf"))


@pytest.fixture(scope="module")
def saved(store, tmp_path_factory):
    out = tmp_path_factory.mktemp("saved") / "ucf.json"
    return evaluate("ucf101", store, out=out, classifier="ncm"), out


def test_id_depends_on_what_changes_numbers(saved):
    result, _ = saved
    others = (
        replace(result, annotations={**result.annotations, "sha256": "0" * 64}),
        replace(result, version=result.version + "1"),
        replace(result, protocol="aslan"),
        replace(result, options={**result.options, "C": 2.0}),
        replace(result, features={**result.features, "identity": "0" * 64}),
    )
    assert len({one.result_id for one in (result, *others)}) == 1 + len(others)
    same = replace(result, label="mine", created="now", annotations={**result.annotations, "source": "x"})
    assert same.result_id == result.result_id


def test_hash_of_several_files_depends_on_every_one():
    files = data.ucf_lists(data.ucf_ids())

    def digest(contents):
        return describe_annotations("ucf101", AnnotationFiles(contents, "here"), False)["sha256"]

    changed = {digest(files | {name: text + b"\r\n"}) for name, text in files.items()}
    renamed = dict(zip(reversed(files), files.values(), strict=True))
    assert len(changed | {digest(files), digest(renamed)}) == len(files) + 2
    assert digest(dict(files)) == digest(files)


WRONG = {
    "label": (7, "label is 7, not a text"),
    "metrics.accuracy.value": ("x", "metrics.accuracy.value is 'x', not a number"),
    "metrics.accuracy.low": (float("nan"), "metrics.accuracy.low is nan"),
    "metrics.accuracy.n": (2.5, "metrics.accuracy.n is 2.5, not a whole number"),
    "metrics.accuracy.level": (95.0, "a confidence level of 95.0"),
    "metrics.accuracy.colour": ("red", "it has an unknown metrics.accuracy.colour"),
    "metrics": ([], "metrics is [], not an object"),
    "coverage.missing": ("v1", "coverage.missing is 'v1', not a list"),
    "coverage.expected": (True, "coverage.expected is True, not a whole number"),
    "choices": ([3], "choices[0] is 3, not a text"),
    "splits": ([{"name": "1", "metrics": {}}], "it has no splits[0].n_train"),
    "seconds.features": (None, "seconds.features is None, not a number"),
}


@pytest.mark.parametrize("place", WRONG)
def test_a_value_of_a_wrong_type_is_named(saved, tmp_path, place):
    value, message = WRONG[place]
    document = json.loads(saved[1].read_text(encoding="utf-8"))
    *above, last = place.split(".")
    inner = document
    for name in above:
        inner = inner[name]
    inner[last] = value
    path = tmp_path / "wrong.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(UserError) as caught:
        Result.load(path)
    assert caught.value.message == f"{path}: not a complete result of p3d-eval ({message})"


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_another_schema_version_is_refused(saved, tmp_path, version):
    _, out = saved
    document = json.loads(out.read_text(encoding="utf-8"))
    assert document["schema_version"] == 1
    (tmp_path / "other.json").write_text(json.dumps(document | {"schema_version": version}), encoding="utf-8")
    with pytest.raises(UserError, match=f"other.json: schema version {version!r}, not 1"):
        Result.load(tmp_path / "other.json")


def test_scores_of_another_run_are_refused(saved, tmp_path):
    result, out = saved
    for name in ("ucf.json", "ucf.scores.npz"):
        (tmp_path / name).write_bytes((out.parent / name).read_bytes())
    copied = tmp_path / "ucf.json"
    assert Result.load(copied).load_scores(copied).labels.tolist() == result.scores.labels.tolist()
    changed = replace(result.scores, scores=result.scores.scores + 1)
    changed.save(tmp_path / "ucf.scores.npz", overwrite=True)  # a sound archive, of other numbers
    with pytest.raises(UserError, match=r"ucf.scores.npz: not the scores that ucf.json was made with"):
        Result.load(copied).load_scores(copied)
    (tmp_path / "ucf.scores.npz").unlink()
    with pytest.raises(UserError, match="are not there"):
        Result.load(copied).load_scores(copied)


@pytest.fixture
def published(monkeypatch):
    """The small data set's splits stand for the published ones."""
    splits = ucf101.from_ids(data.ucf_ids()).splits
    hashes = {split.number: ucf101.split_hash(split) for split in splits}
    monkeypatch.setattr(ucf101, "OFFICIAL_HASHES", MappingProxyType(hashes))


@pytest.mark.usefixtures("published")
def test_ucf101_is_official_only_when_whole(store, tmp_path):
    def official(features, **options):
        return evaluate("ucf101", features, classifier="ncm", **options).annotations["official"]

    assert official(store) is True
    assert official(store, split=1) is False
    ids = data.ucf_ids()
    partial = data.ucf_store(tmp_path, ids[1:], failed={ids[0]: "broken"})
    for how in ("wrong", "excluded"):
        assert official(partial, allow_missing=how) is False
    for name, text in data.ucf_lists(ids).items():
        (tmp_path / name).write_bytes(text)
    assert official(store, splits=tmp_path) is True
    assert official(partial, splits=tmp_path, allow_missing="wrong") is False


def test_aslan_is_official_only_when_whole(tmp_path, monkeypatch):
    """A small list meets the published counts, made as small."""
    table = data.pair_table(folds=3)
    for name, count in (("FOLDS", 3), ("PAIRS", 24), ("SAME_PAIRS", 12)):
        monkeypatch.setattr(aslan, name, count)
    (tmp_path / "View2.mat").write_bytes(data.mat_bytes(table))
    whole = evaluate("aslan", data.aslan_store(tmp_path, table), classifier="ncm")
    assert whole.annotations["deviations"] == []
    assert whole.annotations["official"] is True
    names = [name for name in data.pair_layers(table)[0] if not name.endswith("0001")]
    (tmp_path / "partial").mkdir()
    (tmp_path / "partial" / "View2.mat").write_bytes(data.mat_bytes(table))
    store = data.aslan_store(tmp_path / "partial", table, ids=set(names))
    for how in ("wrong", "excluded"):
        partial = evaluate("aslan", store, classifier="ncm", allow_missing=how)
        assert partial.coverage.missing == ("1",)
        assert partial.annotations["official"] is False
        assert partial.annotations["deviations"] == []
