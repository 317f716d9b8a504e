"""Programs of torch.export: the exported network's numbers, and nothing run that a file brings along."""

import io
import json
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

from p3d_eval.backbones import load_backbone
from p3d_eval.backbones.exported.network import name_outputs
from p3d_eval.backbones.listing import find_layers
from p3d_eval.backbones.runner import Runner
from p3d_eval.errors import UnknownNameError, UserError
from tests.support.exported import INPUT, Clips, export_program

SHAPE = (2, 3, 5, 16, 32)
FRAMES = torch.randint(0, 256, (3, 5, 20, 40, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return export_program(tmp_path_factory.mktemp("exported") / "clips.pt2", Clips(), SHAPE)


def test_outputs_are_layers(path):
    backbone = load_backbone(str(path))
    assert backbone.layers == {"maps": (6, 2, 7, 15), "pooled": (6,), "prob": (3,)}
    assert backbone.classes == ("run", "jump", "wave")
    spec = backbone.input_spec
    assert (spec.clip_length, spec.crop, spec.resize, spec.frame_stride) == (5, (16, 32), (18, 34), 2)
    assert (spec.mean, spec.value_range, backbone.trained_on) == ((0.4, 0.5, 0.6), (0, 1), "nothing")
    assert list(find_layers(backbone, "*")) == ["maps", "pooled", "prob"]
    x = backbone.preprocess(FRAMES)
    expected = Clips()(x)
    for found in (
        backbone.features(x, "maps,pooled,prob"),
        Runner(backbone, "maps,pooled,prob", 3)(x),
    ):
        for name, values in expected.items():
            torch.testing.assert_close(found[name], values.detach())


@pytest.mark.parametrize("batch", [1, 2])
def test_a_batch_of_one_size_takes_any_number_of_clips(tmp_path, batch):
    path = export_program(tmp_path / "x.pt2", Clips(), (batch, *SHAPE[1:]), dynamic=False)
    backbone = load_backbone(str(path))
    x = backbone.preprocess(FRAMES)
    torch.testing.assert_close(backbone.features(x, "prob")["prob"], Clips()(x)["prob"].detach())


class Turned(nn.Module):
    def forward(self, x):
        return x[:, 0, 0], (x * 2,)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((2, 3, 5, 8, 9), (0, 1, 2, 3, 4)),
        ((2, 5, 3, 8, 9), (0, 2, 1, 3, 4)),
        ((2, 5, 8, 9, 3), (0, 2, 3, 4, 1)),
        ((2, 3, 8, 9), None),
        ((2, 8, 9, 3), None),
    ],
)
def test_axes_are_told_by_the_three_channels(tmp_path, shape, axes):
    backbone = load_backbone(str(export_program(tmp_path / "x.pt2", Turned(), shape, said=None)), **NEEDED)
    x = torch.randn(2, 3, 5, 8, 9, generator=torch.Generator().manual_seed(0))
    expected = x[:, :, 2] if axes is None else x.permute(axes)  # the middle frame
    expected = expected.permute(0, 2, 3, 1) if shape == (2, 8, 9, 3) else expected
    found = backbone.features(x, "output10")["output10"]
    torch.testing.assert_close(found, 2 * expected)
    assert backbone.network.images == (axes is None)


NEEDED = {"resize": (8, 9), "mean": 0.0, "std": 1.0, "value_range": (0, 1)}


def test_what_a_file_does_not_say_the_user_says(tmp_path):
    plain = str(export_program(tmp_path / "x.pt2", Turned(), (2, 3, 5, 8, 9), said=None))
    with pytest.raises(UserError, match="does not say what its input is: resize, mean, std, value_range"):
        load_backbone(plain)
    assert load_backbone(plain, **NEEDED).input_spec.clip_length == 5
    unclear = str(export_program(tmp_path / "y.pt2", Turned(), (2, 3, 3, 8, 9), said=None))
    with pytest.raises(UserError, match="takes any × 3 × 3 × 8 × 9: which axis is which cannot be told"):
        load_backbone(unclear, **NEEDED)
    assert load_backbone(unclear, layout="NTCHW", **NEEDED).layers["output0"] == (8, 9)
    for options, reason in (
        ({"layout": "NCHW"}, "unknown layout of the input"),
        ({"colour": "x"}, "unknown option of"),
        ({"weights": "random"}, "holds its weights"),
        ({"classes": 3}, "takes names of classes"),
        ({"frames": "some"}, "unknown choice of frames"),
    ):
        with pytest.raises(UserError, match=reason):
            load_backbone(plain, **NEEDED, **options)
    with pytest.raises(UserError, match=r"no\.pt2 does not exist"):
        load_backbone(str(tmp_path / "no.pt2"))


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"input_spec": {"colour": 3}}, "unknown field of the input_spec in .*'colour'"),
        ({"input_spec": []}, "is not an object of the form"),
        ([1], "is not an object of the form"),
        (
            {"input_spec": {**INPUT["input_spec"], "mean": "x"}},
            r"x\.pt2, p3d_eval\.json: input spec: mean='x' is not 3",
        ),
        ({"input_spec": {**INPUT["input_spec"], "clip_length": "x"}}, "clip_length='x' is not a whole number"),
    ],
)
def test_statements_that_cannot_be_read(tmp_path, said, reason):
    with pytest.raises((UserError, UnknownNameError), match=reason):
        load_backbone(str(export_program(tmp_path / "x.pt2", Turned(), SHAPE, said=said)))


