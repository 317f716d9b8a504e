"""The runner finds what is wrong with a page."""

import pytest

from tests.docs.pages import blocks, matches
from tests.docs.runner import BlockError, Reader


def page_of(folder, text):
    page = folder / "page.md"
    page.write_text(text, encoding="utf-8")
    return blocks(page)


@pytest.fixture
def reader(tmp_path):
    folder = tmp_path / "reader"
    folder.mkdir()
    return Reader(folder)


def test_blocks_are_found_with_lines_reasons_and_outputs(tmp_path):
    found = page_of(
        tmp_path,
        "# Title\n\n```bash\necho a\n```\n\n<!-- output -->\n```text\na\n```\n\n```toml\nx = 1\n```\n\n"
        "<!-- no-test: needs a GPU -->\n\n```python\nraise SystemExit\n```\n\n```text\nnot an output\n```\n",
    )
    first, second = found
    assert (first.line, first.language, first.code, first.output) == (4, "bash", "echo a\n", "a\n")
    assert (second.language, second.skipped, second.output) == ("python", "needs a GPU", None)


def test_a_marker_belongs_to_the_next_block_only(tmp_path):
    found = page_of(tmp_path, "<!-- no-test: slow -->\n```bash\na\n```\n```bash\nb\n```\n")
    assert [block.skipped for block in found] == ["slow", None]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("```bash\necho\n", "page.md:1: this block has no end"),
        ("<!-- output -->\n```text\na\n```\n", "page.md:2: output of no code block"),
    ],
)
def test_a_malformed_page_is_refused(tmp_path, text, complaint):
    with pytest.raises(ValueError, match=complaint):
        page_of(tmp_path, text)


@pytest.mark.parametrize(
    ("promised", "printed", "same"),
    [
        ("a  b\n", "a b", True),
        ("a\nb", "a b", True),
        ("took … s", "took 1.25 s", True),
        ("…\nend", "many\nlines\nend", True),
        ("a…", "a", True),
        ("took … s", "took 1.25 min", False),
        ("a.c", "abc", False),
        ("a", "a b", False),
    ],
)
def test_outputs_are_compared_up_to_whitespace_and_wildcards(promised, printed, same):
    assert matches(promised, printed) is same


def test_blocks_share_a_folder_and_python_names(tmp_path, reader):
    steps = page_of(
        tmp_path,
        "```python\nx = 41\nopen('made.txt', 'w').write('hello')\n```\n```bash\ncat made.txt\n```\n"
        "<!-- output -->\n```text\nhello\n```\n"
        "```python\nprint(x + 1)\n```\n<!-- output -->\n```text\n42\n```\n",
    )
    assert [reader.follow(block) for block in steps] == ["", "hello", "42\n"]


def test_p3d_eval_is_the_checkouts(tmp_path, reader):
    (block,) = page_of(
        tmp_path, "```bash\np3d-eval --version\n```\n<!-- output -->\n```text\np3d-eval …\n```\n"
    )
    reader.follow(block)


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        (
            "```bash\n\necho before; false; echo after\n```\n",
            r"page.md:2: this bash block fails\n[\s\S]*before",
        ),
        ("```bash\nfalse | true\n```\n", "this bash block fails"),
        ("```bash\necho $unset_name\n```\n", "unset_name: unbound variable"),
        ("```python\nfine = 1\n1 / 0\n```\n", r'page.md", line 3[\s\S]*ZeroDivisionError'),
        (
            "```python\nprint(1)\n```\n<!-- output -->\n```text\n2\n```\n",
            r"prints something else[\s\S]*says\n2\n[\s\S]*\n1\n",
        ),
    ],
)
def test_a_failing_block_shows_page_line_and_output(tmp_path, reader, code, complaint):
    (block,) = page_of(tmp_path, code)
    with pytest.raises(BlockError, match=complaint):
        reader.follow(block)
