"""The Python interface to a network itself: look at its input, check it, measure it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from p3d_eval.arguments import explained

if TYPE_CHECKING:
    from p3d_eval.api import StrPath
    from p3d_eval.backbones import Backbone
    from p3d_eval.backbones.sanity import Check
    from p3d_eval.features.clip_preview import Preview
    from p3d_eval.protocols.result import Result


@explained
def preview(
    backbone: "Backbone",
    video: "StrPath",
    out: "StrPath | None" = None,
    *,
    clips: int = 1,
    clip: int = 1,
    overwrite: bool = False,
) -> "Preview":
    """Prepare a clip as a network gets it, and draw it.

    Parameters
    ----------
    backbone : Backbone
        From :func:`load_backbone`; the network does not run.
    video : path
        A file, or a folder of numbered images.
    out : path, optional
        PNG file to draw it to.
    clips, clip : int
        Which clip: the ``clip``-th, from 1, of so many that are spread evenly; by default the middle one.
    overwrite : bool
        Whether an existing file may be replaced.

    Returns
    -------
    Preview
        ``frames`` as decoded, ``seen`` by the network, ``meant()`` to it, ``statistics()`` by channel.

    Raises
    ------
    UserError
        When the video cannot be decoded, or the file exists.
    """
    from p3d_eval.backbones.backbone import require_backbone
    from p3d_eval.features.clip_preview import preview_clip
    from p3d_eval.features.preview_sheet import save_sheet

    require_backbone(backbone)
    found = preview_clip(backbone, Path(video), clips, clip)
    if out is not None:
        save_sheet(found, backbone.name, Path(out), overwrite)
    return found


@explained
def check_backbone(backbone: "Backbone", layers: str | Sequence[str] | None = None) -> tuple["Check", ...]:
    """Check a network for what goes wrong most often when it is brought in.

    Parameters
    ----------
    backbone : Backbone
        From :func:`load_backbone`.
    layers : str or sequence of str, optional
        What is looked at; by default the layers for ASLAN, else the last one listed.

    Returns
    -------
    tuple of Check
        Each with ``name``, ``verdict`` (``"pass"``, ``"warn"``, ``"fail"``) and ``finding``.

    Raises
    ------
    UserError
        When a layer is unknown, or the network fails on a clip.
    """
    from p3d_eval.backbones.backbone import require_backbone
    from p3d_eval.backbones.sanity import check_backbone as check

    require_backbone(backbone)
    return check(backbone, layers)


@explained
def profile(
    backbone: "Backbone",
    out: "StrPath | None" = None,
    *,
    layers: str | None = None,
    precisions: Sequence[str] = ("auto",),
    batch_sizes: Sequence[int] = (1, 8),
    repeats: int = 5,
    compiling: str = "auto",
    overwrite: bool = False,
) -> "Result":
    """Measure a network on its device: parameters, size, multiply-adds, speed, memory.

    Parameters
    ----------
    backbone : Backbone
        From :func:`load_backbone`; its weights do not matter.
    out : path, optional
        JSON file for the result, which :func:`report` joins with accuracies.
    layers : str, optional
        How far the network runs; by default to the last layer that it lists.
    precisions, batch_sizes : sequence, optional
        Every combination is measured.
    repeats : int
        Batches timed for each.
    compiling : {"auto", "on", "off"}
        ``torch.compile``.
    overwrite : bool
        Whether an existing file may be replaced.

    Returns
    -------
    Result
        See :func:`p3d_eval.protocols.network_profile.profile_network`.

    Raises
    ------
    UserError
        When a layer or precision is unknown, the device cannot do it, or the file exists.
    """
    from p3d_eval.backbones.backbone import require_backbone
    from p3d_eval.files import require_json, require_new, require_writable
    from p3d_eval.protocols.network_profile import ProfileOptions, profile_network

    require_backbone(backbone)
    if out is not None:
        require_json(Path(out))
        require_new(Path(out), overwrite)
        require_writable(Path(out))
    options = ProfileOptions(layers, tuple(precisions), tuple(batch_sizes), repeats, compiling)
    result = profile_network(backbone, options)
    if out is not None:
        result.save(Path(out), overwrite)
    return result
