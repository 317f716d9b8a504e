"""A study file's cells, and every mistake in one as one line that names it."""

import pytest

from p3d_eval.errors import UserError
from p3d_eval.study.grid import build_study
from p3d_eval.study.planning import plan_study
from p3d_eval.study.reading import read_study
from tests.support import protocol_data as data
from tests.support.tiny_study import DOCUMENT, NETWORK, make_study


def study_of(path):
    return build_study(read_study(path), path.name, path.parent, path.stem)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grid")
    make_study(folder)
    return folder


@pytest.fixture
def written(folder):
    """Write a study file beside the videos; return its path."""

    def write(text, name="other.toml"):
        path = folder / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_cells_are_the_product_of_rows_data_sets_protocols_and_lists(folder):
    study = study_of(folder / "study.toml")
    assert [cell.name for cell in study.extractions] == ["extract one on tiny", "extract two on tiny"]
    assert [cell.name for cell in study.evaluations] == [
        "ucf101 C=1 on one, tiny",
        "ucf101 C=10 on one, tiny",
        "ucf101 C=1 on two, tiny",
        "ucf101 C=10 on two, tiny",
        "retrieval on one, tiny",
        "retrieval on two, tiny",
    ]
    assert study.folder == folder / "study"


def test_extraction_options_of_a_row_come_before_a_data_sets_and_these_before_the_files(written):
    text = DOCUMENT.replace('videos = "videos"', 'videos = "videos"\nclips = 3\nprecision = "fp32"')
    study = study_of(written(text.replace("seed = 1", "seed = 1\nclips = 4")))
    one, two = study.extractions
    assert (one.extract.clips, one.extract.precision, one.extract.seed) == (3, "fp32", 0)
    assert (two.extract.clips, two.extract.precision, two.extract.seed) == (4, "fp32", 1)


def test_keys_may_have_dashes_as_on_the_command_line(written):
    text = DOCUMENT.replace("clips = 2", "clips = 2\nclip-length = 6").replace(
        "figures =", "tsne-videos = 9\nfigures ="
    )
    text = text.replace("seed = 1", "seed = 1\nframe-stride = 3").replace(
        "C = [1, 10]", 'allow-missing = "wrong"'
    )
    study = study_of(written(text))
    assert [cell.extract.clip_length for cell in study.extractions] == [6, 6]
    assert study.extractions[1].extract.frame_stride == 3
    assert study.report.tsne_videos == 9
    assert study.evaluations[0].options["allow_missing"] == "wrong"


def test_rows_that_no_protocol_wants_are_not_extracted(written):
    study = study_of(written(DOCUMENT.replace('layer = "flat"', 'layer = "flat"\nbackbones = ["two"]')))
    assert [cell.row for cell in study.extractions] == ["two"]


def test_a_file_extends_another_key_by_key(written):
    written(DOCUMENT, "base.toml")
    over = 'extends = "base.toml"\nout = "elsewhere"\n[extract]\nclips = 5\n[backbones.two]\nseed = 7\n'
    study = study_of(written(over))
    one, two = study.extractions
    assert study.folder.name == "elsewhere"
    assert (one.extract.clips, one.extract.layers, two.extract.seed) == (5, "flat", 7)


def test_fused_rows_need_the_features_of_their_parts(written):
    text = DOCUMENT.replace("[datasets.tiny]", '[backbones.both]\nfuse = ["one", "two"]\n[datasets.tiny]')
    study = study_of(written(text))
    assert [cell.row for cell in study.extractions] == ["one", "two"]
    rows = [cell.row for cell in study.evaluations if cell.protocol == "ucf101"]
    assert rows == ["one", "one", "two", "two", "both", "both"]
    # retrieval takes one feature file
    assert [cell.row for cell in study.evaluations if cell.protocol == "retrieval"] == ["one", "two"]


FUSED = """
[protocols.knn]
protocol = "ucf101"
backbones = ["both"]
layer = "a,b,c"
[backbones.both]
fuse = ["one", "two"]
[datasets.tiny]"""

