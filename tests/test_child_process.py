"""Child processes: what they are given, how they end, what is told of it."""

import sys
import time
from pathlib import Path

import pytest

from p3d_eval.child_process import ChildProcess

CHILD = "tests.support.echo_child"


@pytest.fixture
def start():
    started = []

    def make(*arguments, **options):
        started.append(ChildProcess(CHILD, *arguments, **options))
        return started[-1]

    yield make
    for child in started:
        child.close()


def test_it_sees_what_its_parent_sees(start):
    child = start("cuda:0", 7, environment={"P3D_EVAL_TEST_LIMIT": "3"})
    child.connection.send("arguments")
    arguments, argv, path, limit = child.connection.recv()
    assert arguments == ("cuda:0", 7)
    assert argv == sys.argv
    assert path == [folder or str(Path.cwd()) for folder in sys.path]
    assert limit == "3"


@pytest.mark.parametrize(
    ("order", "keeps_errors", "words"),
    [
        (3, True, "exit status 3: the last words"),
        (3, False, "exit status 3"),
        ("abort", False, "SIGABRT"),
    ],
)
def test_last_words_name_the_signal_or_the_status(start, order, keeps_errors, words):
    child = start(keeps_errors=keeps_errors)
    child.connection.send(order)
    assert child.last_words() == words
    assert child.close() == (order if isinstance(order, int) else -6)


def test_a_module_that_is_not_there_is_named():
    child = ChildProcess("p3d_eval.no_such_module")
    with pytest.raises(EOFError):
        child.connection.recv()
    assert "No module named 'p3d_eval.no_such_module'" in child.last_words()
    child.close()


def test_a_child_ends_by_itself_when_its_connection_closes(start):
    child = start()
    child.connection.send("arguments")
    child.connection.recv()
    assert child.close(grace=60) == 0


def test_a_killed_child_is_not_waited_for(start):
    child = start()
    child.kill()
    began = time.monotonic()
    assert child.close(grace=60) == -9
    assert time.monotonic() - began < 30