def test_several_inputs_are_refused(tmp_path):
    class Sum(nn.Module):
        def forward(self, x, y):
            return x + y

    x = torch.zeros(1, 3, 5, 8, 9)
    torch.export.save(torch.export.export(Sum(), (x, x)), tmp_path / "x.pt2")
    with pytest.raises(UserError, match="takes 2 inputs, not one tensor"):
        load_backbone(str(tmp_path / "x.pt2"))


def test_names_of_nested_outputs():
    named = name_outputs("x", {"a/b": 1, "c": (2, {"d": 3}), "e": [4]})
    assert named == {"a_b": 1, "c0": 2, "c1_d": 3, "e0": 4}
    assert name_outputs("x", 5) == {"output": 5}
    assert name_outputs("x", {"float": 1, "training": 2, "outputs": 3}) == {
        "float_": 1,
        "training_": 2,
        "outputs_": 3,
    }
    with pytest.raises(UserError, match="x has two outputs 'a_b'"):
        name_outputs("x", {"a/b": 1, "a.b": 2})


class Evil:
    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return Path.touch, (Path(self.marker),)


def rewritten(source, target, changes, added=()):
    """Copy an archive with other contents of some entries, and more entries."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            inside = name.partition("/")[2]
            new.writestr(name, changes[inside](old.read(name)) if inside in changes else old.read(name))
        for name, content in added:
            new.writestr(f"clips/{name}", content)
    return str(target)


def pickled(marker):
    buffer = io.BytesIO()
    torch.save((Evil(marker),), buffer)
    return buffer.getvalue()


def with_program(change):
    def edit(content):
        program = json.loads(content)
        change(program["graph_module"]["graph"])
        return json.dumps(program).encode()

    return {"models/model.json": edit}


def calls(target):
    def change(graph):
        graph["nodes"][0]["target"] = target

    return with_program(change)


def sized(expression):
    def change(graph):
        graph["tensor_values"]["x"]["sizes"][0]["as_expr"]["expr_str"] = expression

    return with_program(change)


def unpickled(content):
    listing = json.loads(content)
    next(iter(listing["config"].values()))["use_pickle"] = True
    return json.dumps(listing).encode()


@pytest.mark.parametrize(
    ("changes", "added", "reason"),
    [
        ({"data/sample_inputs/model.pt": "marker"}, (), "example inputs are no plain tensors"),
        (calls("torch.os.system"), (), r"it calls torch\.os\.system"),
        (calls("torch.ops.aten.from_file.default"), (), "it calls torch.ops.aten.from_file"),
        (calls("math.factorial"), (), "it calls math.factorial"),
        (sized("__import__('os').system('true')"), (), "a size in it is __import__"),
        (sized("open('x')"), (), "a size in it is open"),
        (sized("(1).__class__"), (), "a size in it is"),
        ({"data/weights/model_weights_config.json": unpickled}, (), "is no plain tensor"),
        ({}, (("data/aotinductor/model/x.so", b""),), "it holds data/aotinductor/model/x.so"),
        ({}, (("data/constants/opaque_obj_0", b""),), "it holds data/constants/opaque_obj_0"),
        ({}, (("models/model.json", b"{}"),), "two entries of one name"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_files_that_could_run_something_are_refused_and_run_nothing(path, tmp_path, changes, added, reason):
    marker = tmp_path / "ran"
    if "marker" in changes.values():
        changes = dict.fromkeys(changes, lambda _: pickled(marker))
    evil = rewritten(path, tmp_path / "evil.pt2", changes, added)
    with pytest.raises(UserError, match=f"is not a program that can be trusted: .*{reason}"):
        load_backbone(evil)
    assert not marker.exists()


def test_the_marker_would_show(tmp_path):
    pickle.loads(pickle.dumps(Evil(tmp_path / "ran")))
    assert (tmp_path / "ran").exists()


def test_broken_archives(path, tmp_path):
    broken = tmp_path / "x.pt2"
    for content in (b"", b"no archive", path.read_bytes()[:2000], path.read_bytes()[:-30]):
        broken.write_bytes(content)
        with pytest.raises(UserError, match="is not a program that can be trusted"):
            load_backbone(str(broken))
    bomb = tmp_path / "bomb.pt2"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/data/weights/weight_0", bytes(10**6))
    with pytest.raises(UserError, match="it unpacks to more than its own size"):
        load_backbone(str(bomb))


def test_training_mode_is_left_alone(path):
    backbone = load_backbone(str(path))
    assert not any(module.training for name, module in backbone.module.named_modules() if name[:1] != "_")


def test_a_study_names_an_exported_file_relative_to_itself(path, tmp_path):
    from types import SimpleNamespace

    from p3d_eval.study.networks import find_network
    from p3d_eval.study.settings import RowSettings

    study = SimpleNamespace(base=path.parent, name="s.toml")
    found = find_network(study, "mine", RowSettings(backbone=path.name))
    assert found.backbone == str(path)
    assert found.content["backbone"] == path.name
    assert found.content["code"] is not None
    zoo = find_network(study, "zoo", RowSettings(backbone="timm:resnet10t", weights="c3_in1k"))
    assert (zoo.backbone, zoo.weights) == ("timm:resnet10t", "c3_in1k")
    with pytest.raises(UserError, match="absent.pt2 does not exist"):
        find_network(study, "mine", RowSettings(backbone="absent.pt2"))
