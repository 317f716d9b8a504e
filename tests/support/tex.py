"""Compiling LaTeX and reading what a PDF shows; tests skip where a tool is not installed."""

import shutil
import subprocess

import pytest


def needs(*programs):
    """Skip a test where a program is not installed."""
    return pytest.mark.skipif(
        not all(map(shutil.which, programs)),
        reason=f"{' or '.join(programs)} is not installed; `make test-all` installs what is needed (Debian)",
    )


SAME_SIGNS = str.maketrans("∆◦", "Δ∘")  # what Computer Modern's fonts call them, and Latin Modern's
needs_tex = needs("pdflatex", "pdftotext")


def compile_pdf(folder, document, runs=1, engine="pdflatex"):
    """Compile a document; return its log, where a line is not broken, and the text of its pages."""
    (folder / "document.tex").write_text(document, encoding="utf-8")
    command = [engine, "-interaction=nonstopmode", "-halt-on-error", "document.tex"]
    for _ in range(runs):
        done = subprocess.run(command, cwd=folder, capture_output=True, timeout=120)
        log = done.stdout.decode("utf-8", "replace")
        assert done.returncode == 0, log
    reading = ["pdftotext", "-layout", "document.pdf", "-"]
    text = subprocess.run(reading, cwd=folder, capture_output=True, check=True, timeout=60).stdout
    return log, text.decode("utf-8").translate(SAME_SIGNS).split("\f")[:-1]
