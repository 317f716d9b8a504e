"""Names of a network's classes from a text file, in the order of its scores."""

from collections.abc import Mapping
from pathlib import Path

from p3d_eval.errors import UserError

SCORES = "prob"


def read_classes(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> tuple[str, ...]:
    """Read one class name a line.

    Parameters
    ----------
    path : Path
        UTF-8 text; blank lines at its end are skipped.
    shapes : mapping of str to tuple of int
        Layer → shape of one video's values; ``prob`` must have as many values as there are names.

    Raises
    ------
    UserError
        When the file cannot be read, a name is blank or stands twice, or the number of names does not fit.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").rstrip().splitlines()
    except UnicodeDecodeError:
        raise UserError(f"{path}: not a list of classes (not UTF-8 text)") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    names: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        name = line.strip()
        if not name or name in names:
            problem = f"{name!r} stands in line {names[name]} already" if name else "blank"
            raise UserError(f"{path}, line {number}: {problem}", "One class name a line")
        names[name] = number
    if SCORES not in shapes:
        raise UserError(
            f"{path}: class names go with a layer {SCORES!r}, not with {', '.join(shapes)}",
            "Name the layer with --layer prob",
        )
    if shapes[SCORES] != (len(names),):
        values = "×".join(map(str, shapes[SCORES]))
        raise UserError(f"{path}: {len(names)} class names for {values} values of {SCORES!r}")
    return tuple(names)
