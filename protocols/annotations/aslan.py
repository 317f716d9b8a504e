"""ASLAN's pair lists: View 2 of the official ``.mat`` layout, and a plain CSV.

Kliper-Gross, Hassner and Wolf, TPAMI 34(3) 2012; layout from the data set's ReadMe.txt: the variable
``action_splits_pairs`` is 600 × 5 × 10, with columns sample 1, sample 2, label (1 = same action), action 1,
action 2, and one fold a page.
"""

import csv
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from p3d_eval.errors import UserError, shorten
from p3d_eval.features.matching import match_ids, match_numbers
from p3d_eval.protocols.annotations import matlab
from p3d_eval.protocols.annotations.pairs import Pairs
from p3d_eval.protocols.annotations.text import numbered_lines
from p3d_eval.protocols.protocol import AnnotationReader, Listed

OFFICIAL_FILE = "View2.mat"
VARIABLE = "action_splits_pairs"

# Published: 10 folds of 300 same and 300 different pairs, 3,697 samples, 432 actions, at most 30 same pairs of
# one action in a fold, folds disjoint in actions (TPAMI paper, Table 2 and section 3).
FOLDS, PAIRS, SAME_PAIRS = 10, 600, 300
SAMPLES, ACTIONS, SAME_PER_ACTION = 3697, 432, 30

COLUMNS = 5
_LARGEST = 1e9  # of any number in a MATLAB file
_DIGITS = 18  # of a number in a CSV: more may not fit 64 bits
_CSV_COLUMNS = ("fold", "id1", "id2", "same")
_CSV_CLASSES = ("class1", "class2")
MATLAB_73 = (b"MATLAB 7.3 MAT-file", b"\x89HDF\r\n\x1a\n")


def deviations(pairs: Pairs) -> tuple[str, ...]:
    """How the list differs from the published description of View 2; empty when it agrees."""
    found = list(pairs.contradictions())
    counts = np.bincount(pairs.fold, minlength=len(pairs.fold_names))
    same = np.bincount(pairs.fold[pairs.same], minlength=len(pairs.fold_names))
    if len(counts) != FOLDS or (counts != PAIRS).any():
        found.append(f"not {FOLDS} folds of {PAIRS} pairs")
    elif (same != SAME_PAIRS).any():
        found.append(f"not {SAME_PAIRS} same pairs in every fold")
    if not pairs.numbered or any(not 1 <= int(name) <= SAMPLES for name in pairs.names):
        found.append(f"samples other than 1 to {SAMPLES}")
    if pairs.actions is None:
        return (*found, "no actions")
    if pairs.shared_actions():
        found.append("actions shared between folds")
    # Folds are disjoint in actions, so that a count over all folds is the count in one.
    _, most = np.unique(pairs.actions[pairs.same, 0], return_counts=True)
    if len(most) and most.max() > SAME_PER_ACTION:
        found.append(f"more than {SAME_PER_ACTION} same pairs of one action")
    if len(np.unique(pairs.actions)) > ACTIONS:
        found.append(f"more than {ACTIONS} actions")
    return tuple(found)


def list_samples(pairs: Pairs, ids: Sequence[str]) -> Listed:
    """Find the samples that pairs name among ids: by number, or by name."""
    return Listed(match_samples(pairs, ids), not deviations(pairs))


def match_samples(pairs: Pairs, ids: Sequence[str]) -> dict[str, str | None]:
    """Match sample numbers to ids by their last four digits, other names as those of a list."""
    if pairs.numbered:
        by_number = match_numbers([int(name) for name in pairs.names], ids)
        if any(by_number.values()):
            return {str(number): video for number, video in by_number.items()}
    return match_ids(pairs.names, ids)  # video ids, which may be numbers without being ASLAN's four digits


def parse(files: Mapping[str, bytes]) -> Pairs:
    """Read the one file of pairs, ``.mat`` or CSV by its first bytes.

    Raises
    ------
    UserError
        When the file is neither, or its contents are not pairs.
    """
    if len(files) != 1:
        raise UserError(f"ASLAN pairs: one file is needed, got {shorten(files) or 'none'}")
    ((name, data),) = files.items()
    if data.startswith(MATLAB_73):
        raise UserError(f"{name}: a MATLAB 7.3 file", "Save it in MATLAB with save('View2.mat', …, '-v7')")
    if data.startswith(matlab.MAGIC) or name.lower().endswith(".mat"):
        return parse_mat(name, data)
    return parse_csv(name, data)


