"""A CUDA device that is not there: tensors that say `cuda:0`, compute on the CPU and refuse what CUDA refuses.

It finds what only a GPU would show otherwise: operands on two devices, NumPy arrays made from device tensors,
tensors made on the CPU by oversight. It says nothing about speed, memory or rounding.
"""

from contextlib import contextmanager
from unittest.mock import patch

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

CUDA = torch.device("cuda:0")
# Operations whose index or mask may lie on the CPU, and those that copy between devices.
_INDEXING = {"aten::index.Tensor", "aten::index_put_", "aten::index_put", "aten::_index_put_impl_"}
_COPYING = {"aten::copy_", "aten::_to_copy"}


class Pretended(torch.Tensor):
    """A tensor of the device, holding its values on the CPU."""

    @staticmethod
    def __new__(cls, inner):
        return torch.Tensor._make_wrapper_subclass(
            cls, inner.size(), strides=inner.stride(), dtype=inner.dtype, device="meta"
        )

    def __init__(self, inner):
        self.inner = inner

    @property
    def device(self):
        """Where the tensor says it is; a build without CUDA holds no tensors of its type."""
        return CUDA

    is_cuda, is_cpu, is_meta = True, False, False  # as its device says

    def __repr__(self):
        return f"Pretended({self.inner!r})"

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return _compute(func, args, kwargs or {})


class _Names(TorchFunctionMode):
    """Writes ``meta`` where a call names CUDA: what a build without CUDA has code for."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is torch.device:
            return func(*args, **(kwargs or {}))
        if func is torch.Tensor.tolist:
            return func(args[0].cpu())
        return func(*tree_map(_renamed, args), **tree_map(_renamed, kwargs or {}))


def _renamed(one):
    named = isinstance(one, torch.device) or (isinstance(one, str) and one.startswith("cuda"))
    return torch.device("meta") if named and torch.device(one).type == "cuda" else one


class _Factories(TorchDispatchMode):
    """Makes the tensors of the pretended device."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return _compute(func, args, kwargs or {})


def _compute(func, args, kwargs):
    name = func._schema.name + (f".{func._schema.overload_name}" if func._schema.overload_name else "")
    tensors = []
    tree_map(lambda one: tensors.append(one) if isinstance(one, torch.Tensor) else None, (args, kwargs))
    pretended = [one for one in tensors if isinstance(one, Pretended)]
    plain = [one for one in tensors if not isinstance(one, Pretended) and one.dim()]
    if pretended and plain and name not in _INDEXING and func._schema.name not in _COPYING:
        raise RuntimeError(f"{name}: Expected all tensors to be on the same device, cuda:0 and cpu")
    wanted = kwargs.get("device")
    on_device = bool(pretended) if wanted is None else torch.device(wanted).type == "meta"
    if func._schema.name == "aten::copy_":
        on_device = isinstance(args[0], Pretended)
    if wanted is not None:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    found = func(*tree_map(_unwrap, args), **tree_map(_unwrap, kwargs))
    if not on_device:
        return found
    originals = {id(one.inner): one for one in pretended}  # what an operation in place gives back

    def wrap(one):
        return originals[id(one)] if id(one) in originals else Pretended(one)

    return tree_map(lambda one: wrap(one) if isinstance(one, torch.Tensor) else one, found)


def _unwrap(one):
    return one.inner if isinstance(one, Pretended) else one


@contextmanager
def pretended_cuda():
    """Make ``device="cuda"`` usable for the time of the block."""
    with (
        patch.object(torch.cuda, "is_available", lambda: True),
        patch.object(torch.cuda, "device_count", lambda: 1),
        patch.object(torch.cuda, "empty_cache", lambda: None),
        patch.object(torch.cuda, "_lazy_init", lambda: None),
        torch.no_grad(),
        _Names(),
        _Factories(),
    ):
        yield