MISTAKES = {
    "a misspelt key": (("clips = 2", "clip = 2"), "unknown key of [extract] in other.toml: 'clip'", "clips"),
    "a key with a dash and with an underscore": (
        ("clips = 2", "clip-length = 4\nclip_length = 6"),
        "[extract] in other.toml: clip_length stands there twice",
        "Leave one of them out",
    ),
    "a misspelt key of a row": (
        ("seed = 1", 'weigths = "random"'),
        "unknown key of [backbones.two] in other.toml: 'weigths'",
        "Did you mean weights?",
    ),
    "a misspelt table": (("[report]", "[reports]"), "unknown key of other.toml: 'reports'", "report"),
    "a misspelt option of a protocol": (
        ("C = [1, 10]", "CC = 1"),
        "[protocols.ucf101] in other.toml: unknown option of ucf101 'CC'",
        "C",
    ),
    "a misspelt protocol": (
        ("[protocols.ucf101]", "[protocols.ucf11]"),
        "unknown protocol of [protocols.ucf11] in other.toml: 'ucf11'",
        "ucf101",
    ),
    "a row that is not there": (
        ("C = [1, 10]", 'backbones = ["ones"]'),
        "unknown name in [protocols.ucf101] in other.toml: backbones: 'ones'",
        "Did you mean one?",
    ),
    "a value of the wrong type": (("clips = 2", 'clips = "2"'), "clips = '2' is not a whole number", "clips"),
    "a value that a protocol refuses": (
        ("C = [1, 10]", 'normalise = "l3"'),
        "normalise: 'l3' is not one of",
        "",
    ),
    "an empty list": (("C = [1, 10]", "C = []"), "C = [] is empty", ""),
    "a value twice": (("C = [1, 10]", "C = [1, 1]"), "C=1 on one, tiny are the same", "Leave one of them out"),
    "the same network twice": (
        ("seed = 1", "seed = 0"),
        "[backbones.one] and [backbones.two] are the same network and options",
        "",
    ),
    "the same videos twice": (
        ('videos = "videos"', 'videos = "videos"\n[datasets.again]\nvideos = "videos"'),
        "[datasets.tiny] and [datasets.again] are the same videos",
        "Leave one of them out",
    ),
    "clips that cannot be": (
        ("clips = 2", "clips = -2"),
        "extract one on tiny: sampling: clips is -2",
        "1 at least",
    ),
    "an unknown sampling": (
        ("clips = 2", 'sampling = "unifrom"'),
        "other.toml: extract one on tiny: unknown sampling 'unifrom'",
        "uniform",
    ),
    "an unknown precision of one row": (
        ("seed = 1", 'precision = "fp64"'),
        "other.toml: extract two on tiny: unknown precision 'fp64'",
        "fp16",
    ),
    "an unknown type": (("clips = 2", 'dtype = "int8"'), "extract one on tiny: unknown stored type", "float32"),
    "a batch of nothing": (("clips = 2", "batch_size = 0"), "--batch-size 0: must be 1 at least", ""),
    "a map of less than nothing": (
        ("figures = false", "tsne_videos = -1"),
        "[report] in other.toml: tsne_videos = -1 is negative",
        "0 is none",
    ),
    "a measurement without repeats": (
        ("[report]", "[profile]\nrepeats = 0\n[report]"),
        "[profile] in other.toml: ",
        "",
    ),
    "outputs into a file": (
        ("[extract]", 'out = "study.toml"\n[extract]'),
        "other.toml: outputs would go into study.toml, which is a file",
        "out = ",
    ),
    "an option in the wrong case": (
        ("C = [1, 10]", "c = 1"),
        "unknown option of ucf101 'c'",
        "Did you mean C?",
    ),
    "no such videos": (('"videos"', '"vidoes"'), "videos = 'vidoes'", "relative to the study file"),
    "no such weights": (
        ("seed = 1", 'weights = "w.pt"'),
        "[backbones.two] in other.toml: weights = 'w.pt'",
        "relative to the study file",
    ),
    "no such network": (
        (':factory"\nseed = 1', ':fac"\nseed = 1\nbackbone = 1'),
        "other.toml: not TOML",
        "Mend that line",
    ),
    "an unknown network": (
        ("[backbones.two]", '[backbones.p3d200]\nweights = "random"\n[backbones.two]'),
        "unknown backbone of [backbones.p3d200] in other.toml: 'p3d200'",
        "p3d199",
    ),
    "a network without weights": (
        ("[backbones.two]", "[backbones.p3d63]\n[backbones.two]"),
        "p3d63 needs weights",
        "random",
    ),
    "no annotations": (
        ("[protocols.retrieval]\nlayer", "[protocols.aslan]\nlayers"),
        "no annotations",
        "Give annotations = { aslan = … } in [datasets.tiny]",
    ),
    "no such annotations": (
        ('videos = "videos"', 'videos = "videos"\nannotations = { ucf101 = "lists" }'),
        "annotations = 'lists'",
        "",
    ),
    "annotations of no protocol": (
        ('videos = "videos"', 'videos = "videos"\nannotations = { hmdb51 = "videos" }'),
        "unknown protocol in annotations of [datasets.tiny] in other.toml: 'hmdb51'",
        "",
    ),
    "fusing oneself": (
        ("[datasets.tiny]", '[backbones.both]\nfuse = ["one", "both"]\n[datasets.tiny]'),
        "a cycle: it fuses itself",
        "",
    ),
    "fusing in a circle": (
        (
            "[datasets.tiny]",
            '[backbones.a]\nfuse = ["one", "b"]\n[backbones.b]\nfuse = ["one", "a"]\n[datasets.tiny]',
        ),
        "[backbones.a] in other.toml: fuse: a cycle",
        "",
    ),
    "a fused row with a network": (
        ("[datasets.tiny]", '[backbones.both]\nfuse = ["one", "two"]\nclips = 3\n[datasets.tiny]'),
        "fuse does not go with clips",
        "",
    ),
    "no such features": (
        ("[datasets.tiny]", '[backbones.theirs]\nfeatures = { tiny = "theirs.h5" }\n[datasets.tiny]'),
        "theirs.h5 does not exist",
        "",
    ),
    "layers of a fused row that are neither one nor as many as its parts": (
        ("[datasets.tiny]", FUSED),
        "other.toml: knn on both, tiny: layer: 3 names in 'a,b,c' for 2 feature files",
        "one for each row",
    ),
    "no protocols": (("[protocols", "[[nothing]]\n[protocol"), "unknown key of other.toml:", ""),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_that_names_it(written, mistake, monkeypatch, tmp_path):
    monkeypatch.setenv("P3D_EVAL_DATA", str(tmp_path))
    (old, new), message, hint = MISTAKES[mistake]
    assert old in DOCUMENT
    with pytest.raises(UserError) as caught:
        plan_study(study_of(written(DOCUMENT.replace(old, new))))
    assert message in caught.value.message
    assert "\n" not in caught.value.message
    assert hint in (caught.value.hint or "")


def test_files_that_extend_each_other_are_a_cycle(written):
    written('extends = "b.toml"\n', "a.toml")
    written('extends = "c.toml"\n', "b.toml")
    path = written('extends = "a.toml"\n', "c.toml")
    with pytest.raises(UserError, match=r"a cycle of extends: c\.toml → a\.toml → b\.toml → c\.toml"):
        read_study(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"x = \ny = 1", r"not TOML: .*line 1"),
        (b"\xff\xfe", "not UTF-8"),
        (b"extends = 3", "extends = 3 is not text"),
        (b'extends = "absent.toml"', r"absent\.toml: no such study file"),
    ],
)
def test_a_file_that_is_no_study(tmp_path, content, message):
    path = tmp_path / "study.toml"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_study(path)


