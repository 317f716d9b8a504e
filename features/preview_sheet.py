"""A preview as one picture: frames as decoded, as the network understands them, and as numbers."""

import math
from pathlib import Path

import numpy as np
from matplotlib import get_data_path
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from p3d_eval.errors import UserError, counted
from p3d_eval.features.clip_preview import Preview
from p3d_eval.files import atomic_output

_COLUMNS = 8
_MOST_FRAMES = 64  # more are thinned out evenly
_THUMB = 160  # pixels of a picture's longer side
_GAP, _MARGIN, _TEXT = 6, 16, 15  # pixels
_LABEL = 116  # width of the column of row names
_INK, _PALE, _PAPER, _ALARM = (20, 20, 20), (110, 110, 110), (255, 255, 255), (190, 20, 20)
_BOX = (255, 60, 60)
_ROWS = (
    ("as decoded", "box: what is cropped"),
    ("to the network", "its own spec undone"),
    ("raw numbers", "channels 0 1 2 as RGB"),
)


def draw_sheet(preview: Preview, title: str) -> Image.Image:
    """Draw every frame of a clip three times, below the numbers that made the input.

    Parameters
    ----------
    preview : Preview
        The clip.
    title : str
        The network's name.

    Returns
    -------
    Image
        Three rows for every eight frames: the decoded frame with the crop's box; the picture that the numbers
        stand for to the network (`Preview.meant`); the numbers (`Preview.raw`).
    """
    count = len(preview.numbers)
    shown = np.unique(np.linspace(0, count - 1, min(count, _MOST_FRAMES)).round().astype(int)).tolist()
    pictures = [_decoded(preview), list(preview.meant()), list(preview.raw())]
    cells = [[_thumbnail(pictures[row][number]) for number in shown] for row in range(len(_ROWS))]
    columns = min(_COLUMNS, len(shown))
    widest = max(cell.width for row in cells for cell in row)
    heights = [max(cell.height for cell in row) for row in cells]
    lines = _lines(preview, title, len(shown))
    band = sum(heights) + len(heights) * _GAP + _TEXT + 4
    top = _MARGIN + len(lines) * (_TEXT + 6) + _GAP
    width = 2 * _MARGIN + _LABEL + columns * (widest + _GAP)
    text_width = max(math.ceil(_font(_TEXT).getlength(line)) for line, _ in lines) + 2 * _MARGIN
    bands = math.ceil(len(shown) / columns)
    sheet = Image.new("RGB", (max(width, text_width), top + bands * (band + _MARGIN)), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, (line, colour) in enumerate(lines):
        draw.text((_MARGIN, _MARGIN + number * (_TEXT + 6)), line, colour, _font(_TEXT))
    for place, number in enumerate(shown):
        x = _MARGIN + _LABEL + (place % columns) * (widest + _GAP)
        y = top + (place // columns) * (band + _MARGIN)
        draw.text((x, y), f"frame {preview.numbers[number]}", _PALE, _font(12))
        y += _TEXT + 4
        for row, height in enumerate(heights):
            if place % columns == 0:
                draw.text((_MARGIN, y + 2), _ROWS[row][0], _INK, _font(13))
                draw.text((_MARGIN, y + 19), _ROWS[row][1], _PALE, _font(10))
            cell = cells[row][place]
            sheet.paste(cell, (x, y))
            draw.rectangle((x - 1, y - 1, x + cell.width, y + cell.height), outline=_PALE)
            y += height + _GAP
    return sheet


def save_sheet(preview: Preview, title: str, out: Path, overwrite: bool = False) -> Path:
    """Write the sheet as a PNG file; return its path.

    Raises
    ------
    UserError
        When the name does not end in ``.png``, or the file exists and may not be replaced.
    """
    if out.suffix.lower() != ".png":
        raise UserError(f"{out}: the sheet is a PNG picture", f"Call it {out.with_suffix('.png').name}")
    with atomic_output(out, overwrite) as temporary:
        draw_sheet(preview, title).save(temporary, "PNG")
    return out


def _lines(preview: Preview, title: str, shown: int) -> list[tuple[str, tuple[int, int, int]]]:
    """Tell what was done, with colours."""
    used = preview.used
    height, width = preview.frames.shape[1:3]
    resize = f"short side {used.resize}" if isinstance(used.resize, int) else "{} × {}".format(*used.resize)
    count = len(preview.numbers)
    some = f", {shown} of them shown" if shown < count else ""
    stride = f", every {used.frame_stride}. frame" if used.frame_stride > 1 else ""
    sizes = f"{height} × {width} → {resize} → crop {used.crop[0]} × {used.crop[1]} (height × width)"
    made = f"{counted(count, 'frame')}{some}{stride} of {sizes}, {used.channel_order}, v → {preview.formula}"
    lines = [(f"{title} sees {preview.video.name}", _INK), (made, _PALE)]
    for name, one in preview.statistics().items():
        spread = f"mean {one['mean']:.4g}, std {one['std']:.4g}"
        lines.append((f"channel {name}: {one['min']:.4g} … {one['max']:.4g}, {spread}", _PALE))
    for name, values in preview.changes.items():
        own, now = (_plain(values[key]) for key in ("own", "used"))
        lines.append((f"changed: {name.replace('_', ' ')} {now}, the network's own is {own}", _ALARM))
    outside = preview.outside()
    if outside:
        lines.append((f"{outside:.1%} of the numbers stand for no colour at all to the network", _ALARM))
    return lines


def _plain(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _decoded(preview: Preview) -> list[NDArray[np.uint8]]:
    """Frames with the box of the crop drawn as thick as it takes to be seen once they are small."""
    height, width = preview.frames.shape[1:3]
    thick = max(1, round(2 * max(height, width) / _THUMB))
    top, left, bottom, right = preview.box
    drawn = []
    for frame in preview.frames:
        picture = Image.fromarray(frame)
        ImageDraw.Draw(picture).rectangle((left, top, right - 1, bottom - 1), outline=_BOX, width=thick)
        drawn.append(np.asarray(picture))
    return drawn


def _thumbnail(pixels: NDArray[np.uint8]) -> Image.Image:
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    scale = _THUMB / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.NEAREST)


def _font(size: int) -> ImageFont.FreeTypeFont:
    """Load the font that matplotlib brings along: no font of the system is needed."""
    return ImageFont.truetype(str(Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), size)
