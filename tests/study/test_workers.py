"""Processes that do a study's tasks: a crash is the failure of one task."""

import os
from dataclasses import dataclass

import pytest

from p3d_eval.errors import UserError
from p3d_eval.study.tasks import Event
from p3d_eval.study.workers import TaskWorker, perform


@dataclass(frozen=True)
class Act:
    """A task that does what it is told."""

    what: str

    def perform(self, tell):
        if self.what == "die":
            os.abort()
        if self.what == "refuse":
            raise UserError("no", "Say yes: --negatives split")
        if self.what == "break":
            raise ValueError("a\nbug")
        tell(Event("note", "working"))
        return {"answer": os.environ.get("OMP_NUM_THREADS")}


def last(events):
    *_, final = events
    return final


@pytest.mark.parametrize(
    ("what", "kind", "text", "hint"),
    [
        ("work", "done", "", None),
        ("refuse", "failed", "no", 'Say yes: negatives = "split"'),
        ("break", "failed", "internal error: ValueError: a bug", None),
    ],
)
def test_how_a_task_ends_is_told(what, kind, text, hint):
    events = []
    perform(Act(what), events.append)
    assert (events[-1].kind, events[-1].text, events[-1].facts.get("hint")) == (kind, text, hint)


@pytest.mark.parametrize(("what", "error"), [("refuse", "UserError: no"), ("break", "ValueError: a")])
def test_a_failure_brings_its_traceback_for_those_who_debug(what, error):
    events = []
    perform(Act(what), events.append)
    assert error in events[-1].facts["traceback"]


def test_a_process_does_task_after_task_and_its_death_fails_one():
    worker = TaskWorker(threads=3)
    try:
        for what, kind in (("work", "done"), ("refuse", "failed"), ("work", "done")):
            worker.give(Act(what))
            event = worker.hear()
            while event.kind == "note":
                event = worker.hear()
            assert event.kind == kind
        assert event.facts["answer"] == "3"
        worker.give(Act("die"))
        event = worker.hear()
        assert event.kind == "failed"
        assert event.text.startswith("its process died (SIGABRT")
        assert event.facts["died"]
    finally:
        worker.close()
