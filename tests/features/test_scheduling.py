"""Groups among workers that come, go and die, played through without processes."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from p3d_eval.features.groups import Group, groups_of
from p3d_eval.features.scheduling import Schedule


class Player:
    """A worker as `work` behaves: asks while it has groups, computes in order, drains on None."""

    def __init__(self) -> None:
        self.groups: list[Group] = []
        self.asked = False
        self.drains = False


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_every_video_is_settled_once_whoever_dies(data):
    videos, size = data.draw(st.integers(1, 30)), data.draw(st.integers(1, 5))
    wanted = data.draw(st.sets(st.integers(0, videos - 1), min_size=1))
    fatal = data.draw(st.sets(st.sampled_from(sorted(wanted)), max_size=2))  # videos that kill their worker
    groups = groups_of(wanted, videos, size)
    schedule = Schedule(groups)
    players = {number: Player() for number in range(data.draw(st.integers(1, 4)))}
    born = len(players)
    settled: Counter[int] = Counter()
    lost: Counter[int] = Counter()
    moves = 0
    while not schedule.done:
        moves += 1
        assert moves < 2000  # it comes to an end
        able = [name for name, one in players.items() if not one.asked or one.groups]
        name = data.draw(st.sampled_from(sorted(able)))
        player = players[name]
        answers = {}
        if not player.asked and not player.drains:
            player.asked = True
            answers = schedule.ask(name)
        elif player.groups:
            group = player.groups[0]
            if group.wanted & fatal:
                given_up, answers = schedule.lose(name)
                lost.update(given_up)
                del players[name]
                players[born] = Player()
                born += 1
            else:
                player.groups.pop(0)
                for row in sorted(group.wanted):
                    settled[row] += 1
                    schedule.settle(name, row)
        else:
            player.drains = False
        for other, answer in answers.items():
            players[other].asked = False
            if answer is None:
                players[other].drains = True
            else:
                players[other].groups.append(answer)
    killed = {row for group in groups if group.wanted & fatal for row in group.wanted}
    assert settled == Counter(wanted - killed)  # an innocent group is never given up, and none is done twice
    assert lost == Counter(killed)


def test_what_a_dead_worker_had_settled_is_not_done_again():
    schedule = Schedule(groups_of(range(6), 6, 3))
    assert schedule.ask("a")["a"].rows == (0, 1, 2)
    assert schedule.ask("a")["a"].rows == (3, 4, 5)
    schedule.settle("a", 0)
    assert schedule.ask("b") == {}  # nothing is left for it yet
    given_up, answers = schedule.lose("a")
    assert given_up == []
    assert answers == {"b": Group((0, 1, 2), frozenset({1, 2}))}  # all rows run, so that the bits are the same
    assert schedule.ask("b") == {"b": None}  # alone: the next suspect waits until this one is done
    schedule.settle("b", 1)
    schedule.settle("b", 2)
    assert schedule.ask("b") == {"b": Group((3, 4, 5), frozenset({3, 4, 5}))}
