"""How the networks trained on ImageNet see their images: torchvision's way and Caffe's way."""

from collections.abc import Mapping

from p3d_eval.backbones.spec import InputSpec
from p3d_eval.errors import UserError

ARRANGEMENTS = ("torchvision", "caffe")
# Of RGB from 0 to 1: torchvision's reference scripts, and every weights file of theirs.
MEAN_RGB, STD_RGB = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Of BGR bytes: the one value in every place of the ResNet authors' ResNet_mean.binaryproto.
CAFFE_MEAN_BGR = (103.062623801, 115.902882574, 123.151630838)
_CLIP_LENGTH = 16  # a clip starts where P3D's would, its middle frame is the one that is seen
_SHORT_SIDE, _CROP = 256, 224
_SMALLEST_CROP = 32  # pixels; leaves one position at the last stage


def input_spec(options: Mapping[str, str]) -> InputSpec:
    """Input specification of an ``arrangement``."""
    caffe = options["arrangement"] == "caffe"
    return InputSpec(
        clip_length=_CLIP_LENGTH,
        resize=_SHORT_SIDE,
        crop=(_CROP, _CROP),
        mean=CAFFE_MEAN_BGR if caffe else MEAN_RGB,
        std=(1.0, 1.0, 1.0) if caffe else STD_RGB,
        value_range=(0.0, 255.0) if caffe else (0.0, 1.0),
        channel_order="BGR" if caffe else "RGB",
        antialias=not caffe,  # torchvision's presets resize with it, OpenCV under Caffe without
    )


def refuse_small_crops(shape: tuple[int, int, int, int]) -> None:
    """Refuse crops that leave nothing at the last stage.

    Raises
    ------
    UserError
        Naming the crop.
    """
    _, _, height, width = shape
    if min(height, width) < _SMALLEST_CROP:
        raise UserError(
            f"a crop of {height} × {width} pixels is too small for this network",
            f"Choose a crop of at least {_SMALLEST_CROP} × {_SMALLEST_CROP}",
        )
