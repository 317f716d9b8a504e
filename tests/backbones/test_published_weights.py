"""What is known of published weights files, and how one is recognised."""

import hashlib
import json
import re
from dataclasses import replace

import pytest
import torch
from typer.testing import CliRunner

from p3d_eval.backbones import BACKBONES, load_backbone, published_weights
from p3d_eval.backbones.checkpoint import Checkpoint
from p3d_eval.backbones.conversion import summarise_weights
from p3d_eval.backbones.description import input_of
from p3d_eval.backbones.download import SOURCES
from p3d_eval.backbones.i3d_checkpoint import KINETICS_400_SHA256, KINETICS_400_TRAINED_ON
from p3d_eval.backbones.published_weights import class_names, find_published, identified, published, recognise
from p3d_eval.cli import app
from p3d_eval.errors import UserError
from tests.support.torchvision_operators import import_torchvision


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.mark.parametrize("name", published())
def test_every_entry_is_one_that_a_network_reads(name):
    weights = published()[name]
    architecture = BACKBONES.load(weights.backbone)
    architecture.resolve_options(weights.options)
    suffix = re.search(r"(\.\w+)\)?$", weights.file)
    assert suffix is None or suffix[1] in architecture.readers or ".caffemodel" in weights.file
    assert weights.source.startswith(("https://", "the Python package "))
    assert weights.licence
    assert re.fullmatch(r"|[0-9a-f]{8}|[0-9a-f]{64}", weights.sha256)
    assert not weights.sha256 or len(weights.sha256) == 64 or weights.sha256 in weights.file
    assert weights.name == name


def test_a_whole_hash_is_the_publishers_or_someone_states_it():
    stated = {name: weights for name, weights in published().items() if weights.stated_by}
    whole = {name for name, weights in published().items() if len(weights.sha256) == 64}
    assert whole - set(stated) == set(SOURCES)  # of files that the project had itself
    assert len({weights.sha256 for weights in stated.values()}) == len(stated)
    for weights in stated.values():
        assert recognise(weights.sha256) == weights
    assert "sha256 stated by" in run("weights", "show", "vgg19-caffe").stdout
    assert json.loads(run("weights", "show", "vgg19-caffe", "--json").stdout)["sha256"].startswith("31b4c627")


def test_what_can_be_fetched_has_the_hash_that_is_fetched():
    for name, source in SOURCES.items():
        assert published()[name].sha256 == source.member_sha256
        assert published()[name].backbone == source.backbone
    i3d = recognise(KINETICS_400_SHA256)
    assert (i3d.name, i3d.trained_on) == ("i3d", KINETICS_400_TRAINED_ON)


def test_torchvisions_files_and_classes_are_torchvisions():
    models = import_torchvision().models
    networks = ("resnet50", "resnet101", "resnet152", "vgg19")
    recipes = {network: models.get_model_weights(network) for network in networks}
    urls = {weights.url for enum in recipes.values() for weights in enum}
    listed = [weights for weights in published().values() if weights.backbone in recipes]
    assert {weights.source for weights in listed if "pytorch.org" in weights.source} == urls
    assert class_names("ImageNet-1k") == tuple(recipes["vgg19"].DEFAULT.meta["categories"])
    for weights in listed:
        if weights.options["arrangement"] == "torchvision":
            spec = input_of(weights.backbone, weights.options)
            preset = recipes[weights.backbone].IMAGENET1K_V1.transforms()
            assert [spec["resize"], spec["crop"][0]] == [preset.resize_size[0], preset.crop_size[0]]
            assert (spec["mean"], spec["std"]) == (preset.mean, preset.std)
            assert (spec["interpolation"], spec["antialias"]) == (preset.interpolation.value, preset.antialias)


@pytest.mark.parametrize(
    ("name", "licence"),
    [  # as the LICENSE files of the repositories say
        ("c3d-sports1m", "CC BY-NC 3.0"),
        ("resnet152-caffe", "MIT"),
        ("i3d-piergiaj", "Apache-2.0"),
        ("s3d-kylemin", "MIT"),
        ("p3d199-sports1m", "MIT"),
        ("p3d199-port", "MIT"),
    ],
)
def test_licences_are_those_of_the_repositories(name, licence):
    assert find_published(name).licence.startswith(licence)


def test_class_lists():
    assert (len(class_names("ImageNet-1k")), len(set(class_names("ImageNet-1k")))) == (1000, 1000)
    assert len(class_names("Kinetics-400")) == 400
    assert class_names("Sports-1M") == ()  # its owners', see the page of weights


def test_a_known_file_gets_its_classes_and_training_data(monkeypatch, tmp_path):
    torch.manual_seed(0)
    model = import_torchvision().models.resnet50()
    path = tmp_path / "resnet50.pth"
    torch.save(model.state_dict(), path)
    assert load_backbone("resnet50", weights=path).classes == ()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    known = replace(find_published("resnet50"), sha256=digest[:8])
    monkeypatch.setattr(published_weights, "published", lambda: {"resnet50": known})
    backbone = load_backbone("resnet50", weights=path)
    assert backbone.classes[0] == "tench"
    assert backbone.trained_on == "ImageNet-1k (torchvision, IMAGENET1K_V1)"
    summary = summarise_weights(path)
    assert (summary.published, summary.trained_on) == ("resnet50", backbone.trained_on)
    assert len(summary.classes) == 1000
    assert summary.shapes["layer1.0.conv1.weight"] == (64, 64, 1, 1)


def test_what_the_file_says_itself_stands():
    checkpoint = Checkpoint({}, classes=("a",), trained_on="mine")
    assert identified(checkpoint, KINETICS_400_SHA256) == checkpoint
    assert identified(checkpoint, "0" * 64) is checkpoint


def test_listing_and_showing():
    listed = json.loads(run("weights", "list", "--json").stdout)
    assert [row["name"] for row in listed] == list(published())
    some = json.loads(run("weights", "list", "--backbone", "vgg19", "--json").stdout)
    assert [row["name"] for row in some] == ["vgg19", "vgg19-caffe"]
    shown = json.loads(run("weights", "show", "resnet152-caffe", "--json").stdout)
    assert (shown["file"], shown["input_spec"]["channel_order"]) == ("ResNet-152-model.caffemodel", "BGR")
    text = run("weights", "show", "resnet152").stdout
    for word in ("begins with 394f9c45", "BSD-3-Clause", "[0.485, 0.456, 0.406]", "weights convert FILE"):
        assert word in " ".join(text.split())
    assert "weights fetch i3d" in run("weights", "show", "i3d").stdout
    inflated = run("weights", "show", "i3d-googlenet").stdout  # a 2-D network, which convert would refuse
    assert "weights inflate FILE --backbone i3d" in " ".join(inflated.split())
    assert run("weights", "list", "--quiet").stdout == ""


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("show", "resnet15"), "unknown file or published weights 'resnet15'"),
        (("show", "absent.pth"), "absent.pth does not exist"),
        (("list", "--backbone", "resnt"), "unknown network with published weights 'resnt'"),
    ],
)
def test_mistakes(words, reason):
    result = run("weights", *words)
    assert result.exit_code == 2
    assert isinstance(result.exception, SystemExit | UserError)
    assert reason in result.output + str(result.exception)
