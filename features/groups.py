"""Groups of neighbouring videos: the unit that shares batches, is run again, and goes to one device."""

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class Group:
    """Neighbours in the file's order whose clips share batches.

    Parameters
    ----------
    rows : tuple of int
        All of them, ascending: batches are the same whichever of them are wanted.
    wanted : frozenset of int
        Those whose results are to be stored.
    """

    rows: tuple[int, ...]
    wanted: frozenset[int]


def group_number(row: int, batch_size: int) -> int:
    """Which group a video belongs to: ``batch_size`` neighbours in the file's order are one."""
    return row // batch_size


def groups_of(rows: Collection[int], videos: int, batch_size: int) -> tuple[Group, ...]:
    """Find the groups that have to run so that ``rows`` get their features.

    ``batch_size`` neighbours are a group: with n clips a video that is n full batches, so that nearly
    nothing is lost to padding. The last bit of an activation can depend on a clip's place in its batch, so
    batches never cross groups: a group that is run again, anywhere, gives the same bits.

    Parameters
    ----------
    rows : collection of int
        Videos that still need features, by their place in the file's order.
    videos : int
        All videos of the file.
    batch_size : int
        Clips in a batch.
    """
    wanted: dict[int, set[int]] = {}
    for row in sorted(rows):
        wanted.setdefault(group_number(row, batch_size), set()).add(row)
    return tuple(
        Group(tuple(range(number * batch_size, min((number + 1) * batch_size, videos))), frozenset(found))
        for number, found in wanted.items()
    )
