"""Networks of transformers with small random configurations: their numbers, their processors, their tokens."""

import json

import pytest
import torch

from p3d_eval.backbones import load_backbone
from p3d_eval.backbones.description import describe_backbone
from p3d_eval.errors import UserError
from tests.backbones.zoos.checkpoints import CROP, SIZE, SMALL, dinov2, save, videomae
from tests.backbones.zoos.test_torchvision import SMOOTH

transformers = pytest.importorskip("transformers")


def test_a_video_classifier(tmp_path):
    backbone = load_backbone(videomae(tmp_path))
    assert backbone.classes == ("run", "jump", "sit")
    assert (backbone.input_spec.clip_length, backbone.weights.random) == (4, False)
    assert backbone.layers["videomae"] == (8, 16)
    module = transformers.VideoMAEForVideoClassification.from_pretrained(tmp_path).eval()
    x = backbone.preprocess(torch.stack([SMOOTH[:4], SMOOTH[2:]]))
    with torch.inference_mode():
        expected = module(x.transpose(1, 2), output_hidden_states=True)
    found = backbone.features(x, "tokens=videomae.encoder.layer.0,mean=videomae:mean,classifier,prob")
    torch.testing.assert_close(found["tokens"], expected.hidden_states[1])
    torch.testing.assert_close(found["mean"], expected.hidden_states[1].mean(1))
    torch.testing.assert_close(found["prob"], expected.logits.softmax(1))
    with pytest.raises(UserError, match="has no class token"):
        backbone.request_shapes("videomae:cls")


def test_an_encoder_of_images(tmp_path):
    backbone = load_backbone(dinov2(tmp_path), clip_length=6, frames="all")
    module = transformers.Dinov2Model.from_pretrained(tmp_path).eval()
    x = backbone.preprocess(SMOOTH[None])
    with torch.inference_mode():
        tokens = module(x[0].transpose(0, 1)).last_hidden_state
    found = backbone.features(x, "layernorm,cls=layernorm:cls")
    torch.testing.assert_close(found["layernorm"][0], tokens.mean(0))
    torch.testing.assert_close(found["cls"][0], tokens[:, 0].mean(0))


def test_the_decoder_of_pretraining_is_left_out_and_a_missing_pooler_too(tmp_path):
    backbone = load_backbone(videomae(tmp_path / "pretrained", "ForPreTraining"))
    assert list(backbone.layers) == ["embeddings", "encoder"]
    vit = transformers.ViTConfig(image_size=32, patch_size=16, **SMALL)
    processor = transformers.ViTImageProcessor(size=CROP)
    folder = tmp_path / "vit"
    name = save(folder, transformers.ViTForImageClassification(vit), processor)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "architectures": ["ViTModel"]}))
    assert "pooler" not in load_backbone(name).layers  # the classifier has none, so it would be random
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 2}))
    with pytest.raises(UserError, match="has no trained weights for 16 parts of a ViTForImageClassification"):
        load_backbone(name)


def test_a_pooler_is_listed_where_its_weights_are_there(tmp_path):
    config = transformers.ViTConfig(image_size=32, patch_size=16, **SMALL)
    processor = transformers.ViTImageProcessor(size=CROP)
    pooled = save(tmp_path / "pooled", transformers.ViTModel(config), processor)
    lacking = save(tmp_path / "lacking", transformers.ViTModel(config, add_pooling_layer=False), processor)
    for name, last in ((pooled, "pooler"), (lacking, "layernorm")):
        assert list(describe_backbone(name).layers)[-1] == last
        backbone = load_backbone(name)
        assert list(backbone.layers)[-1] == last
        assert backbone(SMOOTH[None, :1], last)[last].shape == (1, *backbone.layers[last])
    torch.save(load_backbone(pooled).module.state_dict(), tmp_path / "own.pth")
    (tmp_path / "pooled" / "model.safetensors").unlink()
    # Without them, as of a name of the hub that is only looked at, nobody knows.
    assert list(describe_backbone(pooled).layers)[-1] == "layernorm"
    assert list(load_backbone(pooled, weights=tmp_path / "own.pth").layers)[-1] == "pooler"


def timesformer(**processor):
    config = transformers.TimesformerConfig(image_size=32, patch_size=16, num_frames=2, **SMALL)
    return transformers.TimesformerModel(config), transformers.TimesformerVideoProcessor(
        size=SIZE, crop_size=CROP
    )


def vivit(kind="VivitImageProcessor"):
    config = transformers.VivitConfig(image_size=32, tubelet_size=[2, 16, 16], num_frames=4, **SMALL)
    return transformers.VivitModel(config), getattr(transformers, kind)(size=SIZE, crop_size=CROP)


