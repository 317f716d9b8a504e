"""Text on its way to a reader: characters that would steer what shows it stand as their code points."""

import re

# Marks, embeddings, overrides and isolates of Unicode's bidirectional algorithm (UAX #9, section 2): they
# turn the order of the characters after them, so that a name is read as another, and move its neighbours.
_BIDIRECTIONAL = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_STEERING = re.compile(f"[{_BIDIRECTIONAL}]")
# And all control characters but tabs and line breaks.
_STEERING_A_TERMINAL = re.compile(f"[{_BIDIRECTIONAL}\x00-\x08\x0b-\x1f\x7f-\x9f]")


def in_order(text: str) -> str:
    """``text`` with characters that turn the order of others as code points: ``[U+202E]``."""
    return _STEERING.sub(_code_point, text)


def for_terminal(text: str) -> str:
    """``text`` with what steers a terminal, or turns the order of letters, as code points: ``[U+001B]``."""
    return _STEERING_A_TERMINAL.sub(_code_point, text)


def _code_point(found: re.Match[str]) -> str:
    return f"[U+{ord(found[0]):04X}]"
