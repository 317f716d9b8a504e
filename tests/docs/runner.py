"""Run the code blocks of a page as its reader would, in one folder, from top to bottom."""

import contextlib
import io
import os
import subprocess
import sys
import traceback
from pathlib import Path

from tests.docs.pages import Block, matches

ROOT = Path(__file__).resolve().parents[2]
_LIMIT = 120.0  # seconds for one block
_SHIMS = {
    "p3d-eval": f'exec "{sys.executable}" -m p3d_eval "$@"',
    "python": f'exec "{sys.executable}" "$@"',
}


class BlockError(AssertionError):
    """A block failed, or printed something else than the page says."""


class Reader:
    """Someone who follows one page.

    Parameters
    ----------
    folder : Path
        Where the blocks run; names that the page makes in Python live on from block to block.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._names: dict[str, object] = {"__name__": "__main__"}
        tools = folder / ".bin"
        tools.mkdir()
        for name, command in _SHIMS.items():
            (tools / name).write_text(f"#!/bin/sh\n{command}\n", encoding="utf-8")
            (tools / name).chmod(0o755)
        self._environment = os.environ | {
            "PATH": os.pathsep.join([str(tools), os.environ.get("PATH", "")]),
            "PYTHONPATH": str(ROOT),
            "P3D_EVAL_DATA": str(folder / ".data"),  # what the reader has on this machine must not matter
            "COLUMNS": "100",
            "NO_COLOR": "1",
            "TERM": "dumb",
        }

    def follow(self, block: Block) -> str:
        """Run one block and compare what it prints with the page; return what it printed.

        Raises
        ------
        BlockError
            With the page, the line, the code and what was printed.
        """
        run = self._bash if block.language == "bash" else self._python
        printed, everything, failed = run(block)
        if failed:
            raise BlockError(f"{block.where}: this {block.language} block fails\n{block.code}\n{everything}")
        if block.output is not None and not matches(block.output, printed):
            raise BlockError(
                f"{block.where}: this {block.language} block prints something else\n{block.code}\n"
                f"--- the page says\n{block.output}--- it prints\n{printed}"
            )
        return printed

    def _bash(self, block: Block) -> tuple[str, str, bool]:
        try:
            done = subprocess.run(
                ["bash", "-eu", "-o", "pipefail", "-c", block.code],
                cwd=self.folder,
                env=self._environment,
                capture_output=True,
                text=True,
                timeout=_LIMIT,
                stdin=subprocess.DEVNULL,
            )
        except subprocess.TimeoutExpired:
            return "", f"not done after {_LIMIT:.0f} s", True
        return done.stdout, done.stdout + done.stderr, done.returncode != 0

    def _python(self, block: Block) -> tuple[str, str, bool]:
        printed = io.StringIO()
        # Empty lines before the code make tracebacks name the page's own lines.
        source = "\n" * (block.line - 1) + block.code
        with contextlib.chdir(self.folder), contextlib.redirect_stdout(printed):
            try:
                exec(compile(source, str(block.page), "exec"), self._names)
            except Exception:  # noqa: BLE001 (whatever the page raises is reported)
                return printed.getvalue(), printed.getvalue() + traceback.format_exc(), True
        return printed.getvalue(), printed.getvalue(), False
