"""LaTeX to PDF, where there is a TeX."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from p3d_eval.errors import UserError
from p3d_eval.files import atomic_output

PDFLATEX = "pdflatex"
_PASSES = 2  # the second one knows the widths and references that the first one wrote
_LIMIT = 120.0  # seconds for a pass


def compile_latex(source: Path, out: Path) -> None:
    """Compile a LaTeX document; an existing ``out`` is replaced.

    Parameters
    ----------
    source : Path
        The document.
    out : Path
        The PDF.

    Raises
    ------
    UserError
        When there is no pdflatex, or it fails; the first error that it names is quoted.
    """
    tex = shutil.which(PDFLATEX)
    if tex is None:
        raise UserError(f"{out}: no {PDFLATEX} was found", "Install TeX (Debian: texlive-latex-recommended)")
    with tempfile.TemporaryDirectory() as folder:
        shutil.copyfile(source, Path(folder, "document.tex"))
        for _ in range(_PASSES):
            _pass(tex, Path(folder), source)
        with atomic_output(out, overwrite=True) as temporary:
            shutil.copyfile(Path(folder, "document.pdf"), temporary)


def _pass(tex: str, folder: Path, source: Path) -> None:
    command = [tex, "-no-shell-escape", "-interaction=nonstopmode", "-halt-on-error", "document.tex"]
    try:
        done = subprocess.run(  # noqa: S603  (our own words, no shell)
            command, cwd=folder, capture_output=True, timeout=_LIMIT, check=False, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        raise UserError(f"{source}: {PDFLATEX} was not done after {_LIMIT:.0f} s") from None
    if done.returncode:
        log = done.stdout.decode("utf-8", "replace").splitlines()
        error = next((line for line in log if line.startswith("!")), "no error was named")
        raise UserError(
            f"{source}: {PDFLATEX} fails: {error}", "The text of the tables is whole without the PDF"
        )
