"""Which worker computes which group, and what becomes of the groups of a worker that died."""

from collections import deque
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from p3d_eval.features.groups import Group


@dataclass
class _Share:
    """What a worker has in hand: its groups, each without the videos that are settled, and how it got them."""

    groups: dict[Group, set[int]] = field(default_factory=dict)
    alone: bool = False


class Schedule:
    """Hand groups out to workers that ask, until every wanted video is settled.

    Groups go to whoever asks first. Those that a dead worker had in hand are tried again, each alone on a
    worker that has nothing else, so that one that kills its worker takes no other with it. After
    ``attempts`` deaths the videos of a group are given up.

    Parameters
    ----------
    groups : iterable of Group
        All of the work.
    attempts : int
        How often a group may be begun.
    """

    def __init__(self, groups: Iterable[Group], attempts: int = 2) -> None:
        self._fresh = deque(groups)
        self._suspects: deque[Group] = deque()
        self._attempts = attempts
        self._deaths: dict[tuple[int, ...], int] = {}
        self._shares: dict[Hashable, _Share] = {}
        self._parked: deque[Hashable] = deque()

    @property
    def done(self) -> bool:
        """Whether nothing is left to hand out and nothing is in hand."""
        return not (self._fresh or self._suspects or any(share.groups for share in self._shares.values()))

    @property
    def waiting(self) -> int:
        """Groups that nobody has in hand."""
        return len(self._fresh) + len(self._suspects)

    def ask(self, worker: Hashable) -> Mapping[Hashable, Group | None]:
        """Take a worker's wish for one more group; return what to answer, and to whom.

        None tells the worker to finish what it has first. A worker that has nothing and gets no answer
        waits until there is something for it.
        """
        share = self._shares.setdefault(worker, _Share())
        if not share.groups:
            share.alone = False
            self._parked.append(worker)
            return self._wake()
        if share.alone or self._suspects or not self._fresh:
            return {worker: None}
        return {worker: self._give(share, self._fresh.popleft())}

    def settle(self, worker: Hashable, row: int) -> None:
        """Note that a video's result has come."""
        groups = self._shares[worker].groups
        for group, left in list(groups.items()):
            left.discard(row)
            if not left:
                del groups[group]

    def lose(self, worker: Hashable) -> tuple[list[int], Mapping[Hashable, Group | None]]:
        """Note that a worker died; return the videos to give up, and answers to workers that wait."""
        share = self._shares.pop(worker, _Share())
        if worker in self._parked:
            self._parked.remove(worker)
        given_up: list[int] = []
        for group, left in share.groups.items():
            deaths = self._deaths[group.rows] = self._deaths.get(group.rows, 0) + 1
            if deaths < self._attempts:
                self._suspects.append(replace(group, wanted=frozenset(left)))
            else:
                given_up += sorted(left)
        return given_up, self._wake()

    def _wake(self) -> dict[Hashable, Group | None]:
        """Give what there is to workers that have nothing."""
        answers: dict[Hashable, Group | None] = {}
        while self._parked and self.waiting:
            worker = self._parked.popleft()
            share = self._shares[worker]
            share.alone = bool(self._suspects)
            answers[worker] = self._give(share, (self._suspects or self._fresh).popleft())
        return answers

    def _give(self, share: _Share, group: Group) -> Group:
        share.groups[group] = set(group.wanted)
        return group