def parse_mat(name: str, data: bytes) -> Pairs:
    """Read the official layout, N × 5 × folds, from a MATLAB 5–7 file."""
    try:
        table = matlab.read_array(data, VARIABLE)
    except matlab.MatlabError as error:
        raise UserError(f"{name}: not a readable MATLAB file: {error}") from None
    if table is None:
        raise UserError(
            f"{name}: no variable {VARIABLE!r}",
            "The reporting list is View2.mat of the ASLAN data set; the lists of View 1 need --view 1",
        )
    if table.ndim != 3 or table.shape[1] != COLUMNS or table.shape[2] < 2 or not len(table):
        shape = " × ".join(map(str, table.shape))
        raise UserError(f"{name}: {VARIABLE} is {shape}, not pairs × {COLUMNS} × folds")
    rows = checked_rows(f"{name}: {VARIABLE}", np.moveaxis(table, 2, 0).reshape(-1, COLUMNS))
    fold_names = tuple(str(number) for number in range(1, table.shape[2] + 1))
    fold = np.repeat(np.arange(table.shape[2]), table.shape[0])
    return make_pairs(
        name, fold, fold_names, rows[:, :2].astype(str), rows[:, 2].astype(str), rows[:, 3:].astype(str)
    )


def checked_rows(where: str, table: NDArray[np.generic]) -> NDArray[np.int64]:
    """Turn the five columns of a MATLAB file into whole numbers, refusing any other values."""
    values = table.astype(np.float64)
    if not (np.abs(values) < _LARGEST).all() or not np.array_equal(values, np.floor(values)):
        raise UserError(f"{where} holds values that are not whole numbers of a sensible size")
    rows = values.astype(np.int64)
    if (rows[:, :2] < 1).any():
        raise UserError(f"{where}: sample number {rows[:, :2].min()}, numbers start at 1")
    return rows


def parse_csv(name: str, data: bytes) -> Pairs:
    """Read ``fold,id1,id2,same[,class1,class2]`` with that header; ids are sample numbers or video ids."""
    lines = list(numbered_lines(name, data))
    header, *records = [_cells(name, number, text) for number, text in lines]
    if tuple(header) not in (_CSV_COLUMNS, _CSV_COLUMNS + _CSV_CLASSES):
        raise UserError(
            f"{name}: the header is {','.join(header)[:80]!r}",
            f"A CSV of pairs begins with {','.join(_CSV_COLUMNS)}[,{','.join(_CSV_CLASSES)}]",
        )
    if not records:
        raise UserError(f"{name}: the list of pairs is empty")
    for (number, _), record in zip(lines[1:], records, strict=True):
        if len(record) != len(header) or not all(record):
            raise UserError(
                f"{name}, line {number}: {len(header)} values are needed: {','.join(record)[:80]!r}"
            )
        for cell in record[:3]:
            if cell.isdigit() and not _is_number(cell):  # isdigit() takes superscripts, int() does not
                raise UserError(
                    f"{name}, line {number}: {cell[:80]!r} is not a number of at most {_DIGITS} digits 0–9"
                )
    table = np.array(records)
    fold_names, fold = _ordered(table[:, 0])
    actions = table[:, 4:] if len(header) > len(_CSV_COLUMNS) else None
    pairs = make_pairs(name, fold, fold_names, table[:, 1:3], table[:, 3], actions)
    for problem in pairs.contradictions():
        raise UserError(f"{name}: {problem}")
    return pairs


def _cells(name: str, number: int, text: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([text], strict=True))]
    except csv.Error as error:
        raise UserError(f"{name}, line {number}: not CSV ({error})") from None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= _DIGITS


def _ordered(values: NDArray[np.str_]) -> tuple[tuple[str, ...], NDArray[np.intp]]:
    """Distinct values (numbers by size, else as texts) and the index of each value among them."""
    names = sorted(
        set(values.tolist()), key=lambda text: (0, int(text), text) if _is_number(text) else (1, 0, text)
    )
    position = {name: index for index, name in enumerate(names)}
    return tuple(names), np.array([position[value] for value in values.tolist()], np.intp)


def make_pairs(
    source: str,
    fold: NDArray[np.intp],
    fold_names: tuple[str, ...],
    samples: NDArray[np.str_],
    labels: NDArray[np.str_],
    actions: NDArray[np.str_] | None,
    tested: tuple[int, ...] | None = None,
) -> Pairs:
    """Check what all formats must hold: labels of 0 and 1, two folds or more, both labels to train on."""
    wrong = set(labels.tolist()) - {"0", "1"}
    if wrong:
        raise UserError(f"{source}: label {min(wrong)!r} of a pair is neither 0 nor 1")
    if len(fold_names) < 2:
        raise UserError(f"{source}: pairs of one fold only", "Leave-one-fold-out needs two or more")
    numbered = all(_is_number(text) for text in set(samples.ravel().tolist()))
    if numbered:
        samples = samples.astype(np.int64).astype(str)  # 0017 and 17 are one sample
    names, index = _ordered(samples.ravel())
    index = index.reshape(-1, 2)
    same = labels == "1"
    for number in range(len(fold_names)) if tested is None else tested:
        if len(set(same[fold != number].tolist())) < 2:
            raise UserError(f"{source}: fold {fold_names[number]} leaves pairs of one label only to train on")
    return Pairs(fold, fold_names, names, numbered, index[:, 0], index[:, 1], same, actions, tested)


READER = AnnotationReader(
    "aslan",
    (OFFICIAL_FILE,),
    parse,
    "View2.mat of the ASLAN data set (talhassner.github.io/home/projects/ASLAN)",
    listed=list_samples,
)
