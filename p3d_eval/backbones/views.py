"""Views of a clip: which crop of the frame the network sees, and whether it is mirrored."""

from dataclasses import dataclass
from typing import Literal, get_args

from p3d_eval.errors import UnknownNameError

Crop = Literal["centre", "start", "end", "top-left", "top-right", "bottom-left", "bottom-right"]
_CORNERS: tuple[Crop, ...] = ("top-left", "top-right", "bottom-left", "bottom-right", "centre")


@dataclass(frozen=True)
class View:
    """One way to look at a clip, the same for all its frames.

    Parameters
    ----------
    crop : str
        Where the crop lies in the resized frame: ``centre``, a corner, or ``start`` and ``end``: the two
        ends of the longer side, centred on the other one.
    mirror : bool
        Whether left and right are exchanged after the crop.
    """

    crop: Crop = "centre"
    mirror: bool = False

    def __post_init__(self) -> None:
        if self.crop not in get_args(Crop):
            raise UnknownNameError("crop", self.crop, get_args(Crop))

    def corner(self, size: tuple[int, int], crop: tuple[int, int]) -> tuple[int, int]:
        """Top and left pixel of a crop of ``crop`` (height, width) pixels in a frame of ``size``.

        What a centred crop leaves over is ``(size − crop) // 2`` before it.
        """
        room = (size[0] - crop[0], size[1] - crop[1])
        top, left = room[0] // 2, room[1] // 2
        if self.crop in ("start", "end"):
            tall = size[0] > size[1]
            at = 0 if self.crop == "start" else room[0] if tall else room[1]
            return (at, left) if tall else (top, at)
        if self.crop != "centre":
            vertical, horizontal = self.crop.split("-")
            return (0 if vertical == "top" else room[0], 0 if horizontal == "left" else room[1])
        return top, left


CENTRE = View()

# Names of the field: three-crop of the video networks (SlowFast's code), five-crop and ten-crop of
# image classification (AlexNet, Section 4.1): four corners and centre, then all of them mirrored.
CROPS: dict[str, tuple[View, ...]] = {
    "centre": (CENTRE,),
    "3": tuple(View(crop) for crop in ("start", "centre", "end")),
    "5": tuple(View(crop) for crop in _CORNERS),
    "10": tuple(View(crop, mirror) for mirror in (False, True) for crop in _CORNERS),
}


def views_of(crops: str = "centre", mirror: bool = False) -> tuple[View, ...]:
    """List the views that a clip's activations are averaged over.

    Parameters
    ----------
    crops : {"centre", "3", "5", "10"}
        One centre crop; both ends and the middle of the longer side; four corners and centre; these
        five and their mirror images.
    mirror : bool
        Whether every crop's mirror image is a view too.

    Raises
    ------
    UnknownNameError
        For another name.
    """
    if crops not in CROPS:
        raise UnknownNameError("set of crops", crops, CROPS)
    plain = CROPS[crops]
    mirrored = tuple(View(view.crop, mirror=True) for view in plain) if mirror else ()
    return tuple(dict.fromkeys(plain + mirrored))