SCRIPT = f"{NETWORK}:factory"


@pytest.mark.parametrize(
    ("backbone", "extract", "protocol", "option", "problem", "hint"),
    [
        (
            *("i3d", 'layers = "pool5"', "aslan", ""),
            "aslan on row, tiny: no prob, mixed_5c, mixed_4f of its network's layers for ASLAN in its features",
            "It stores pool5",
        ),
        ("i3d", 'layers = "prob,pool5,mixed_5c,mixed_4f"', "aslan", "", None, ""),
        ("i3d", 'layers = "pool5"', "aslan", 'layers = "pool5"', None, ""),
        ("i3d", "", "ucf101", 'layer = "pol5"', "ucf101 on row, tiny: no pol5 in", "Did you mean pool5?"),
        ("i3d", "", "aslan", 'layers = "prob,pol5"', "aslan on row, tiny: no pol5 in", "Did you mean pool5?"),
        ("timm:resnet18", 'layers = "layer4:avg"', "retrieval", "", "no pool5 in", "It stores layer4:avg"),
        ("timm:resnet18", 'layers = "pool5=layer4:avg"', "retrieval", "", None, ""),
        ("hf:some/network", 'layers = "pool"', "kinetics400", "", "no prob in", "It stores pool"),
        (SCRIPT, 'layers = "flat"', "aslan", "", None, ""),  # what it has for ASLAN, the loaded network says
        (SCRIPT, "", "retrieval", "", None, ""),  # and what it stores by default
    ],
)
def test_layers_that_a_protocol_will_miss_are_told_before_the_extraction(
    folder, written, monkeypatch, backbone, extract, protocol, option, problem, hint
):
    monkeypatch.setenv("P3D_EVAL_DATA", str(folder))
    (folder / "View2.mat").write_bytes(data.mat_bytes(data.pair_table(folds=5)))
    annotations = 'annotations = { aslan = "View2.mat" }' if protocol == "aslan" else ""
    text = f"""
[extract]
{extract}
[backbones.row]
backbone = "{backbone}"
weights = "random"
[datasets.tiny]
videos = "videos"
{annotations}
[protocols.{protocol}]
{option}
"""
    study = study_of(written(text))
    if problem is None:
        assert len(plan_study(study).evaluations) == 1
        return
    with pytest.raises(UserError) as caught:
        plan_study(study)
    assert caught.value.message.startswith(f"other.toml: {protocol} on row, tiny: ")
    assert problem in caught.value.message
    assert hint in caught.value.hint
