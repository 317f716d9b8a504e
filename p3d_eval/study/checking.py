"""Values of a study file that are wrong for every network, found before one is loaded."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from p3d_eval.backbones import views_of
from p3d_eval.backbones.layers import parse_layers
from p3d_eval.backbones.precision import resolve_precision
from p3d_eval.devices import find_device
from p3d_eval.errors import UserError
from p3d_eval.features.ids import VideoFile
from p3d_eval.features.options import require_options
from p3d_eval.features.sampling import choose_sampling
from p3d_eval.files import require_writable
from p3d_eval.study.grid import Extraction, Study
from p3d_eval.study.settings import ExtractSettings

_ANY_FILE = "study"


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


def check_out(study: Study, out: Path, videos: Mapping[str, Sequence[VideoFile]]) -> None:
    """Check that outputs can be written, and not among the videos.

    Parameters
    ----------
    study : Study
    out : Path
        Folder of the outputs; it need not exist.
    videos : mapping of str to sequence of VideoFile
        Of each data set.

    Raises
    ------
    UserError
        When they cannot, or when a data set's folder of videos, or one in it that holds some, is ``out``.
    """
    for dataset, files in videos.items():
        source = study.base / Path(study.datasets[dataset].videos or "").expanduser()
        if out.resolve() in _folders_of(source, files):
            raise UserError(
                f"{study.name}: outputs would go among the videos of [datasets.{dataset}], into {out}",
                'Write out = "FOLDER", or name one with --out',
            )
    try:
        require_writable(out / _ANY_FILE)
    except UserError as error:
        raise UserError(f"{study.name}: out: {error.message}", error.hint) from None


def _folders_of(source: Path, files: Sequence[VideoFile]) -> set[Path]:
    """Give the folders that hold videos, and those above them up to ``source``."""
    holding = {folder.resolve() for folder in {one.path.parent for one in files}}
    top = source.resolve()
    above = {folder for one in holding if one.is_relative_to(top) for folder in one.parents}
    return holding | {folder for folder in above if folder.is_relative_to(top)}
