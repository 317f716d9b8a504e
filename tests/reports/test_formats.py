"""What each format draws: golden small outputs, and what a reader of the format gets back."""

import io
import json
from html.parser import HTMLParser

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from p3d_eval.errors import UnknownNameError
from p3d_eval.reports import FORMATS, Report, build_tables, render
from p3d_eval.reports.formats.text_table import display_width, one_line
from p3d_eval.reports.table import Cell
from tests.support.results import ucf101_result
from tests.support.tables import SMALL, everything


def test_text_golden():
    assert render(SMALL, "text") == (
        "Toy\n"
        "─────────────────────────────────────────\n"
        "Method      Model   Accuracy (%)  AUC (%)\n"
        "─────────────────────────────────────────\n"
        "measured\n"
        "  a_b†      linear   80.8 ± 0.4*   87.9‡\n"
        "published\n"
        "  MIP & co                 65.5\n"
        "─────────────────────────────────────────\n"
        "* best of the rows that may be compared\n"
        "† NOT CONVERGED\n"
        "‡ pooled\n"
        "A note.\n"
    )


def test_markdown_golden():
    assert render(SMALL, "markdown") == (
        "**Toy**\n"
        "\n"
        "| Method | Model | Accuracy (%) | AUC (%) |\n"
        "| :-- | :-- | --: | --: |\n"
        "| *measured* |  |  |  |\n"
        "| a\\_b† | linear | **80.8 ± 0.4** | 87.9‡ |\n"
        "| *published* |  |  |  |\n"
        "| MIP & co |  | 65.5 |  |\n"
        "\n"
        "- **bold**: best of the rows that may be compared\n"
        "- † **NOT CONVERGED**\n"
        "- ‡ pooled\n"
        "- A note.\n"
    )


def test_latex_golden():
    assert Report((SMALL,)).to_latex(standalone=False, caption="50% & more", label="tab:x-y") == (
        "\\begin{table}[htbp]\n"
        "\\centering\n"
        "\\caption{50\\% \\& more}\n"
        "\\label{tab:x-y}\n"
        "\\par\\smallskip\n"
        "\\sbox0{\\begin{tabular}{llrr}\n"
        "\\toprule\n"
        "Method & Model & Accuracy (\\%) & AUC (\\%) \\\\\n"
        "\\midrule\n"
        "\\multicolumn{4}{l}{\\emph{measured}} \\\\\n"
        "a\\_b$^{\\dagger}$ & linear & \\textbf{80.8 $\\pm$ 0.4} & 87.9$^{\\ddagger}$ \\\\\n"
        "\\midrule\n"
        "\\multicolumn{4}{l}{\\emph{published}} \\\\\n"
        "MIP \\& co &  & 65.5 &  \\\\\n"
        "\\bottomrule\n"
        "\\end{tabular}}%\n"
        "\\ifdim\\wd0>\\linewidth\\ifdefined\\resizebox\\resizebox{\\linewidth}{!}{\\usebox0}"
        "\\else\\usebox0\\fi\\else\\usebox0\\fi\n"
        "\\par\\medskip\n"
        "\\begin{minipage}{0.95\\linewidth}\\footnotesize\n"
        "\\textbf{Bold}: best of the rows that may be compared.\\par\n"
        "$^{\\dagger}$\\textbf{NOT CONVERGED}\\par\n"
        "$^{\\ddagger}$pooled\\par\n"
        "A note.\n"
        "\\end{minipage}\n"
        "\\end{table}\n"
    )


