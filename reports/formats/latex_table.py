r"""LaTeX with booktabs: a document that compiles on its own, or the table alone for ``\input``."""

import re
from collections.abc import Iterator, Sequence

from p3d_eval.errors import UserError
from p3d_eval.reports.formats.text_table import display_width, one_line
from p3d_eval.reports.table import Cell, Column, Group, Row, Table

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
# Letters that LaTeX's T1 encoding has; anything else gets a stand-in where a font may lack it.
_LETTERS = re.compile("[\x20-\x7eÀ-ÖØ-öø-ÿĂăĄąĆćČčĎďĐđĘęĚěĞğİıŁłŃńŇňŐőŒœŔŕŘřŚśŞşŠšŢţŤťŮůŰűŸŹźŻżŽž]")
# With glyphtounicode the marks of footnotes, in fonts of mathematics, are copied from the PDF as what they are.
_PREAMBLE = r"""\documentclass{article}
\usepackage{iftex}
\ifluatex
\protected\def\pdfglyphtounicode{\pdfextension glyphtounicode}
\pdfvariable gentounicode=1
\fi
\ifpdftex
\pdfgentounicode=1
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\IfFileExists{lmodern.sty}{\usepackage{lmodern}}{}
\fi
\ifdefined\pdfglyphtounicode
\IfFileExists{glyphtounicode.tex}{\input{glyphtounicode}\pdfglyphtounicode{bardbl}{2016}}{}
\fi
\usepackage[margin=2cm]{geometry}
\usepackage{booktabs}
\usepackage{graphicx}
"""
# pdfTeX stops at a letter that the document declares nowhere; the other engines drop what their font lacks.
# Brackets part a code point from the letters that follow, which may be its digits: U+7EDC and B.
_STAND_IN = r"""\ifdefined\standin\else\ifdefined\Umathchar
\protected\def\standin#1#2{\iffontchar\font"#1 #2\else\texttt{[U+#1]}\fi}
\else
\protected\def\standin#1#2{\ifcsname u8:\detokenize{#2}\endcsname#2\else\texttt{[U+#1]}\fi}
\fi\fi
"""
_LONG_WORD = 24  # letters; longer ones, such as file names, get places where a line may break
_STEP = 12  # letters between such places where nothing suggests one
_LONG_LABEL = 44  # letters of a label that is folded
_LABEL_WIDTH = r"0.4\linewidth"
_ROWS_A_PAGE = 36  # lines of a table on one page; a float that is higher runs off it
_REMARKS_A_FLOAT = 2500  # letters of remarks that stay with the table; more go below it, where pages may break


def escape(text: str) -> str:
    """``text`` on one line, with everything that is special to LaTeX taken literally."""
    return "".join(_SPECIAL.get(character, character) for character in one_line(text))


def to_latex_fragment(table: Table, caption: str | None = None, label: str | None = None) -> str:
    r"""Draw one ``table`` environment for ``\input``; the document needs the packages booktabs and graphicx.

    A table that is wider than the line is scaled to it (without graphicx it is not), one that is longer than a
    page goes on in further floats of the same number.

    Parameters
    ----------
    table : Table
        What to draw.
    caption : str, optional
        Plain text; the table's title by default.
    label : str, optional
        Key for ``\ref``; ``tab:p3d-eval-PROTOCOL`` by default.

    Raises
    ------
    UserError
        When ``label`` has a character that a key cannot have.
    """
    title = escape(table.title if caption is None else caption)
    key = f"tab:p3d-eval-{label_key(table.protocol)}" if label is None else require_key(label)
    remarks = _remarks(table)
    apart = sum(map(len, remarks)) > _REMARKS_A_FLOAT
    pages = list(_pages(table.groups))
    lines = []
    for number, groups in enumerate(pages):
        lines += [r"\begin{table}[htbp]", r"\centering"]
        if number:
            lines += [r"\addtocounter{table}{-1}", rf"\caption{{{title} (continued)}}"]
        else:
            lines += [rf"\caption{{{title}}}", rf"\label{{{key}}}"]
        lines += [r"\par\smallskip", *_tabular(table, groups)]  # article's captions have no space below
        if number == len(pages) - 1 and remarks and not apart:
            lines += [r"\par\medskip", r"\begin{minipage}{0.95\linewidth}\footnotesize"]
            lines += ["\\par\n".join(remarks), r"\end{minipage}"]
        lines.append(r"\end{table}")
    if apart:
        lines += [r"\begingroup\footnotesize\noindent", "\\par\\noindent\n".join(remarks), r"\par\endgroup"]
    return with_stand_ins("\n".join(lines) + "\n")


def _pages(groups: Sequence[Group]) -> Iterator[tuple[Group, ...]]:
    """Cut groups into pages; a group that goes on has its heading again."""
    page: list[Group] = []
    left = _ROWS_A_PAGE
    for group in (one for one in groups if one.rows):
        rows: list[Row] = []
        left -= 1
        for row in group.rows:
            height = 1 + display_width(row.label) // _LONG_LABEL
            if height > left and (rows or page):
                yield (*page, Group(group.heading, tuple(rows))) if rows else tuple(page)
                page, rows, left = [], [], _ROWS_A_PAGE - 1
            rows.append(row)
            left -= height
        page.append(Group(group.heading, tuple(rows)))
    yield tuple(page)


