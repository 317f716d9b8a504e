"""Options of an extraction that can be checked before there is a network."""

from p3d_eval.backbones.precision import COMPILING
from p3d_eval.errors import UnknownNameError, UserError
from p3d_eval.features.decode import require_decoder

_STORED_TYPES = ("float32", "float16")


def require_options(
    dtype: str, batch_size: int, workers: int | None, video_timeout: float, decoder: str, compiling: str
) -> None:
    """Refuse options of `p3d_eval.features.planning.plan_extraction` that no network allows.

    Raises
    ------
    UserError
        When a name is unknown, a number out of range, or the decoder not installed.
    """
    if dtype not in _STORED_TYPES:
        raise UnknownNameError("stored type", str(dtype), _STORED_TYPES)
    if batch_size < 1:
        raise UserError(f"--batch-size {batch_size}: must be 1 at least")
    if workers is not None and workers < 0:
        raise UserError(f"--workers {workers}: must be 0 at least", "0 decodes in this process")
    if not 0 <= video_timeout < float("inf"):
        raise UserError(f"--video-timeout {video_timeout:g}: must be 0 at least", "0 is no limit")
    require_decoder(decoder)
    if compiling not in COMPILING:
        raise UnknownNameError("way to compile", compiling, COMPILING)
