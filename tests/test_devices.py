"""Devices by name, and halving what does not fit into a device's memory."""

import pytest
import torch

from p3d_eval.devices import find_device, in_halves
from p3d_eval.errors import UserError


def test_devices_by_name():
    auto = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    assert find_device("auto") == auto
    assert find_device(None) == find_device("cpu") == find_device(torch.device("cpu")) == torch.device("cpu")


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("gpu", "device: 'gpu' is unknown"),
        ("cpu:2", "device: 'cpu:2': a CPU has no number"),  # not two of them
        ("meta", "device: 'meta' is not supported"),
        ("xpu", "device: 'xpu' is not supported"),
        ("cuda:99", r"device: 'cuda:99' is not available \(\d+ CUDA devices were found\)"),
    ],
)
def test_devices_that_are_not_there(device, message):
    with pytest.raises(UserError, match=message) as caught:
        find_device(device)
    assert "cpu" in caught.value.hint


def test_a_misspelt_device():
    with pytest.raises(UserError) as caught:
        find_device("cdua")
    assert caught.value.hint == "Did you mean cuda? Choose auto, cpu or cuda"


def test_a_device_counts_from_zero(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert find_device("auto") == find_device("cuda") == torch.device("cuda:0")
    assert find_device("cuda:1").index == 1
    with pytest.raises(UserError, match=r"'cuda:2' is not available \(2 CUDA"):
        find_device("cuda:2")


@pytest.mark.parametrize("room", [1, 2, 3, 7, 100])
def test_halves_until_they_fit(room):
    tried = []

    def work(start, stop):
        tried.append(stop - start)
        if stop - start > room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return list(range(start, stop))

    parts = in_halves(work, 5, 18)
    assert [item for part in parts for item in part] == list(range(5, 18))
    assert max(map(len, parts)) <= room
    assert len(parts) == 1 or max(tried) == 13


def test_not_even_one_fits():
    def work(start, stop):
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(UserError, match="out of memory on the device even with the smallest") as caught:
        in_halves(work, 0, 4)
    assert caught.value.hint == "Use --device cpu"


def test_other_errors_pass():
    def work(start, stop):
        raise RuntimeError("CUDA error: an illegal memory access")

    with pytest.raises(RuntimeError, match="illegal memory"):
        in_halves(work, 0, 4)
