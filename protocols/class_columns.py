"""Which column of a network's scores is which class of a data set: matched by name, never by position."""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from p3d_eval.errors import UnknownNameError, UserError

_BRACKETS = re.compile(r"[\[\]()]")
_NO_WORD = re.compile(r"[\W_]+")


def spelling(name: str) -> str:
    """Reduce a class name to what must agree: letters and digits of its words, in lower case.

    Examples
    --------
    >>> spelling("Putting [something]_onto-Something"), spelling("  putting something onto something ")
    ('putting something onto something', 'putting something onto something')
    """
    return _NO_WORD.sub(" ", _BRACKETS.sub("", name)).strip().casefold()


def match_columns(classes: Sequence[str], columns: Sequence[str], file: str) -> NDArray[np.intp]:
    """Find the column of each class.

    A class matches the column of exactly its name, else the one column that agrees with it up to letter
    case, brackets, and what stands between words.

    Parameters
    ----------
    classes : sequence of str
        Class names of the data set.
    columns : sequence of str
        Class names of the network, in the order of its scores.
    file : str
        The feature file, for messages.

    Returns
    -------
    ndarray of int, shape (classes,)

    Raises
    ------
    UserError
        When the file does not name its columns, a class has no column or several, or two have the same.
    """
    if not columns:
        raise UserError(
            f"{file} does not say which class each value of 'prob' is",
            "Extract with a backbone that has classes, or import with --classes FILE (one name a line)",
        )
    exact: dict[str, list[int]] = {}
    loose: dict[str, list[int]] = {}
    for place, name in enumerate(columns):
        exact.setdefault(name, []).append(place)
        loose.setdefault(spelling(name), []).append(place)
    found: dict[int, str] = {}
    for name in classes:
        places = exact.get(name) or loose.get(spelling(name), [])
        if not places:
            unknown = UnknownNameError("class", name, columns)
            raise UserError(f"{file}: the network has no class {name!r}", unknown.hint)
        if len(places) > 1:
            both = " and ".join(repr(columns[place]) for place in places)
            raise UserError(f"{file}: the class {name!r} may be {both} of the network", "Rename one of them")
        if found.setdefault(places[0], name) != name:
            raise UserError(
                f"{file}: {found[places[0]]!r} and {name!r} are both {columns[places[0]]!r} of the network"
            )
    return np.array(list(found), np.intp)
