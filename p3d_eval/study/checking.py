"""Values of a study file that are wrong for every network, found before one is loaded."""

from p3d_eval.backbones import views_of
from p3d_eval.backbones.layers import parse_layers
from p3d_eval.backbones.precision import resolve_precision
from p3d_eval.devices import find_device
from p3d_eval.errors import UserError
from p3d_eval.features.options import require_options
from p3d_eval.features.sampling import choose_sampling
from p3d_eval.study.grid import Extraction
from p3d_eval.study.settings import ExtractSettings


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
