"""Pairs drawn from labels, in ASLAN's manner: folds that share no class, both answers as frequent."""

import csv
import io
from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from p3d_eval.errors import UserError
from p3d_eval.protocols.annotations.table import LabelledVideo

Row = tuple[str, LabelledVideo, LabelledVideo]


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
        raise UserError(f"pairs: {pairs} pairs in {folds} folds", "Two folds of two pairs are the least")
    by_class: dict[str, list[LabelledVideo]] = defaultdict(list)
    for video in videos:
        by_class[video.label].append(video)
    names = sorted(by_class)
    if len(names) < 2 * folds:
        raise UserError(
            f"pairs: {len(names)} classes are too few for {folds} folds that share none",
            f"Each fold needs two: --folds {max(2, len(names) // 2)}" if len(names) >= 4 else None,
        )
    generator = np.random.default_rng(seed)
    order = [names[place] for place in generator.permutation(len(names))]
    found: list[Row] = []
    for fold in range(folds):
        own = [by_class[name] for name in order[fold::folds]]
        same = [pair for members in own for pair in combinations(members, 2) if _apart(*pair)]
        different = [
            (one, two)
            for mine, yours in combinations(own, 2)
            for one in mine
            for two in yours
            if _apart(one, two)
        ]
        count = min(pairs // 2, len(same), len(different))
        if not count:
            kind = "different classes" if same else "one class"
            raise UserError(
                f"pairs: fold {fold + 1} has no pair of {kind} from two groups", "Use fewer --folds"
            )
        for candidates in (same, different):
            chosen = np.sort(generator.choice(len(candidates), count, replace=False))
            found += [(str(fold + 1), *candidates[place]) for place in chosen.tolist()]
    return tuple(found)


def _apart(one: LabelledVideo, two: LabelledVideo) -> bool:
    return one.group != two.group


def pair_table(rows: Sequence[Row]) -> bytes:
    """Write pairs as the CSV that the ASLAN protocol reads."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["fold", "id1", "id2", "same", "class1", "class2"])
    for fold, one, two in rows:
        writer.writerow([fold, one.id, two.id, int(one.label == two.label), one.label, two.label])
    return text.getvalue().encode()