def test_csv_golden():
    assert render(SMALL, "csv") == (
        "protocol,group,method,kind,model,accuracy,accuracy_standard_error,auc,best,second,source,remarks\n"
        "toy,measured,a_b,measured,linear,80.84,0.42,87.9,accuracy,,measured,NOT CONVERGED; pooled\n"
        "toy,published,MIP & co,published,,65.5,,,,,Table 5,\n"
    )


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        (Cell(), "–"),
        (Cell(88.649), "88.6"),
        (Cell(-0.04, signed=True), "+0.0"),
        (Cell(-0.4, signed=True), "-0.4"),
        (Cell(78.864, decimals=2), "78.86"),
        (Cell(60.88, standard_error=0.77, low=59.0, high=62.0), "60.9 ± 0.8"),
        (Cell(88.6, low=87.94, high=89.26), "88.6 [87.9, 89.3]"),
    ],
)
def test_cells(cell, shown):
    assert cell.shown == shown


def test_csv_survives_pandas():
    frame = pd.read_csv(io.StringIO(everything().to_csv()))
    assert len(frame) == 3 + 17 + 2 + 6
    measured = frame[frame["kind"] == "measured"].set_index("method")
    assert measured.loc["p3d199", "accuracy"] == 88.87
    assert measured.loc["p3d199", "accuracy_difference"] == pytest.approx(0.27)
    assert measured.loc["i3d", "accuracy"] == pytest.approx(61.234567)
    assert measured.loc["i3d", "accuracy_standard_error"] == pytest.approx(0.4)
    assert not measured.loc["unsound", "converged"]
    assert "NOT CONVERGED" in measured.loc["unsound", "remarks"]
    assert '100% & $#_{x}~^\\ "q" | é 模型 <b>' in measured.index
    published = frame[(frame["protocol"] == "ucf101") & (frame["method"] == "TSN")].iloc[0]
    assert published["accuracy_with_flow"] == 94.0
    assert pd.isna(published["accuracy_difference"])


def parse_markdown(text):
    """Tables of a Markdown text as lists of rows of plain text, and what stands in bold."""
    tables, bold, row, strong = [], [], None, False
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.type == "table_open":
            tables.append([])
        elif token.type == "tr_open":
            row = []
            tables[-1].append(row)
        elif token.type == "table_close":
            row = None
        elif token.type == "inline":
            plain = "".join(child.content for child in token.children)
            strong = any(child.type == "strong_open" for child in token.children)
            if row is not None:
                row.append(plain)
                if strong:
                    bold.append(plain)
    return tables, bold


def test_markdown_parses_into_the_same_cells():
    report = everything()
    tables, bold = parse_markdown(report.to_markdown())
    assert [len(table) for table in tables] == [1 + 5 + 20, 1 + 2 + 8]
    for table, drawn in zip(report.tables, tables, strict=True):
        assert {len(row) for row in drawn} == {1 + len(table.columns)}
        labels = [row[0] for row in drawn]
        assert all(row.label + ",".join(row.marks) in labels for row in table.rows)
    assert bold == ["91.0 [87.9, 89.3]", "61.2 ± 0.4", "87.9", "87.9"]


def test_the_second_is_marked_in_every_format():
    results = [
        ucf101_result(name, value, official=False) for name, value in (("a", 0.9), ("b", 0.8), ("c", 0.7))
    ]
    report = Report.of(results, published=False, intervals="none")
    assert "80.0'" in report.to_text()
    assert "<ins>80.0</ins>" in report.to_markdown()
    assert r"\underline{80.0}" in report.to_latex()
    assert "<u>80.0</u>" in report.to_html()
    assert report.to_frame().set_index("method").loc["b", "second"] == "accuracy"


def test_text_lines_up():
    for table in everything().tables:
        lines = render(table, "text").splitlines()
        rule = next(line for line in lines if line.startswith("─"))
        end = max(i for i, line in enumerate(lines) if line == rule)
        assert all(display_width(line) <= display_width(rule) + 1 for line in lines[1:end])


@pytest.mark.parametrize("name", FORMATS)
def test_an_unconverged_result_stands_out_in_every_format(name):
    text = render(Report.of([ucf101_result("unsound", gap=1.0)]).tables, name)
    assert "NOT CONVERGED, do not quote" in text


