"""``hf:NAME``: video and image networks of transformers, from the hub or from a local folder.

VideoMAE, TimeSformer, ViViT, V-JEPA 2 and their like take clips; encoders of images (ViT, DINOv2, the
vision part of CLIP and SigLIP, …) take the frames of clips. The checkpoint's own processor says how
frames are prepared, and is run on one frame to see that the specification read from it does the same.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from p3d_eval.backbones.network import Network
from p3d_eval.backbones.zoos.adapting import (
    Wanted,
    add_probabilities,
    blamed,
    has_class_token,
    import_collection,
    see_frames,
    take_frames_first,
)
from p3d_eval.backbones.zoos.processors import hub_words, read_processor
from p3d_eval.errors import UserError, counted, shorten

_EXTRA = "huggingface"
_HINT = "Give a name of the hub that can be reached, or a folder that save_pretrained wrote"
_CLASSIFIERS = {"ForVideoClassification": "AutoModelForVideoClassification"}
_CLASSIFIERS["ForImageClassification"] = "AutoModelForImageClassification"
_CODE = "trust_remote_code"
_UNUSED_WITHOUT_WEIGHTS = "pooler"  # checkpoints often lack it, and its inputs are layers


def build(wanted: Wanted) -> Network:
    """Build a network of transformers.

    The class is the one that the checkpoint was trained as, where that is a classifier: then there is a
    layer ``prob``. Weights in parts of a checkpoint that extraction does not need (a decoder of pixels) are
    left out; a part of the network without trained weights is refused.

    Raises
    ------
    UserError
        When the checkpoint cannot be loaded, is no network of pictures, or its preprocessing cannot be said.
    """
    if _CODE in wanted.options:
        raise UserError(f"{wanted.name}: code of the hub is never run", f"Leave {_CODE} out")
    transformers = import_collection("transformers", _EXTRA)
    import_collection("torchvision", _EXTRA)  # transformers' processors need it
    with _silence(transformers), blamed(wanted, _HINT), _no_code(wanted):
        config = transformers.AutoConfig.from_pretrained(wanted.model, **hub_words(wanted))
        whole = _load(transformers, config, wanted)
        module = whole.get_submodule("vision_model") if hasattr(whole, "vision_model") else whole
        seen = config.vision_config if hasattr(config, "vision_config") else config
        length = getattr(config, "num_frames", None) or getattr(config, "frames_per_clip", None)
        spec, unstated = read_processor(transformers, wanted, seen, length)
    if length:
        take_frames_first(module)
    else:
        see_frames(module, wanted.frames)
    classes: tuple[str, ...] = ()
    if isinstance(whole, _classifier_types(transformers, config)):
        add_probabilities(module, lambda output: output.logits)
        classes = () if wanted.random else tuple(config.id2label[key] for key in sorted(config.id2label))
    return Network(
        module=module.float(),
        input_spec=spec,
        classes=classes,
        weights_source=f"transformers {transformers.__version__} {wanted.model}",
        random=wanted.random,
        images=not length,
        centre=not length and wanted.centre,
        class_token=has_class_token(module),
        unstated=unstated,
    )


@contextmanager
def _no_code(wanted: Wanted) -> Iterator[None]:
    """Say in plain words that a checkpoint needs code of its own, where transformers asks for trust in it."""
    try:
        yield
    except ValueError as error:
        if _CODE not in str(error):
            raise
        raise UserError(
            f"{wanted.name} needs code that stands beside its weights, and none of the hub is run",
            "Write a factory that loads it: file.py:factory",
        ) from error


def _auto_class(transformers: Any, config: Any) -> Any:
    trained_as = (config.architectures or [""])[0]
    for ending, name in _CLASSIFIERS.items():
        if trained_as.endswith(ending):
            return getattr(transformers, name)
    return transformers.AutoModel


def _classifier_types(transformers: Any, config: Any) -> Any:
    found = _auto_class(transformers, config)
    return () if found is transformers.AutoModel else found._model_mapping[type(config)]


def _load(transformers: Any, config: Any, wanted: Wanted) -> nn.Module:
    auto = _auto_class(transformers, config)
    if wanted.random:
        for key, value in wanted.options.items():
            setattr(config, key, value)
        module = auto.from_config(config, **{_CODE: False})
        if not wanted.filled:
            _leave_out(module, _UNUSED_WITHOUT_WEIGHTS)  # nobody knows here whether the checkpoint has one
        return module
    module, info = auto.from_pretrained(
        wanted.model, output_loading_info=True, **hub_words(wanted), **wanted.options
    )
    missing = sorted(info["missing_keys"])
    if missing and all(_UNUSED_WITHOUT_WEIGHTS in key.split(".") for key in missing):
        _leave_out(module, _UNUSED_WITHOUT_WEIGHTS)
    elif missing:
        where = f"{counted(len(missing), 'part')} of a {type(module).__name__}"
        raise UserError(
            f"{wanted.name} has no trained weights for {where}: {shorten(missing)}",
            "Choose a checkpoint of this network",
        )
    return module


def _leave_out(module: nn.Module, part: str) -> None:
    """Take a part out that has no trained weights, so that its random numbers are no layer."""
    for child in module.modules():
        if isinstance(getattr(child, part, None), nn.Module):
            setattr(child, part, None)


@contextmanager
def _silence(transformers: Any) -> Iterator[None]:
    """Keep transformers' reports and progress bars off the screen while a network is loaded."""
    logging = transformers.utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
