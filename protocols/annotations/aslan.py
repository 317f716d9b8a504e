"""ASLAN's pair lists: View 2 of the official ``.mat`` layout, and a plain CSV.

Kliper-Gross, Hassner and Wolf, TPAMI 34(3) 2012; layout from the data set's ReadMe.txt: the variable
``action_splits_pairs`` is 600 × 5 × 10, with columns sample 1, sample 2, label (1 = same action), action 1,
action 2, and one fold a page.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from p3d_eval.errors import UserError, shorten
from p3d_eval.features.ids import match_ids, match_numbers
from p3d_eval.protocols.annotations import matlab
from p3d_eval.protocols.annotations.text import numbered_lines
from p3d_eval.protocols.protocol import AnnotationReader, Listed

OFFICIAL_FILE = "View2.mat"
VARIABLE = "action_splits_pairs"

# Published: 10 folds of 300 same and 300 different pairs, 3,697 samples, 432 actions, at most 30 same pairs of
# one action in a fold, folds disjoint in actions (TPAMI paper, Table 2 and section 3).
FOLDS, PAIRS, SAME_PAIRS = 10, 600, 300
SAMPLES, ACTIONS, SAME_PER_ACTION = 3697, 432, 30

_COLUMNS = 5
_LARGEST = 1e9  # of any number in a MATLAB file
_DIGITS = 18  # of a number in a CSV: more may not fit 64 bits
_CSV_COLUMNS = ("fold", "id1", "id2", "same")
_CSV_CLASSES = ("class1", "class2")
_MATLAB_73 = (b"MATLAB 7.3 MAT-file", b"\x89HDF\r\n\x1a\n")


@dataclass(frozen=True)
class Pairs:
    """Pairs of videos, fold by fold.

    Parameters
    ----------
    fold : ndarray of int, shape (n,)
        Index into ``fold_names``.
    fold_names : tuple of str
        Names of the folds, in order.
    names : tuple of str
        Every sample named by a pair, once: numbers as the files write them, or ids.
    numbered : bool
        Whether all names are sample numbers.
    first, second : ndarray of int, shape (n,)
        Indices into ``names``.
    same : ndarray of bool, shape (n,)
        Whether the two samples show one action.
    actions : ndarray of str, shape (n, 2), or None
        Actions of the two samples where the file names them.
    """

    fold: NDArray[np.intp]
    fold_names: tuple[str, ...]
    names: tuple[str, ...]
    numbered: bool
    first: NDArray[np.intp]
    second: NDArray[np.intp]
    same: NDArray[np.bool_]
    actions: NDArray[np.str_] | None = None

    def shared_actions(self) -> tuple[str, ...]:
        """Actions that occur in more than one fold (none in the official list)."""
        if self.actions is None:
            return ()
        folds: dict[str, set[int]] = {}
        for fold, both in zip(self.fold.tolist(), self.actions.tolist(), strict=True):
            for action in both:
                folds.setdefault(action, set()).add(fold)
        return tuple(sorted(action for action, where in folds.items() if len(where) > 1))

    def contradictions(self) -> tuple[str, ...]:
        """Pairs of a video with itself, listed twice in a fold, or whose label contradicts their actions."""
        found = []
        alone = np.flatnonzero(self.first == self.second)
        if len(alone):
            fold_name = self.fold_names[self.fold[alone[0]]]
            found.append(f"the pair {self._show(alone[0])} in fold {fold_name} is a video with itself")
        keys = np.column_stack([self.fold, np.sort(np.column_stack([self.first, self.second]), axis=1)])
        _, once = np.unique(keys, axis=0, return_index=True)
        twice = np.setdiff1d(np.arange(len(keys)), once)
        if len(twice):
            fold_name = self.fold_names[self.fold[twice[0]]]
            found.append(f"the pair {self._show(twice[0])} is listed twice in fold {fold_name}")
        if self.actions is not None:
            wrong = np.flatnonzero((self.actions[:, 0] == self.actions[:, 1]) != self.same)
            if len(wrong):
                one, two = self.actions[wrong[0]]
                label = "same" if self.same[wrong[0]] else "not same"
                found.append(
                    f"the pair {self._show(wrong[0])} is {label!r} but its actions are {one} and {two}"
                )
        return tuple(found)

    def warnings(self) -> tuple[str, ...]:
        """Say what a reader must know: contradictions, and what training has seen of a tested fold."""
        found = [f"Pairs: {problem}." for problem in self.contradictions()]
        shared = self.shared_actions()
        if shared:
            found.append(
                f"{len(shared)} actions occur in more than one fold (the first is {shared[0]}), "
                "so that training has seen actions that are tested."
            )
        pairs = np.sort(np.column_stack([self.first, self.second]), axis=1)
        rows = self._in_many_folds(pairs, self.fold)
        if len(rows):
            found.append(
                f"{len(rows)} pairs occur in more than one fold (the first is {self._show(rows[0])}), "
                "so that training has seen pairs that are tested."
            )
        if self.actions is None:
            videos = np.concatenate([self.first, self.second])
            rows = self._in_many_folds(videos[:, None], np.tile(self.fold, 2))
            if len(rows):
                found.append(
                    f"{len(rows)} videos occur in more than one fold (the first is "
                    f"{self.names[videos[rows[0]]]}), so that training has seen videos that are tested."
                )
        return tuple(found)

    @staticmethod
    def _in_many_folds(keys: NDArray[np.intp], fold: NDArray[np.intp]) -> NDArray[np.intp]:
        """First row of every distinct key that occurs in more than one fold."""
        placed = np.unique(np.column_stack([keys, fold]), axis=0)
        _, folds = np.unique(placed[:, :-1], axis=0, return_counts=True)
        _, first = np.unique(keys, axis=0, return_index=True)  # in the same order
        return np.sort(first[folds > 1])

    def _show(self, row: int) -> str:
        return f"{self.names[self.first[row]]}, {self.names[self.second[row]]}"

    def deviations(self) -> tuple[str, ...]:
        """How the list differs from the published description of View 2; empty when it agrees."""
        found = list(self.contradictions())
        counts = np.bincount(self.fold, minlength=len(self.fold_names))
        same = np.bincount(self.fold[self.same], minlength=len(self.fold_names))
        if len(counts) != FOLDS or (counts != PAIRS).any():
            found.append(f"not {FOLDS} folds of {PAIRS} pairs")
        elif (same != SAME_PAIRS).any():
            found.append(f"not {SAME_PAIRS} same pairs in every fold")
        if not self.numbered or any(not 1 <= int(name) <= SAMPLES for name in self.names):
            found.append(f"samples other than 1 to {SAMPLES}")
        if self.actions is None:
            return (*found, "no actions")
        if self.shared_actions():
            found.append("actions shared between folds")
        # Folds are disjoint in actions, so that a count over all folds is the count in one.
        _, most = np.unique(self.actions[self.same, 0], return_counts=True)
        if len(most) and most.max() > SAME_PER_ACTION:
            found.append(f"more than {SAME_PER_ACTION} same pairs of one action")
        if len(np.unique(self.actions)) > ACTIONS:
            found.append(f"more than {ACTIONS} actions")
        return tuple(found)


def list_samples(pairs: Pairs, ids: Sequence[str]) -> Listed:
    """Find the samples that pairs name among ids: by number, or by name."""
    return Listed(match_samples(pairs, ids), not pairs.deviations())


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
    if data.startswith(_MATLAB_73):
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
            f"{name}: no variable {VARIABLE!r}", "The reporting list is View2.mat of the ASLAN data set"
        )
    if table.ndim != 3 or table.shape[1] != _COLUMNS or table.shape[2] < 2 or not len(table):
        shape = " × ".join(map(str, table.shape))
        raise UserError(f"{name}: {VARIABLE} is {shape}, not pairs × {_COLUMNS} × folds")
    if not (np.abs(table) < _LARGEST).all() or not np.array_equal(table, np.floor(table)):
        raise UserError(f"{name}: {VARIABLE} holds values that are not whole numbers of a sensible size")
    rows = np.moveaxis(table, 2, 0).reshape(-1, _COLUMNS).astype(np.int64)
    if (rows[:, :2] < 1).any():
        raise UserError(f"{name}: sample number {rows[:, :2].min()} in {VARIABLE}, numbers start at 1")
    fold_names = tuple(str(number) for number in range(1, table.shape[2] + 1))
    fold = np.repeat(np.arange(table.shape[2]), table.shape[0])
    return _pairs(
        name, fold, fold_names, rows[:, :2].astype(str), rows[:, 2].astype(str), rows[:, 3:].astype(str)
    )


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
    pairs = _pairs(name, fold, fold_names, table[:, 1:3], table[:, 3], actions)
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


def _pairs(
    source: str,
    fold: NDArray[np.intp],
    fold_names: tuple[str, ...],
    samples: NDArray[np.str_],
    labels: NDArray[np.str_],
    actions: NDArray[np.str_] | None,
) -> Pairs:
    """Check what both formats must hold: labels of 0 and 1, two folds or more, both labels to train on."""
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
    for number, fold_name in enumerate(fold_names):
        if len(set(same[fold != number].tolist())) < 2:
            raise UserError(f"{source}: fold {fold_name} leaves pairs of one label only to train on")
    return Pairs(fold, fold_names, names, numbered, index[:, 0], index[:, 1], same, actions)


READER = AnnotationReader(
    "aslan",
    (OFFICIAL_FILE,),
    parse,
    "View2.mat of the ASLAN data set (talhassner.github.io/home/projects/ASLAN)",
    listed=list_samples,
)
