"""Where to compute: a device by the name that users type."""

import torch

from p3d_eval.errors import UserError


def find_device(device: str | torch.device | None) -> torch.device:
    """Return the device called ``cpu`` (or None), ``cuda``, ``cuda:1``, or ``auto``: CUDA where there is one.

    Raises
    ------
    UserError
        When PyTorch does not know the device, or this machine does not have it.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device or "cpu")
    except RuntimeError as error:
        raise UserError(f"device: {device!r} is unknown", "Choose auto, cpu or cuda") from error
    if found.type not in ("cpu", "cuda"):
        raise UserError(f"device: {device!r} is not supported", "Choose auto, cpu or cuda")
    if found.type == "cuda" and (found.index or 0) >= torch.cuda.device_count():
        raise UserError(
            f"device: {device!r} is not available ({torch.cuda.device_count()} CUDA devices were found)",
            "Choose cpu or auto",
        )
    return found
