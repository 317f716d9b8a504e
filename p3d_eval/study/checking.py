"""Values of a study file that are wrong for every network, found before one is loaded."""

from p3d_eval.backbones import BACKBONES, Architecture, views_of
from p3d_eval.backbones.layers import parse_layers
from p3d_eval.backbones.precision import resolve_precision
from p3d_eval.devices import find_device
from p3d_eval.errors import UserError
from p3d_eval.features.options import require_options
from p3d_eval.features.sampling import choose_sampling
from p3d_eval.study.grid import Evaluation, Extraction
from p3d_eval.study.settings import ExtractSettings

_OF_PATTERNS = "*?["  # which layers a pattern means, only the loaded network says


def check_extraction(name: str, cell: Extraction) -> None:
    """Check the options of an extraction; what depends on its network is checked when that is loaded.

    Parameters
    ----------
    name : str
        The study file, for messages.
    cell : Extraction

    Raises
    ------
    UserError
        When a name is unknown or a number out of range.
    """
    try:
        _check(cell.extract)
    except UserError as error:
        raise UserError(f"{name}: {cell.name}: {error.message}", error.hint) from None


def check_layers(name: str, cell: Evaluation, made: Extraction, backbone: str) -> None:
    """Check that an extraction stores the layers that ASLAN takes by default, before hours of extraction.

    Only layers named one by one, and networks of this package, can be told before a network is loaded.

    Parameters
    ----------
    name : str
        The study file, for messages.
    cell : Evaluation
    made : Extraction
        Of its features.
    backbone : str

    Raises
    ------
    UserError
        When a layer is not among those to be extracted.
    """
    asked = made.extract.layers
    if cell.protocol != "aslan" or cell.options.get("layers") or asked is None or backbone not in BACKBONES:
        return
    network = BACKBONES.load(backbone)
    stored = [request.name for request in parse_layers(asked)]
    if not isinstance(network, Architecture) or any(one in asked for one in _OF_PATTERNS):
        return
    absent = [layer for layer in network.aslan_layers if layer not in stored]
    if absent:
        raise UserError(
            f"{name}: {cell.name}: layers = {asked!r} leaves out {', '.join(absent)}, "
            f"which ASLAN takes of {backbone}",
            f"Add them, or write layers under [protocols.{cell.run}]",
        )


def _check(asked: ExtractSettings) -> None:
    choose_sampling(
        1 if asked.clip_length is None else asked.clip_length,
        1 if asked.frame_stride is None else asked.frame_stride,
        asked.sampling,
        asked.clips,
        asked.clip_stride,
        seed=asked.seed,
        fps=asked.fps,
    )
    views_of(asked.crops, asked.mirror)
    if asked.layers is not None:
        parse_layers(asked.layers)
    resolve_precision(asked.precision, find_device(asked.device.removesuffix(":all")))
    require_options(
        asked.dtype, asked.batch_size, asked.workers, asked.video_timeout, asked.decoder, asked.compile
    )
