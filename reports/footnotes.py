"""Marks of footnotes: † for results that must not be quoted, ° for differences, the others in order of use."""

from p3d_eval.reports.table import Footnote

LOUD_MARK = "†"
SIGNIFICANT_MARK = "°"
_MARKS = "‡§¶‖#"
_ROUNDS = 2  # ‡, ‡‡; then numbers, since nobody counts five of them


class Footnotes:
    """Remarks collected while a table is built; the same text always gets the same mark."""

    def __init__(self) -> None:
        self._loud: list[Footnote] = []
        self._significant: dict[str, None] = {}
        self._marks: dict[str, str] = {}

    def mark(self, text: str) -> str:
        """Return the mark of a remark, a new one for a new text."""
        if text not in self._marks:
            turn, place = divmod(len(self._marks), len(_MARKS))
            number = len(self._marks) + 1
            self._marks[text] = _MARKS[place] * (turn + 1) if turn < _ROUNDS else f"({number})"
        return self._marks[text]

    def warn(self, text: str) -> str:
        """Return the mark of the loud footnote, the first below the table."""
        self._loud = [Footnote(LOUD_MARK, text, loud=True)]
        return LOUD_MARK

    def significant(self, text: str) -> str:
        """Return the mark of values that differ by more than chance."""
        self._significant[text] = None
        return SIGNIFICANT_MARK

    @property
    def collected(self) -> tuple[Footnote, ...]:
        """All footnotes, the loud one first."""
        tests = [Footnote(SIGNIFICANT_MARK, text) for text in self._significant]
        return (*self._loud, *tests, *(Footnote(mark, text) for text, mark in self._marks.items()))
