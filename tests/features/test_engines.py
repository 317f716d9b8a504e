"""Which devices and processes the user's words mean."""

import pytest
import torch

from p3d_eval.errors import UnknownNameError, UserError
from p3d_eval.features.engines import choose_devices, choose_engine


@pytest.mark.parametrize(
    ("gpus", "device", "processes", "expected"),
    [
        (0, "cpu", None, ("cpu",)),
        (0, "auto", 3, ("cpu",) * 3),
        (4, "auto", 3, ("cuda:0", "cuda:1", "cuda:2")),
        (4, "cuda:all", None, ("cuda:0", "cuda:1", "cuda:2", "cuda:3")),
        (4, "cuda:all", 2, ("cuda:0", "cuda:1")),
        (4, "cuda:2", None, ("cuda:2",)),
        (4, "cpu", 2, ("cpu", "cpu")),
        (0, "cuda:all", None, "no GPU was found"),
        (2, "cuda", 3, "3 processes need as many GPUs, 2 were found"),
        (2, "cuda:1", 2, "2 processes on the one device 'cuda:1'"),
        (0, "cpu", 0, "--processes 0: must be 1 at least"),
    ],
)
def test_devices_are_chosen_or_refused(monkeypatch, gpus, device, processes, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    if isinstance(expected, tuple):
        assert choose_devices(device, processes) == expected
        engine = choose_engine(device=device, processes=processes)
        assert engine.device == expected[0]
        assert bool(engine.notice) == (len(expected) > 1 and device != "cpu" and gpus > 0)
    else:
        with pytest.raises(UserError, match=expected):
            choose_engine(device=device, processes=processes)


def test_engines_that_do_not_fit_are_refused():
    with pytest.raises(UnknownNameError, match=r"(?s)unknown engine 'rya'.*Did you mean ray"):
        choose_engine("rya")
    with pytest.raises(UserError, match=r"(?s)--address head:6379 without a cluster.*--engine ray"):
        choose_engine(address="head:6379")
