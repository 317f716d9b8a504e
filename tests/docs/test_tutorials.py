"""Every code block of the tutorials runs, in order, and prints what the page says."""

from pathlib import Path

import pytest

from tests.docs.pages import blocks
from tests.docs.runner import ROOT, Reader

DOCS = ROOT / "docs"
PAGES = [
    DOCS / "getting-started.md",
    DOCS / "backbones" / "collections.md",
    *sorted((DOCS / "tutorials").glob("*.md")),
]
NOT_RUN = [block for page in PAGES for block in blocks(page) if block.skipped]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page(page: Path, tmp_path):
    reader = Reader(tmp_path)
    for block in blocks(page):
        if not block.skipped:
            reader.follow(block)


@pytest.mark.parametrize("block", NOT_RUN, ids=lambda block: block.where)
def test_block_that_is_not_run(block):
    pytest.skip(f"{block.where}: {block.skipped}")


def test_every_page_has_code_that_runs():
    assert len(PAGES) >= 2
    for page in PAGES:
        assert any(not block.skipped for block in blocks(page)), page
