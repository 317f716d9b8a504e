"""A study file, and the files that it extends, as one TOML document."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from p3d_eval.errors import UserError

_EXTENDS = "extends"
_WANTED = "Give the path of a TOML file"


def read_study(path: Path) -> dict[str, Any]:
    """Read a study file; what it says comes before what the file that it extends says.

    Tables are merged key by key; relative paths are those of ``path``'s folder, whichever file names them.

    Parameters
    ----------
    path : Path
        A TOML file; its key ``extends`` names another one, relative to it.

    Returns
    -------
    dict
        The document without ``extends``.

    Raises
    ------
    UserError
        When a file is absent or no TOML, or files extend each other in a circle.
    """
    seen: list[Path] = []
    document: dict[str, Any] = {}
    following: Path | None = path
    while following is not None:
        real = following.resolve()
        if real in seen:
            circle = " → ".join(one.name for one in [*seen[seen.index(real) :], real])
            raise UserError(f"{path}: a cycle of {_EXTENDS}: {circle}", "Let one of them extend no file")
        seen.append(real)
        found = _read_toml(following)
        base = found.pop(_EXTENDS, None)
        document = _merged(found, document)
        if base is not None and not isinstance(base, str):
            raise UserError(f"{following}: {_EXTENDS} = {base!r} is not text", "Name one study file")
        following = None if base is None else following.parent / base
    return document


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such study file", _WANTED) from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})", _WANTED) from error
    except UnicodeDecodeError:
        raise UserError(f"{path}: not UTF-8 text", "Save the study file as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise UserError(
            f"{path}: not TOML: {error}", "Mend that line; https://toml.io has the grammar"
        ) from None


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Put ``over`` on ``base``, tables key by key."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merged(merged[key], value) if both else value
    return merged