def _tabular(table: Table, groups: Sequence[Group]) -> list[str]:
    """Draw the rows, scaled to the line where they are wider."""
    alignment = "l" + "".join("l" if column.align == "left" else "r" for column in table.columns)
    headings = [table.first, *(column.heading for column in table.columns)]
    lines = [
        rf"\sbox0{{\begin{{tabular}}{{{alignment}}}",
        r"\toprule",
        _line([escape(text) for text in headings]),
    ]
    for group in groups:
        lines += [
            r"\midrule",
            rf"\multicolumn{{{len(headings)}}}{{l}}{{\emph{{{escape(group.heading)}}}}} \\",
            *(_line(_cells(row, table.columns)) for row in group.rows),
        ]
    fit = r"\ifdim\wd0>\linewidth\ifdefined\resizebox\resizebox{\linewidth}{!}{\usebox0}"
    return [*lines, r"\bottomrule", r"\end{tabular}}%", fit + r"\else\usebox0\fi\else\usebox0\fi"]


def to_latex_document(fragments: Sequence[str]) -> str:
    """Wrap drawn tables into a document that compiles with pdfLaTeX, XeLaTeX, LuaLaTeX and Tectonic."""
    body = "\n".join(fragments)
    return f"{_PREAMBLE}\\begin{{document}}\n{body}\\end{{document}}\n"


def label_key(name: str) -> str:
    r"""``name`` as a part of a key that ``\label`` takes: letters, digits and ``:.-/``, the rest as ``-``."""
    return re.sub(r"[^A-Za-z0-9:./-]+", "-", name)


def require_key(label: str) -> str:
    r"""Return a key as it was given, since a ``\ref`` elsewhere names it so.

    Raises
    ------
    UserError
        When it has a character that not every ``\label`` and ``\ref`` takes, or none at all.
    """
    wrong = "".join(dict.fromkeys(re.findall(r"[^A-Za-z0-9:./_+-]", label)))
    if wrong or not label:
        told = f"{wrong!r} cannot stand in a key" if wrong else "empty"
        raise UserError(
            f"label {label!r}: {told}",
            "Use letters without accents, digits and : . / _ + -",
        )
    return label


def breakable(text: str) -> str:
    """``text`` as :func:`escape` writes it, with places in long words where a line may break."""
    return " ".join(
        r"\allowbreak{}".join(escape(part) for part in _parts(word)) if len(word) > _LONG_WORD else escape(word)
        for word in one_line(text).split()
    )


def _parts(word: str) -> Iterator[str]:
    """Cut a long word behind its punctuation, and where there is none, every few letters."""
    for part in re.findall(r"[^_./:+=,;\-]*[_./:+=,;\-]+|[^_./:+=,;\-]+", word):
        yield from (part[at : at + _STEP] for at in range(0, len(part), _STEP))


def with_stand_ins(body: str) -> str:
    """Print the code point of every character that neither the font has nor the document declares."""

    def wrapped(character: str) -> str:
        if character == "\n" or _LETTERS.match(character):
            return character
        return rf"\standin{{{ord(character):04X}}}{{{character}}}"

    written = "".join(map(wrapped, body))
    return body if written == body else _STAND_IN + written


def _marks(marks: tuple[str, ...]) -> str:
    """Footnote marks as one superscript."""
    symbols = ",".join(" ".join(_MARKS.get(symbol, symbol) for symbol in mark) for mark in marks)
    return f"$^{{{symbols}}}$" if symbols else ""


def _cells(row: Row, columns: tuple[Column, ...]) -> list[str]:
    label = breakable(row.label)
    if display_width(row.label) > _LONG_LABEL:
        label = rf"\parbox[t]{{{_LABEL_WIDTH}}}{{\raggedright\strut {label}{_marks(row.marks)}\strut}}"
    else:
        label += _marks(row.marks)
    return [label, *(_cell(row.cells.get(column.key)) for column in columns)]


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return ""
    text = escape(cell.shown)
    if cell.signed:
        text = text.replace("-", "$-$")
    if cell.best or cell.second:
        text = rf"\textbf{{{text}}}" if cell.best else rf"\underline{{{text}}}"
    return text + _marks(cell.marks)


def _line(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"


def _remarks(table: Table) -> list[str]:
    """Footnotes and notes, a paragraph each."""
    remarks = [rf"\textbf{{Bold}}: {escape(table.best_means)}."] if table.has_best else []
    remarks += [r"\underline{Underlined}: second."] if table.has_second else []
    remarks += [
        _marks((note.mark,)) + (rf"\textbf{{{breakable(note.text)}}}" if note.loud else breakable(note.text))
        for note in table.footnotes
    ]
    return remarks + [breakable(note) for note in table.notes]
