"""Compiling LaTeX and reading what a PDF shows; tests skip where a tool is not installed."""

import shutil
import subprocess

import pytest

PDFLATEX, PDFTOTEXT = shutil.which("pdflatex"), shutil.which("pdftotext")
needs_tex = pytest.mark.skipif(
    PDFLATEX is None or PDFTOTEXT is None,
    reason="pdflatex or pdftotext is not installed; `make test-all` installs what this test needs (Debian)",
)


def compile_pdf(folder, document, runs=1):
    """Compile a document; return its log, where a line is not broken, and the text of its pages."""
    (folder / "document.tex").write_text(document, encoding="utf-8")
    command = [PDFLATEX, "-interaction=nonstopmode", "-halt-on-error", "document.tex"]
    for _ in range(runs):
        done = subprocess.run(command, cwd=folder, capture_output=True, timeout=120)
        log = done.stdout.decode("utf-8", "replace")
        assert done.returncode == 0, log
    reading = [PDFTOTEXT, "-layout", "document.pdf", "-"]
    text = subprocess.run(reading, cwd=folder, capture_output=True, check=True, timeout=60).stdout
    return log, text.decode("utf-8").split("\f")[:-1]
