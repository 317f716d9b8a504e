"""What clips the Inception networks can take, and which of their stages an option lets see time."""

from p3d_eval.backbones.inception import LAST_FRAMES, LAST_PIXELS, STAGES, Padding, Style
from p3d_eval.errors import UserError, counted

_TEMPORAL_REDUCTION = 8  # strides of the first convolution, of the poolings before 4b and before 5b
_SPATIAL_REDUCTION = 32

# Values of the option "temporal": all stages, those from one stage up (top-heavy), or up to one (bottom-heavy).
TOP_HEAVY = tuple(f"from-{stage}" for stage in STAGES[1:])
BOTTOM_HEAVY = tuple(f"to-{stage}" for stage in STAGES[:-1])


def temporal_stages(choice: str) -> frozenset[str]:
    """Stages whose convolutions see time for ``all``, ``none``, ``from-STAGE`` or ``to-STAGE``."""
    if choice in ("all", "none"):
        return frozenset(STAGES if choice == "all" else ())
    side, _, stage = choice.partition("-")
    at = STAGES.index(stage)
    return frozenset(STAGES[at:] if side == "from" else STAGES[: at + 1])


def _left(size: int, reduction: int, padding: Padding) -> int:
    """Positions of ``size`` that are left at mixed_5c."""
    if padding == "same":
        return -(-size // reduction)
    return -(-size // (reduction // 2)) // 2  # the last pooling, 2 with stride 2, is not padded


def _smallest(window: int, reduction: int, padding: Padding) -> int:
    """Smallest size that leaves ``window`` positions at mixed_5c."""
    half = reduction // 2
    return (window - 1) * reduction + 1 if padding == "same" else (2 * window - 1) * half + 1


def check_clip(name: str, style: Style, shape: tuple[int, int, int, int]) -> None:
    """Refuse clips too short or too small for the last average pooling.

    Parameters
    ----------
    name : str
        Network, for the error.
    style : Style
        Its style.
    shape : tuple of int
        C × T × H × W.

    Raises
    ------
    UserError
        Naming the clip length or the crop.
    """
    _, frames, height, width = shape
    left = _left(frames, _TEMPORAL_REDUCTION, style.pool_padding)
    if left < LAST_FRAMES:
        shortest = _smallest(LAST_FRAMES, _TEMPORAL_REDUCTION, style.pool_padding)
        raise UserError(
            f"{name} cannot take clips of {counted(frames, 'frame')}: {left} would be left at mixed_5c, "
            f"and its average pooling spans {LAST_FRAMES}",
            f"Choose a clip length of at least {shortest}",
        )
    window = 1 if style.whole_frame else LAST_PIXELS
    if min(_left(side, _SPATIAL_REDUCTION, style.pool_padding) for side in (height, width)) < window:
        smallest = _smallest(window, _SPATIAL_REDUCTION, style.pool_padding)
        raise UserError(
            f"{name} cannot take a crop of {height} × {width} pixels: "
            f"its average pooling spans {window} × {window} at mixed_5c",
            f"Choose a crop of at least {smallest} × {smallest}",
        )
