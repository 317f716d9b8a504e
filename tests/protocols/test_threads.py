"""Arithmetic on fewer threads: the caller's number, and that of threads born meanwhile, stay as they were."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from p3d_eval.protocols import leave_one_out as module
from p3d_eval.protocols.leave_one_out import leave_one_out
from p3d_eval.protocols.threads import in_streams, own_threads


def born_now():
    """The number of threads that a new Python thread computes with."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(torch.get_num_threads).result()


@pytest.fixture(autouse=True)
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_only_the_calling_thread_is_given_another_number():
    with own_threads(1):
        assert (torch.get_num_threads(), born_now()) == (1, 3)
    assert (torch.get_num_threads(), born_now()) == (3, 3)


def test_a_caller_with_a_number_of_its_own_keeps_it():
    def called():
        torch.get_num_threads()
        torch.set_num_threads(2)
        with ThreadPoolExecutor(1) as other:
            other.submit(torch.set_num_threads, 3).result()
        with own_threads(1):
            inside = torch.get_num_threads()
        return inside, torch.get_num_threads(), born_now()

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(called).result() == (1, 2, 3)


def test_streams_have_their_share_and_others_what_they_had():
    def work(part):
        return part, torch.get_num_threads(), born_now()

    found = in_streams(work, 64, torch.device("cpu"), 4)
    assert found == [(slice(0, 32), 2, 3), (slice(32, 64), 2, 3)]
    assert (torch.get_num_threads(), born_now()) == (3, 3)


def test_leaving_one_out_takes_one_thread_from_nobody_else(monkeypatch):
    seen, solve = [], module.solve_in_gram

    def watched(*arguments):
        seen.append((torch.get_num_threads(), born_now()))
        return solve(*arguments)

    monkeypatch.setattr(module, "solve_in_gram", watched)
    generator = np.random.default_rng(0)
    leave_one_out(generator.normal(size=(12, 3)), np.arange(12) % 3)
    assert seen == [(1, 3)]
    assert (torch.get_num_threads(), born_now()) == (3, 3)


def test_the_number_comes_back_after_an_error():
    with pytest.raises(KeyError), own_threads(1):
        raise KeyError
    assert (torch.get_num_threads(), born_now()) == (3, 3)