@pytest.mark.parametrize("name", FORMATS)
def test_missing_videos_and_random_weights_are_said_in_every_format(name):
    result = ucf101_result("net (random weights)", random=True, missing=("v",))
    text = render(Report.of([result]).tables, name)
    assert "13319 of 13320 videos; 1 missing, counted as wrong" in text
    assert "net (random weights)" in text
    assert "for reference only" in text


def test_an_unknown_format_is_named():
    with pytest.raises(UnknownNameError, match="docx"):
        render(SMALL, "docx")


class _Cells(HTMLParser):
    """Text of every table cell, and what stands in bold or underlined, as a browser reads them."""

    def __init__(self):
        super().__init__()
        self.rows, self.strong, self.underlined, self.open = [], [], [], []

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("th", "td"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "tr" in self.open and "sup" not in self.open and data.strip():
            self.rows[-1][-1] += data
            if "strong" in self.open:
                self.strong.append(data)
            if "u" in self.open:
                self.underlined.append(data)


def test_html_parses_into_the_same_cells():
    report = everything()
    for table, drawn in zip(report.tables, report.to_html().split("</figure>"), strict=False):
        cells = _Cells()
        cells.feed(drawn + "</figure>")
        cells.close()
        assert not cells.open
        assert cells.rows[0] == [table.first, *(column.heading for column in table.columns)]
        rows = [row for row in cells.rows[1:] if len(row) > 1]
        shown = [
            [row.label, *(row.cells[c.key].shown if c.key in row.cells else "" for c in table.columns)]
            for row in table.rows
        ]
        assert rows == shown
        best = [
            row.cells[c.key].shown
            for row in table.rows
            for c in table.columns
            if c.key in row.cells and row.cells[c.key].best
        ]
        assert cells.strong == best


def test_notebooks_show_a_table():
    page = Report((SMALL,))._repr_html_()
    assert "<caption>Toy</caption>" in page
    assert "MIP &amp; co" in page


def test_json_holds_what_is_drawn():
    (table,) = json.loads(Report((SMALL,)).to_json())["tables"]
    cell = table["groups"][0]["rows"][0]["cells"]["accuracy"]
    assert (cell["value"], cell["standard_error"], cell["best"]) == (80.84, 0.42, True)
    assert cell["shown"] == "80.8 ± 0.4"
    assert table["footnotes"][0] == {"mark": "†", "text": "NOT CONVERGED", "loud": True}


def test_a_frame_is_what_the_csv_holds():
    report = everything()
    frame = report.to_frame()
    read = pd.read_csv(io.StringIO(report.to_csv()), keep_default_na=False, na_values={"accuracy": [""]})
    assert list(frame.columns) == list(read.columns)
    assert frame["accuracy"].tolist() == pytest.approx(read["accuracy"].tolist(), nan_ok=True)
    assert frame["method"].tolist() == read["method"].tolist()


@given(st.text())
def test_one_line_is_one_printable_line(text):
    assert len(one_line(text).splitlines()) <= 1
    one_line(text).encode("utf-8")


@pytest.mark.parametrize("format_", ["csv", "latex", "markdown", "text"])
def test_every_format_says_what_failed_and_what_is_missing(format_):
    """A certificate that failed and videos that are missing stand in every table made from the result."""
    result = ucf101_result("net", gap=1e-2, missing=("a/b",))
    drawn = " ".join(render(build_tables([result]), format_).split())
    assert "NOT CONVERGED, do not quote" in drawn
    assert "13319 of 13320 videos; 1 missing, counted as wrong" in drawn


def test_marks_of_one_row_are_told_apart():
    """‡ and § beside each other are two marks, ‡‡ is one: commas between."""
    result = ucf101_result("net", missing=("a/b",), warnings=("one", "two"))
    (table,) = build_tables([result])
    marks = next(row.marks for row in table.rows if row.label == "net")
    assert len(marks) == 4
    for format_ in ("text", "markdown"):
        assert f"net{','.join(marks)}" in render([table], format_).replace("\\", "")
    assert r"net$^{\ddagger,\S,\P,\|}$" in render([table], "latex")