def vjepa2():
    small = {"hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "mlp_ratio": 1}
    config = transformers.VJEPA2Config(
        crop_size=32,
        patch_size=16,
        frames_per_clip=4,
        **small,
        **{f"pred_{key}": value for key, value in small.items()},
    )
    return transformers.VJEPA2Model(config), transformers.VJEPA2VideoProcessor(crop_size=32)


def two_towers(family, processor):
    text = {"vocab_size": 10, **SMALL}
    vision = {"image_size": 32, "patch_size": 16, **SMALL}
    config = getattr(transformers, f"{family}Config")(text_config=text, vision_config=vision)
    return getattr(transformers, f"{family}Model")(config), processor


NETWORKS = {
    "timesformer": (timesformer, "encoder.layer.0", (9, 16), True),
    "vivit": (vivit, "layers.0", (9, 16), True),
    "vivit's video processor": (lambda: vivit("VivitVideoProcessor"), "layers.0", (9, 16), True),
    "v-jepa 2": (vjepa2, "encoder.layer.0", (8, 24), False),
    "clip": (
        lambda: two_towers("CLIP", transformers.CLIPImageProcessor(size=SIZE, crop_size=CROP)),
        "encoder.layers.0",
        (5, 16),
        True,
    ),
    "siglip": (
        lambda: two_towers("Siglip", transformers.SiglipImageProcessor(size=CROP)),
        "encoder.layers.0",
        (4, 16),
        False,
    ),
}


@pytest.mark.parametrize("network", NETWORKS)
def test_families(tmp_path, network):
    make, layer, shape, class_token = NETWORKS[network]
    model, processor = make()
    backbone = load_backbone(save(tmp_path, model, processor))
    assert backbone.request_shapes(layer)[layer] == (shape, "LC")
    assert backbone.network.class_token == class_token
    spec = backbone.input_spec
    frames = SMOOTH[: spec.clip_length] if not backbone.network.images else SMOOTH[:1]
    found = backbone.preprocess(frames[None])[0].transpose(0, 1)
    pictures = frames.permute(0, 3, 1, 2)
    if "Video" in type(processor).__name__:
        given = [pictures]
    else:
        given = [list(frames.numpy())] if network == "vivit" else list(pictures)
    expected = next(iter(processor(given, return_tensors="pt").values())).reshape(found.shape)
    steps = (found - expected).abs() * torch.tensor(spec.std)[:, None, None] * 255
    # Rounding to bytes after each of two passes, in the steps of a range that may be −1 … 1.
    assert steps.max() <= 1.5 * (spec.value_range[1] - spec.value_range[0])


def test_a_processor_that_a_specification_cannot_say_is_refused(tmp_path):
    config = transformers.ConvNextConfig(hidden_sizes=[8, 8], depths=[1, 1], num_stages=2)
    model = transformers.ConvNextForImageClassification(config)
    name = save(tmp_path / "levit", model, transformers.LevitImageProcessor())  # enlarges by 256/224 on its own
    with pytest.raises(
        UserError, match=r"its processor differs by \d+ steps of 255 from what was read from it"
    ):
        load_backbone(name)
    nearest = transformers.CLIPImageProcessor(resample=0)
    with pytest.raises(UserError, match="resamples with method 0 of PIL"):
        load_backbone(save(tmp_path / "nearest", model, nearest))
    mobile = transformers.MobileViTImageProcessor(size={"shortest_edge": 288})
    spec = load_backbone(save(tmp_path / "bgr", model, mobile)).input_spec
    assert (spec.channel_order, spec.resize, spec.crop) == ("BGR", 288, (256, 256))
    convnext = transformers.ConvNextImageProcessor(size={"shortest_edge": 224})
    spec = load_backbone(save(tmp_path / "convnext", model, convnext)).input_spec
    assert (spec.resize, spec.crop) == (256, (224, 224))  # 224 / 0.875


def test_a_checkpoint_without_a_processor_needs_the_users_word(tmp_path):
    config = transformers.ViTConfig(image_size=32, patch_size=16, **SMALL)
    name = save(tmp_path, transformers.ViTModel(config))
    with pytest.raises(UserError, match="does not say what its input is: resize, crop, mean, std, value_range"):
        load_backbone(name)
    with pytest.raises(UserError, match="does not say what its input is: std\n"):
        load_backbone(name, mean=0.5, value_range=(0, 1), resize=36, crop=32)
    backbone = load_backbone(name, mean=0.5, std=0.5, value_range=(0, 1), resize=36, crop=32)
    assert backbone.input_spec.mean == (0.5, 0.5, 0.5)


def test_random_weights_from_the_configuration(tmp_path):
    name = videomae(tmp_path)
    first, second = (load_backbone(name, weights="random", seed=seed) for seed in (1, 2))
    assert first.weights.random
    assert first.weights.sha256 != second.weights.sha256
    assert first.weights.sha256 == load_backbone(name, weights="random", seed=1).weights.sha256
    assert first.classes == ()


def test_a_name_that_is_nowhere(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="backbone 'hf:nobody/nothing': OSError"):
        load_backbone("hf:nobody/nothing")
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(UserError, match="backbone 'hf:"):
        load_backbone(f"hf:{tmp_path}")


CODE = """
open({trap!r}, "w").close()
from transformers import PretrainedConfig as Config, PreTrainedModel as Model
"""


def test_code_beside_a_checkpoint_is_not_run_whatever_is_answered(tmp_path, monkeypatch):
    trap, folder = tmp_path / "trap", tmp_path / "remote"
    folder.mkdir()
    (folder / "theirs.py").write_text(CODE.format(trap=str(trap)))
    classes = {"AutoConfig": "theirs.Config", "AutoModel": "theirs.Model"}
    config = {"model_type": "theirs", "architectures": ["Model"], "auto_map": classes}
    (folder / "config.json").write_text(json.dumps(config))
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    for weights in (None, "random"):
        with pytest.raises(UserError, match="needs code that stands beside its weights"):
            load_backbone(f"hf:{folder}", weights=weights)
    with pytest.raises(UserError, match="code of the hub is never run"):
        load_backbone(f"hf:{folder}", trust_remote_code="true")
    assert not trap.exists()
