"""Pairs of videos in folds, and what is wrong with them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from p3d_eval.errors import counted, shorten

_SHOWN = 5  # names in a warning


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
    tested : tuple of int, optional
        Folds that are tested, each by who was trained on all others; by default every one.
    """

    fold: NDArray[np.intp]
    fold_names: tuple[str, ...]
    names: tuple[str, ...]
    numbered: bool
    first: NDArray[np.intp]
    second: NDArray[np.intp]
    same: NDArray[np.bool_]
    actions: NDArray[np.str_] | None = None
    tested: tuple[int, ...] | None = None

    @property
    def tested_folds(self) -> tuple[int, ...]:
        """Indices of the folds that are tested."""
        return tuple(range(len(self.fold_names))) if self.tested is None else self.tested

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
            some = counted(len(shared), "action occurs", "actions occur")
            found.append(
                f"{some} in more than one fold ({shorten(shared, _SHOWN)}), "
                "so that training has seen actions that are tested."
            )
        pairs = np.sort(np.column_stack([self.first, self.second]), axis=1)
        rows = self._in_many_folds(pairs, self.fold)
        if len(rows):
            some = counted(len(rows), "pair occurs", "pairs occur")
            found.append(
                f"{some} in more than one fold (the first is {self._show(rows[0])}), "
                "so that training has seen pairs that are tested."
            )
        if self.actions is None:
            videos = np.concatenate([self.first, self.second])
            rows = self._in_many_folds(videos[:, None], np.tile(self.fold, 2))
            if len(rows):
                some = counted(len(rows), "video occurs", "videos occur")
                found.append(
                    f"{some} in more than one fold (the first is "
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
