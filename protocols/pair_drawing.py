"""Pairs drawn from labels, in ASLAN's manner: folds that share no class, both answers as frequent."""

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray

from p3d_eval.errors import UserError, counted
from p3d_eval.protocols.annotations.table import LabelledVideo

Row = tuple[str, LabelledVideo, LabelledVideo]
Index = NDArray[np.intp]

_LISTED = 1 << 20  # pairs of a fold up to which all are looked at; of more, pairs are drawn by their numbers


def draw_pairs(videos: Sequence[LabelledVideo], folds: int, pairs: int, seed: int) -> tuple[Row, ...]:
    """Draw pairs of videos, half of them of one class, within folds that share no class.

    Videos of one group (one source) are never paired (ASLAN's rule for pairs of one source video).

    Parameters
    ----------
    videos : sequence of LabelledVideo
    folds : int
        Number of folds; each needs two classes at least.
    pairs : int
        Pairs of a fold, at most; as many as there are of both kinds where there are fewer.
    seed : int

    Returns
    -------
    tuple of (fold, first, second)
        Fold after fold, first the pairs of one class.

    Raises
    ------
    UserError
        When there are too few classes for the folds, or a fold has no pair of one kind.
    """
    if folds < 2 or pairs < 2:
        raise UserError(
            f"pairs: {counted(pairs, 'pair')} in {counted(folds, 'fold')}",
            "Two folds of two pairs are the least",
        )
    by_class: dict[str, list[LabelledVideo]] = defaultdict(list)
    for video in videos:
        by_class[video.label].append(video)
    names = sorted(by_class)
    if len(names) < 2 * folds:
        some = counted(len(names), "class is", "classes are")
        raise UserError(
            f"pairs: {some} too few for {folds} folds that share none",
            f"Each fold needs two: --folds {max(2, len(names) // 2)}" if len(names) >= 4 else None,
        )
    generator = np.random.default_rng(seed)
    order = [names[place] for place in generator.permutation(len(names))]
    found: list[Row] = []
    for fold in range(folds):
        own = [by_class[name] for name in order[fold::folds]]
        members = [video for group in own for video in group]
        count = min(pairs // 2, *_pairs_apart(members))
        if not count:
            kind = "different classes" if _pairs_apart(members)[0] else "one class"
            raise UserError(
                f"pairs: fold {fold + 1} has no pair of {kind} from two groups", "Use fewer --folds"
            )
        groups = np.unique([video.group for video in members], return_inverse=True)[1]
        place, ends = np.arange(len(members)), np.repeat(np.cumsum([len(one) for one in own]), [*map(len, own)])
        for partners in (_Partners(place + 1, ends), _Partners(ends, np.full(len(members), len(members)))):
            chosen = partners.draw(groups, count, generator)
            found += [(str(fold + 1), members[one], members[two]) for one, two in chosen.tolist()]
    return tuple(found)


def _pairs_apart(videos: Sequence[LabelledVideo]) -> tuple[int, int]:
    """Count pairs of one class, and of two, that are not of one group."""

    def alike(names: Iterable[Hashable]) -> int:
        return sum(comb(count, 2) for count in Counter(names).values())

    classes, groups = alike(one.label for one in videos), alike(one.group for one in videos)
    both = alike((one.label, one.group) for one in videos)
    return classes - both, comb(len(videos), 2) - classes - groups + both


@dataclass(frozen=True)
class _Partners:
    """Pairs by number, never listed: video v goes with those from ``first[v]`` to before ``ends[v]``."""

    first: Index
    ends: Index

    def draw(self, groups: Index, count: int, generator: np.random.Generator) -> Index:
        """Draw distinct pairs from two groups, shape (count, 2), in ascending order; there are as many."""
        total = int((self.ends - self.first).sum())
        if total <= _LISTED:
            apart = self._numbered(np.arange(total), groups)
            return apart[np.sort(generator.choice(len(apart), count, replace=False))]
        found = np.empty((0, 2), np.intp)
        while len(found) < count:
            drawn = self._numbered(generator.integers(total, size=max(1024, 2 * count)), groups)
            both = np.concatenate([found, drawn])
            found = both[np.sort(np.unique(both, axis=0, return_index=True)[1])]  # each once, as drawn
        return np.array(sorted(found[:count].tolist()), np.intp)

    def _numbered(self, numbers: Index, groups: Index) -> Index:
        """Return pairs by their numbers, without those of one group."""
        stops = np.cumsum(self.ends - self.first)
        one = np.searchsorted(stops, numbers, side="right")
        two = self.ends[one] - (stops[one] - numbers)
        apart = groups[one] != groups[two]
        return np.column_stack([one[apart], two[apart]])


def pair_table(rows: Sequence[Row]) -> bytes:
    """Write pairs as the CSV that the ASLAN protocol reads."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["fold", "id1", "id2", "same", "class1", "class2"])
    for fold, one, two in rows:
        writer.writerow([fold, one.id, two.id, int(one.label == two.label), one.label, two.label])
    return text.getvalue().encode()
