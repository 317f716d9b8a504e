"""Groups computed by workers elsewhere, in whatever order they finish; workers may die and come anew."""

from collections.abc import Generator, Hashable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from p3d_eval.errors import UserError
from p3d_eval.features.groups import Group
from p3d_eval.features.planning import ExtractionPlan
from p3d_eval.features.results import Outcome, VideoResult
from p3d_eval.features.scheduling import Schedule
from p3d_eval.features.worker import Broken, Message, Want

_DEATHS = 10  # of workers without a video in between: something else than a video kills them
_DEATHS_AT_FIRST = 3  # the same, before the first worker asks for something


class Died:
    """What a crew says of a worker that ended by itself.

    Parameters
    ----------
    how : str
        Signal, exit status, last words.
    """

    def __init__(self, how: str) -> None:
        self.how = how


class Crew(AbstractContextManager["Crew"], Protocol):
    """Workers, each running `p3d_eval.features.worker.work`; leaving the context ends them all."""

    attempts: int  # how often a group may be begun

    def listen(self, waiting: int) -> Iterator[tuple[Hashable, Message | Died]]:
        """Wait a moment for messages, and replace workers that died while ``waiting`` groups need some."""

    def answer(self, worker: Hashable, group: Group | None) -> None:
        """Answer a worker's `Want`."""


def compute_with(crew: Crew, plan: ExtractionPlan, groups: Iterable[Group]) -> Generator[Outcome]:
    """Compute ``groups`` with a crew.

    Parameters
    ----------
    crew : Crew
        Entered here, and left when the generator ends or is closed.
    plan : ExtractionPlan
        The extraction.
    groups : iterable of Group
        What to compute.

    Yields
    ------
    ClipResult or VideoResult
        A video's clips in order, then the video; videos of different groups in any order. Clips of a video
        whose worker dies come again from the first one on.

    Raises
    ------
    P3DEvalError, RuntimeError
        When a worker met an error that no other would be spared, or one after the other dies.
    """
    schedule = Schedule(groups, crew.attempts)
    deaths, most = 0, _DEATHS_AT_FIRST  # in a row
    with crew:
        while not schedule.done:
            for worker, message in crew.listen(schedule.waiting):
                if isinstance(message, Want):
                    most = _DEATHS
                    answers = schedule.ask(worker)
                elif isinstance(message, Died):
                    deaths += 1
                    if deaths >= most:
                        raise UserError(
                            f"{deaths} workers died in a row; the last one: {message.how}",
                            "If memory is short: fewer --processes, fewer --workers, a smaller --batch-size",
                        )
                    given_up, answers = schedule.lose(worker)
                    reason = f"{crew.attempts} workers died at it or its neighbours ({message.how})"
                    yield from (VideoResult(row, plan.videos[row].id, reason=reason) for row in given_up)
                elif isinstance(message, Broken):
                    raise _raised(message)
                else:
                    answers = {}
                    if isinstance(message, VideoResult):
                        deaths = 0
                        schedule.settle(worker, message.row)
                    yield message
                for asking, group in answers.items():
                    crew.answer(asking, group)


def _raised(broken: Broken) -> Exception:
    if broken.error is not None:
        return broken.error
    error = RuntimeError(broken.what)
    error.add_note(f"In a worker:\n{broken.trace}")
    return error
