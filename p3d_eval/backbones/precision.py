"""Arithmetic that a network runs in, by device."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from p3d_eval.errors import UnknownNameError, UserError

REFERENCE = "fp32"  # TF32 off
PRECISIONS = ("fp32", "tf32", "bf16", "fp16")
AUTO = "auto"
COMPILING = ("auto", "on", "off")  # with torch.compile

_LOW_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
_TF32_CAPABILITY = (8, 0)  # CUDA compute capability of the first GPUs with TF32 and bf16 (Ampere)


def resolve_precision(name: str, device: torch.device) -> str:
    """Check a precision against a device; say what ``auto`` is there.

    ``auto`` is fp32 on processors and on GPUs without TF32, and tf32 on others: 10 bits of mantissa as fp16,
    the range of fp32.

    Raises
    ------
    UserError
        When the name is unknown or the device cannot do it.
    """
    if name not in (AUTO, *PRECISIONS):
        raise UnknownNameError("precision", name, (AUTO, *PRECISIONS))
    modern = device.type == "cuda" and torch.cuda.get_device_capability(device) >= _TF32_CAPABILITY
    if name == AUTO:
        return "tf32" if modern else REFERENCE
    if device.type == "cpu":
        if name in ("tf32", "fp16"):
            raise UserError(f"precision {name} needs a GPU", "Choose fp32, bf16 or auto on a CPU")
        if name == "bf16" and not _cpu_has_bf16():
            raise UserError("this processor has no fast bf16 arithmetic", "Choose --precision fp32 or auto")
    elif device.type == "cuda" and name in ("tf32", "bf16") and not modern:
        raise UserError(
            f"{torch.cuda.get_device_name(device)} has no {name} arithmetic", "Choose fp32, fp16 or auto"
        )
    return name


def _cpu_has_bf16() -> bool:
    return bool(torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported())


def low_type(precision: str) -> torch.dtype | None:
    """Type of 16 bits that convolutions and matrix products take, where they do."""
    return _LOW_TYPES.get(precision)


@contextmanager
def arithmetic(precision: str, device: torch.device) -> Iterator[None]:
    """Set TF32 on for ``tf32`` and off for all others, and put it back afterwards."""
    if device.type != "cuda":
        yield
        return
    tf32 = precision == "tf32"
    matmul: Any = torch.backends.cuda.matmul
    before = matmul.allow_tf32
    matmul.allow_tf32 = tf32
    try:
        cudnn: Any = torch.backends.cudnn
        with cudnn.flags(
            enabled=cudnn.enabled,  # the default of ``flags`` would switch cuDNN off
            benchmark=cudnn.benchmark,
            deterministic=cudnn.deterministic,
            allow_tf32=tf32,
        ):
            yield
    finally:
        matmul.allow_tf32 = before


@contextmanager
def autocast(precision: str, device: torch.device) -> Iterator[None]:
    """Run a network as it is written in a type of 16 bits; its other precisions need nothing."""
    low = low_type(precision)
    with torch.autocast(device.type, low or torch.bfloat16, enabled=low is not None):
        yield
