"""ASLAN's View 1, on which options are chosen: one list of pairs to train on and one to test on.

Kliper-Gross, Hassner and Wolf, TPAMI 34(3) 2012, section 3; layout from the data set's ReadMe.txt:
``train_pairs.mat`` is 1200 × 5 and ``test_pairs.mat`` 600 × 5, with View 2's columns. The name of the variable
is not stated: each file's first array is taken.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from p3d_eval.errors import UserError
from p3d_eval.protocols.annotations import matlab
from p3d_eval.protocols.annotations.aslan import COLUMNS, MATLAB_73, checked_rows, make_pairs
from p3d_eval.protocols.annotations.pairs import Pairs
from p3d_eval.protocols.protocol import AnnotationReader

FILES = ("train_pairs.mat", "test_pairs.mat")
PAIRS = {"train": 1200, "test": 600}
"""Published numbers of pairs, half of them *same*; the tested ones are of 40 actions that training lacks."""

_TEST = 1


def parse(files: Mapping[str, bytes]) -> Pairs:
    """Read both lists; the test list is the one fold that is tested.

    Raises
    ------
    UserError
        When a file is missing, no MATLAB 5 to 7 file, or not N × 5 whole numbers.
    """
    missing = [name for name in FILES if name not in files]
    if missing:
        raise UserError(
            f"ASLAN's View 1: {', '.join(missing)} missing", "Give the folder that holds both lists"
        )
    parts = [_read(name, files[name]) for name in FILES]
    rows = np.concatenate(parts)
    fold = np.repeat([0, _TEST], [len(part) for part in parts])
    where = " and ".join(FILES)
    return make_pairs(
        where,
        fold,
        tuple(PAIRS),
        rows[:, :2].astype(str),
        rows[:, 2].astype(str),
        rows[:, 3:].astype(str),
        tested=(_TEST,),
    )


def deviations(pairs: Pairs) -> tuple[str, ...]:
    """How lists differ from the published description of View 1; empty where they agree."""
    found = list(pairs.contradictions())
    counts = np.bincount(pairs.fold, minlength=len(PAIRS))
    same = np.bincount(pairs.fold[pairs.same], minlength=len(PAIRS))
    for number, (name, expected) in enumerate(PAIRS.items()):
        if counts[number] != expected or 2 * same[number] != expected:
            found.append(f"not {expected} {name} pairs, half of them same")
    if pairs.shared_actions():
        found.append("actions shared between training and test")
    return tuple(found)


def _read(name: str, data: bytes) -> NDArray[np.int64]:
    if data.startswith(MATLAB_73):
        raise UserError(f"{name}: a MATLAB 7.3 file", f"Save it in MATLAB with save('{name}', …, '-v7')")
    try:
        found = matlab.read_first_array(data)
    except matlab.MatlabError as error:
        raise UserError(f"{name}: not a readable MATLAB file: {error}") from None
    if found is None:
        raise UserError(f"{name}: no array in this file")
    variable, table = found
    if table.ndim != 2 or table.shape[1] != COLUMNS or not len(table):
        shape = " × ".join(map(str, table.shape))
        raise UserError(
            f"{name}: {variable} is {shape}, not pairs × {COLUMNS}", "View2.mat is for --view 2, the default"
        )
    return checked_rows(f"{name}: {variable}", table)


READER = AnnotationReader(
    "aslan-view1",
    FILES,
    parse,
    "train_pairs.mat and test_pairs.mat of the ASLAN data set (talhassner.github.io/home/projects/ASLAN)",
)
