"""What text is shown as when some of its characters would steer what shows it."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p3d_eval.printable import for_terminal, in_order

# Unicode's property Bidi_Control (PropList.txt).
BIDI_CONTROL = {0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)}


@given(st.text())
def test_nothing_is_left_that_turns_the_order_or_steers_a_terminal(text):
    assert not BIDI_CONTROL & set(map(ord, in_order(text)))
    left = {c for c in for_terminal(text) if unicodedata.category(c) == "Cc" or ord(c) in BIDI_CONTROL}
    assert left <= {"\t", "\n"}


@pytest.mark.parametrize("code", sorted(BIDI_CONTROL))
def test_what_turns_the_order_is_named(code):
    assert in_order(f"a{chr(code)}b") == for_terminal(f"a{chr(code)}b") == f"a[U+{code:04X}]b"


@pytest.mark.parametrize("text", ["net", "模型", "نموذج", "👩\u200d🔬", "می\u200cخواهم", "a\tb\nc"])
def test_letters_of_every_script_are_kept(text):
    """The joiners belong to the letters: without them emoji and Persian words are others."""
    assert in_order(text) == for_terminal(text) == text
