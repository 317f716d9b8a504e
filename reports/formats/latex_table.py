r"""LaTeX with booktabs: a document that compiles on its own, or the table alone for ``\input``."""

import re
from collections.abc import Sequence

from p3d_eval.reports.formats.text_table import one_line
from p3d_eval.reports.table import Cell, Column, Row, Table

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}",
    "[": "{[}",  # after \\ a bracket would be an optional argument
    "]": "{]}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "÷": r"$\div$",
    "·": r"$\cdot$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "−": r"$-$",
    "→": r"$\rightarrow$",
    "Δ": r"$\Delta$",
    "α": r"$\alpha$",
    "β": r"$\beta$",
    "ε": r"$\epsilon$",
    "µ": r"$\mu$",
    "μ": r"$\mu$",
    "²": "$^2$",
    "³": "$^3$",
    "°": r"$^\circ$",
    "–": "--",
    "—": "---",
    "…": r"\ldots{}",
    "\u2018": "`",
    "\u2019": "'",
    "“": "``",
    "”": "''",
    "\u00a0": "~",
}
_MARKS = {"°": r"\circ", "†": r"\dagger", "‡": r"\ddagger", "§": r"\S", "¶": r"\P", "‖": r"\|", "#": r"\#"}
# Letters that LaTeX's T1 encoding has; anything else gets a stand-in where pdfTeX compiles.
_LETTERS = re.compile("[\x20-\x7eÀ-ÖØ-öø-ÿĂăĄąĆćČčĎďĐđĘęĚěĞğİıŁłŃńŇňŐőŒœŔŕŘřŚśŞşŠšŢţŤťŮůŰűŸŹźŻżŽž]")
_PREAMBLE = r"""\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage{iftex}
\ifpdftex\usepackage[utf8]{inputenc}\fi
\IfFileExists{lmodern.sty}{\usepackage{lmodern}}{}
\usepackage[margin=2cm]{geometry}
\usepackage{booktabs}
"""


def escape(text: str) -> str:
    """``text`` on one line, with everything that is special to LaTeX taken literally."""
    return "".join(_SPECIAL.get(character, character) for character in one_line(text))


def to_latex_fragment(table: Table, caption: str | None = None, label: str | None = None) -> str:
    r"""Draw one ``table`` environment for ``\input``; the document needs ``\usepackage{booktabs}``.

    Parameters
    ----------
    table : Table
        What to draw.
    caption : str, optional
        Plain text; the table's title by default.
    label : str, optional
        Key for ``\ref``; ``tab:p3d-eval-PROTOCOL`` by default.
    """
    alignment = "l" + "".join("l" if column.align == "left" else "r" for column in table.columns)
    headings = [table.first, *(column.heading for column in table.columns)]
    lines = [
        r"\begin{table}[htbp]",
        r"\centering",
        rf"\caption{{{escape(table.title if caption is None else caption)}}}",
        rf"\label{{{label_key(label if label is not None else f'tab:p3d-eval-{table.protocol}')}}}",
        rf"\begin{{tabular}}{{{alignment}}}",
        r"\toprule",
        _line([escape(text) for text in headings]),
    ]
    for group in table.groups:
        lines += [
            r"\midrule",
            rf"\multicolumn{{{len(headings)}}}{{l}}{{\emph{{{escape(group.heading)}}}}} \\",
            *(_line(_cells(row, table.columns)) for row in group.rows),
        ]
    lines += [r"\bottomrule", r"\end{tabular}", *_remarks(table), r"\end{table}"]
    return "\n".join(lines) + "\n"


def to_latex_document(fragments: Sequence[str]) -> str:
    """Wrap drawn tables into a document that compiles with pdfLaTeX, XeLaTeX, LuaLaTeX and Tectonic."""
    body = "\n".join(fragments)
    return f"{_PREAMBLE}{_stand_ins(body)}\\begin{{document}}\n{body}\\end{{document}}\n"


def label_key(label: str) -> str:
    r"""``label`` as a key that ``\label`` takes: letters, digits and ``:.-/``, the rest as ``-``."""
    return re.sub(r"[^A-Za-z0-9:./-]+", "-", label)


def _stand_ins(body: str) -> str:
    """Declare, for pdfTeX alone, a printed code point for characters that its fonts do not have."""
    foreign = sorted({character for character in body if not _LETTERS.match(character)} - {"\n"})
    if not foreign:
        return ""
    lines = [rf"\DeclareUnicodeCharacter{{{ord(c):04X}}}{{\texttt{{U+{ord(c):04X}}}}}" for c in foreign]
    return "\n".join([r"\ifpdftex", *lines, r"\fi", ""])


def _marks(marks: tuple[str, ...]) -> str:
    """Footnote marks as one superscript."""
    symbols = ",".join(" ".join(_MARKS[symbol] for symbol in mark) for mark in marks)
    return f"$^{{{symbols}}}$" if symbols else ""


def _cells(row: Row, columns: tuple[Column, ...]) -> list[str]:
    return [escape(row.label) + _marks(row.marks), *(_cell(row.cells.get(column.key)) for column in columns)]


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return ""
    text = escape(cell.shown)
    if cell.signed:
        text = text.replace("-", "$-$")
    return (rf"\textbf{{{text}}}" if cell.best else text) + _marks(cell.marks)


def _line(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"


def _remarks(table: Table) -> list[str]:
    """Footnotes and notes as a block of small print below the table."""
    notes = [
        _marks((note.mark,)) + (rf"\textbf{{{escape(note.text)}}}" if note.loud else escape(note.text))
        for note in table.footnotes
    ]
    notes += [escape(note) for note in table.notes]
    if table.has_best:
        notes.insert(0, r"\textbf{Bold}: best of the rows that may be compared.")
    if not notes:
        return []
    body = "\\par\n".join(notes)
    return [r"\par\medskip", r"\begin{minipage}{0.95\linewidth}\footnotesize", body, r"\end{minipage}"]
