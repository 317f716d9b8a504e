"""Code blocks of a Markdown page, in order, with the output that the page promises.

A fenced block of ``bash`` or ``python`` is code. Before a block may stand, on a line of its own:

- ``<!-- no-test: reason -->``: the block is not run, and is listed as skipped with that reason;
- ``<!-- output -->``: the following ``text`` block is what the code block before it prints.
"""

import re
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^```(\w*)[^\n]*$")
_NO_TEST = re.compile(r"^<!--\s*no-test:\s*(.+?)\s*-->$")
_OUTPUT = re.compile(r"^<!--\s*output\s*-->$")
_CODE = {"bash", "python"}


@dataclass
class Block:
    """One code block: its language, text, line in the page (of its first line of code), and what it prints."""

    page: Path
    line: int
    language: str
    code: str
    skipped: str | None = None
    output: str | None = None

    @property
    def where(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """Return the page's code blocks; raise ValueError where the page is not what this module describes."""
    found: list[Block] = []
    lines = page.read_text(encoding="utf-8").splitlines()
    number, marker = 0, ""
    while number < len(lines):
        text = lines[number].strip()
        number += 1
        fence = _FENCE.match(text)
        if fence is None:
            if text:
                marker = text
            continue
        try:
            end = next(i for i in range(number, len(lines)) if lines[i].strip() == "```")
        except StopIteration:
            raise ValueError(f"{page.name}:{number}: this block has no end") from None
        code = "\n".join(lines[number:end]) + "\n"
        if fence[1] in _CODE:
            reason = _NO_TEST.match(marker)
            found.append(Block(page, number + 1, fence[1], code, reason[1] if reason else None))
        elif _OUTPUT.match(marker):
            if not found or found[-1].output is not None:
                raise ValueError(f"{page.name}:{number}: output of no code block")
            found[-1].output = code
        number, marker = end + 1, ""
    return found


def matches(promised: str, printed: str) -> bool:
    """Whether a block printed what the page promises: whitespace counts once, ``…`` stands for anything."""
    parts = [re.escape(" ".join(part.split())) for part in promised.split("…")]
    return re.fullmatch(r"\s?.*?\s?".join(parts), " ".join(printed.split()), re.DOTALL) is not None
