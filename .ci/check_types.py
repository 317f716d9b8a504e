"""Run mypy on the four folders as the one package that they install as.

From the root mypy would not see ``p3d_eval.features`` and its sisters; a folder of links shows them in place.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "build" / "types" / "p3d_eval"


def main() -> int:
    """Link everything into ``build/types/p3d_eval`` and check it."""
    PACKAGE.mkdir(parents=True, exist_ok=True)
    for stale in PACKAGE.iterdir():
        stale.unlink()
    sources = [path for path in (ROOT / "p3d_eval").iterdir() if path.name != "__pycache__"]
    for source in [*sources, ROOT / "features", ROOT / "protocols", ROOT / "reports"]:
        (PACKAGE / source.name).symlink_to(source)
    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), "-p", "p3d_eval"]
    return subprocess.run(command, cwd=PACKAGE.parent, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
