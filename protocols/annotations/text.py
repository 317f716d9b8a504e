"""Text of annotation files as people really have them: CRLF or LF, with or without a byte-order mark."""

from collections.abc import Iterator

from p3d_eval.errors import UserError


def numbered_lines(name: str, data: bytes) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, stripped text) of every line that is not blank.

    Raises
    ------
    UserError
        When the file is not UTF-8 text, or holds no line at all.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{name}: not a text file (byte {error.start} is not UTF-8)") from None
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise UserError(f"{name}: the list is empty")
    yield from lines
