"""Where a number comes from: hashes, package versions, the machine and the command line."""

import hashlib
import json
import os
import platform
import shlex
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_CHUNK = 1 << 20
_TRACED_PACKAGES = ("p3d-eval", "torch", "numpy", "scipy", "scikit-learn", "h5py", "av")


def sha256_bytes(data: bytes) -> str:
    """Hexadecimal SHA-256 of ``data``."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Hexadecimal SHA-256 of a file, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_CHUNK):
            digest.update(block)
    return digest.hexdigest()


def sha256_files(first: Path, *others: Path) -> str:
    """SHA-256 of a file; with others, of all their hashes in this order."""
    digests = [sha256_file(path) for path in (first, *others)]
    return digests[0] if not others else sha256_json(digests)


def sha256_json(value: Any) -> str:
    """SHA-256 of a JSON value in canonical form (sorted keys, no spaces)."""
    return sha256_bytes(json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode())


def package_versions() -> dict[str, str]:
    """Versions of the packages that numbers depend on."""
    found = {"python": platform.python_version()}
    for name in _TRACED_PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """Operating system, processor and logical cores of this machine."""
    return {"system": platform.platform(), "processor": platform.machine(), "cores": os.cpu_count()}


def command_line() -> str:
    """Return the command that runs, quoted so that a shell takes it back."""
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


def now() -> str:
    """Return the time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
