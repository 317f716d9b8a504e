"""Every mistake in a study file is one line that names it, and what to do."""

import sys

import pytest

from p3d_eval.errors import UserError
from p3d_eval.study.planning import plan_study
from p3d_eval.study.reading import read_study
from tests.support.tiny_study import DOCUMENT, study_of
from tests.support.torchvision_operators import import_torchvision

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
        "unknown value of normalise 'l3'",
        "Available: l2,",
    ),
    "an empty list": (("C = [1, 10]", "C = []"), "C = [] is empty", ""),
    "no row": (
        ("C = [1, 10]", "backbones = []"),
        "[protocols.ucf101] in other.toml: backbones = [] is empty",
        "Leave the line out",
    ),
    "no data set": (("C = [1, 10]", "datasets = []"), "datasets = [] is empty", "Leave the line out"),
    "no row to fuse": (
        ("[datasets.tiny]", "[backbones.both]\nfuse = []\n[datasets.tiny]"),
        "[backbones.both] in other.toml: fuse = [] is empty",
        "",
    ),
    "a row without a name": (
        ("[backbones.two]", '[backbones.""]'),
        'other.toml: [backbones.""] has no name',
        "Write [backbones.NAME]",
    ),
    "a data set whose name is blank": (
        ("[datasets.tiny]", '[datasets." "]'),
        'other.toml: [datasets." "] has no name',
        "",
    ),
    "an evaluation without a name": (
        ("[protocols.ucf101]", '[protocols.""]\nprotocol = "ucf101"'),
        'other.toml: [protocols.""] has no name',
        "",
    ),
    "outputs among the videos": (
        ("[extract]", 'out = "videos"\n[extract]'),
        "other.toml: outputs would go among the videos of [datasets.tiny]",
        'out = "FOLDER"',
    ),
    "outputs among the videos of a class": (
        ("[extract]", 'out = "other/../videos/Run"\n[extract]'),
        "other.toml: outputs would go among the videos of [datasets.tiny]",
        "",
    ),
    "outputs below a file": (
        ("[extract]", 'out = "study.toml/out"\n[extract]'),
        "other.toml: out: cannot write ",
        "Choose a folder that you may write to",
    ),
    "outputs where nobody may write": (
        ("[extract]", 'out = "/proc/nowhere"\n[extract]'),
        "other.toml: out: cannot write /proc/nowhere",
        "Choose a folder that you may write to",
    ),
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
    "a batch of nothing": (("clips = 2", "batch_size = 0"), "batch_size = 0: must be 1 at least", ""),
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
    "a misspelt factory": (
        (':factory"\nseed = 1', ':facotry"\nseed = 1'),
        "[backbones.two] in other.toml: ",
        "Did you mean factory?",
    ),
    "a file without a factory": ((':factory"\nseed = 1', '"\nseed = 1'), "names no function", ":FUNCTION"),
    "a misspelt option of a factory": (
        ("seed = 1", 'seed = 1\noptions = { gian = "2" }'),
        "[backbones.two] in other.toml: got an unexpected keyword argument 'gian'",
        "Did you mean gain?",
    ),
    "an option of a factory of the wrong type": (
        ("seed = 1", "seed = 1\noptions = { gain = 2 }"),
        "[backbones.two] in other.toml: gain = 2 is not text",
        "gain: str",
    ),
    "an option that is a key of its own": (
        ("seed = 1", "options = { seed = 1 }"),
        "[backbones.two] in other.toml: seed is no option of a network",
        "Write seed = … beside options",
    ),
    "a misspelt option of a network of this package": (
        (
            "[backbones.two]",
            '[backbones.p3d63]\nweights = "random"\noptions = { varaint = "A" }\n[backbones.two]',
        ),
        "[backbones.p3d63] in other.toml: unknown option of p3d63 'varaint'",
        "Did you mean variant?",
    ),
    "a value that a network of this package does not take": (
        (
            "[backbones.two]",
            '[backbones.p3d63]\nweights = "random"\noptions = { variant = 3 }\n[backbones.two]',
        ),
        "[backbones.p3d63] in other.toml: unknown value of p3d63's option variant '3'",
        "Available: A, ABC, B, C",
    ),
    "a misspelt module": (
        ("[backbones.two]", '[backbones.mine]\nbackbone = "no_such_module:make"\n[backbones.two]'),
        "there is no module 'no_such_module'",
        "module:factory",
    ),
    "a misspelt collection": (
        ("[backbones.two]", '[backbones.mine]\nbackbone = "torchvison:r3d_18"\n[backbones.two]'),
        "there is no module 'torchvison'",
        "Did you mean torchvision:?",
    ),
    "a misspelt factory in a module": (
        ("[backbones.two]", '[backbones.mine]\nbackbone = "tests.support.tiny:facotry"\n[backbones.two]'),
        "tiny.py has no 'facotry'",
        "Did you mean factory?",
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


IMPOSSIBLE = [
    ("ucf101", "C = 0", "C: 0.0 is not positive"),
    ("ucf101", 'C = "1,-2"', "C: -2.0 is not positive"),
    ("ucf101", "tol = 0.0", "tol: 0.0 is not positive"),
    ("ucf101", "seed = -1", "seed: -1 is negative"),
    ("ucf101", 'classifier = "knn"\nneighbours = 0', "neighbours: 0 "),
    ("ucf101", 'classifier = "knn"\ntemperature = 0', "temperature: 0.0 "),
    ("ucf101", "neighbours = 5", "neighbours: the classifier svm has none"),
    ("ucf101", 'classifier = "ncm"\nC = 2', "C: the classifier ncm has none"),
    ("ucf101", 'pca = "0"', "pca: "),
    ("ucf101", 'device = "cuda:99"', "cuda:99"),
    ("aslan", "eps = -1", "eps: "),
    ("aslan", "C = -1", "C: -1.0 is not positive"),
    ("retrieval", "seed = -1", "seed: -1 is negative"),
    ("kinetics400", "C = 10", "C: 10.0 has no effect: the layer 'prob' is judged as it is"),
    ("custom", "folds = 1", "folds: 1 is less than 2"),
    ("custom", "pairs = 40", "pairs: 40 has no effect: no pairs are drawn"),
    ("custom", 'task = "pairs"\npairs = 1', "pairs: 1 is less than 2"),
    ("custom", 'task = "pairs"\nnormalise = "zscore"', "pairs take l2 or none, not zscore"),
    ("custom", 'task = "pairs"\nC = 0', "C: 0.0 is not positive"),
    ("custom", 'task = "retrieval"\nscheme = "folds"', "retrieval has no folds"),
    ("custom", 'scheme = "split"\nfolds = 3', "folds: 3 has no effect: the table's split is tested"),
]


@pytest.mark.parametrize(("protocol", "options", "message"), IMPOSSIBLE)
def test_an_option_of_a_protocol_that_cannot_be_is_told_when_the_study_is_read(
    written, protocol, options, message
):
    layer = "" if protocol in ("aslan", "kinetics400") else 'layer = "flat"\n'
    head, rest = DOCUMENT.split("[protocols.ucf101]")
    text = f"{head}[protocols.{protocol}]\n{layer}{options}\n{rest[rest.index('[report]') :]}"
    with pytest.raises(UserError) as caught:
        study_of(written(text))
    assert caught.value.message.startswith(f"[protocols.{protocol}] in other.toml: ")
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("row", "message", "hint"),
    [
        ('[backbones."torchvision:r3d_81"]', "unknown network of torchvision 'r3d_81'", "Did you mean r3d_18"),
        (
            '[backbones."torchvision:r3d_18"]\nweights = "KINETICS40_V1"',
            "unknown weights of torchvision:r3d_18 'KINETICS40_V1'",
            "Did you mean KINETICS400_V1",
        ),
    ],
)
def test_a_misspelt_name_of_a_collection(written, row, message, hint):
    import_torchvision()
    with pytest.raises(UserError) as caught:
        plan_study(study_of(written(DOCUMENT.replace("[backbones.two]", f"{row}\n[backbones.two]"))))
    assert message in caught.value.message
    assert "in other.toml" in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("code", "weights", "complaint"),
    [
        ("def make(weights): ...", 'weights = "w.pt"', None),
        ("def make(weights=None): ...", 'weights = "random"', None),
        ("def make(weights): ...", 'weights = "random"', "missing a required argument: 'weights'"),
        ("def make(): ...", 'weights = "w.pt"', "unexpected keyword argument 'weights'"),
        ("def make(classes): ...", "options = { classes = 3 }", None),
    ],
)
def test_a_factory_is_given_weights_where_the_row_names_a_file(written, folder, code, weights, complaint):
    (folder / "mine.py").write_text(code, encoding="utf-8")
    (folder / "w.pt").write_bytes(b"")
    row = f'[backbones.mine]\nbackbone = "mine.py:make"\n{weights}\n'
    path = written(DOCUMENT.replace("[backbones.two]", f"{row}[backbones.two]"))
    if complaint is None:
        assert len(plan_study(study_of(path)).extractions) == 3
        return
    with pytest.raises(UserError, match=complaint):
        plan_study(study_of(path))


def test_a_package_that_fails_when_it_is_looked_into_leaves_the_other_rows(written, folder, monkeypatch):
    monkeypatch.syspath_prepend(folder)
    (folder / "failing_package").mkdir(exist_ok=True)
    (folder / "failing_package" / "__init__.py").write_text("raise SystemExit('no licence')", encoding="utf-8")
    row = '[backbones.mine]\nbackbone = "failing_package.nets:make"\n'
    plan = plan_study(study_of(written(DOCUMENT.replace("[backbones.two]", f"{row}[backbones.two]"))))
    assert [one.cell.row for one in plan.extractions] == ["one", "mine", "two"]


def test_a_collection_that_cannot_be_had_leaves_the_other_rows(written, monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)  # importing it fails
    row = '[backbones."timm:resnet18"]\nweights = "random"\n'
    plan = plan_study(study_of(written(DOCUMENT.replace("[backbones.two]", f"{row}[backbones.two]"))))
    assert [one.cell.row for one in plan.extractions] == ["one", "timm:resnet18", "two"]


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
