"""LaTeX as TeX reads it: compiled, with nothing that runs off the line or the page, and the PDF's text."""

import re
import shutil

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from p3d_eval.errors import UserError
from p3d_eval.reports import Report
from p3d_eval.reports.formats.latex_table import (
    escape,
    label_key,
    to_latex_document,
    to_latex_fragment,
    with_stand_ins,
)
from p3d_eval.reports.formats.text_table import one_line
from p3d_eval.reports.table import Group, Row, Table
from tests.support.results import aslan_result, scored_result, ucf101_result
from tests.support.tables import SMALL, everything
from tests.support.tex import compile_pdf, needs, needs_tex

LONG = "a_network_that_someone_trained_on_everything_there_is_v2_final_really_final_epoch_300"
UNBROKEN = "x" * 150
UNICODE = ("lualatex", "xelatex")  # engines that read every font of the machine
SPECIAL = "50% of $x_1 & #2 {a^b} ~ <c> \\d [e]"


def squeezed(pages):
    return re.sub(r"\s+", "", "".join(pages))


@needs_tex
def test_the_pdf_says_what_the_tables_say(tmp_path):
    results = [
        ucf101_result("p3d199", 0.8887),
        ucf101_result(SPECIAL, 0.9123, backbone="i3d", low=0.901, high=0.92),
    ]
    log, (first, *_) = compile_pdf(tmp_path, Report.of(results).to_latex(caption="Accuracy in % & more"))
    assert "Overfull" not in log
    lines = [" ".join(line.split()) for line in first.splitlines()]
    assert "Table 1: Accuracy in % & more" in lines
    assert "Method Accuracy (%) with flow (%) Δ accuracy" in lines
    assert "p3d199 88.9 [87.9, 89.3] +0.3" in lines
    assert f"{SPECIAL} 91.2 [90.1, 92.0]" in lines
    assert "TSN 85.7 94.0" in lines
    assert "Underlined: second." in lines
    assert any(line.startswith("Published rows: P3D Table 3") for line in lines)


@needs_tex
def test_footnotes_stand_below_their_marks(tmp_path):
    results = [scored_result(name, right, official=False) for name, right in (("good", 40), ("bad", 8))]
    report = Report.of(results, significance=True, published=False, intervals="none")
    _, (page,) = compile_pdf(tmp_path, report.to_latex())
    text = squeezed([page])
    assert "bad20.0∘‡" in text or "bad‡20.0∘" in text
    assert "‡notcomparablewiththepublishedrows:nottheofficialsplits" in text
    assert "differsfromthebestmeasuredrowofitscolumnatp≤0.05afterHolm" in text
    assert "NOTCONVERGED" not in text


@pytest.mark.parametrize("engine", ["pdflatex", *UNICODE])
def test_marks_are_copied_from_the_pdf_as_they_are_seen(tmp_path, engine):
    if shutil.which(engine) is None or shutil.which("pdftotext") is None:
        pytest.skip(f"{engine} or pdftotext is not installed; `make test-all` installs what is needed (Debian)")
    marks = ("‡", "§", "¶", "‖", "#", "‡‡")
    table = Table("p", "T", "Method", (), (Group("g", (Row("net", "measured", {}, marks),)),))
    _, (page,) = compile_pdf(tmp_path, to_latex_document([to_latex_fragment(table)]), engine=engine)
    assert "net‡,§,¶,‖,#,‡‡" in squeezed([page]).replace("∥", "‖")  # XeTeX names it as mathematics does


@needs_tex
def test_long_names_are_folded_and_nothing_runs_off_the_line(tmp_path):
    results = [
        aslan_result(LONG, backbone="a", official=False, warnings=(f"look at {LONG}: {UNBROKEN}",)),
        aslan_result(UNBROKEN, backbone="b", official=False),
        ucf101_result(LONG, protocol="yupenn", splits=1),
    ]
    log, pages = compile_pdf(tmp_path, Report.of(results).to_latex())
    assert "Overfull" not in log
    assert LONG in squeezed(pages)
    assert UNBROKEN in squeezed(pages)


@needs_tex
def test_a_table_longer_than_a_page_goes_on(tmp_path):
    results = [ucf101_result(f"network-{n:03}", n / 200, backbone=f"b{n}", official=False) for n in range(200)]
    log, pages = compile_pdf(tmp_path, Report.of(results).to_latex(), runs=2)
    assert "Float too large" not in log
    assert "Overfull" not in log
    found = re.findall(r"network-(\d{3})", "".join(pages))
    assert {int(number) for number in found} == set(range(200))
    assert "(continued)" in pages[1]
    assert set(re.findall(r"Table (\d+):", "".join(pages))) == {"1"}


@needs_tex
@pytest.mark.parametrize("packages", ["booktabs,graphicx", "booktabs"])
def test_a_fragment_fits_a_narrow_column(tmp_path, packages):
    fragment = Report.of([aslan_result(LONG), ucf101_result()]).to_latex(standalone=False, label="tab:mine")
    assert "\\documentclass" not in fragment
    (tmp_path / "tables.tex").write_text(fragment, encoding="utf-8")
    document = (
        f"\\documentclass[twocolumn]{{article}}\\usepackage{{{packages}}}\\begin{{document}}\n"
        "See Table~\\ref{tab:mine-aslan}.\\input{tables}\\end{document}\n"
    )
    log, pages = compile_pdf(tmp_path, document, runs=2)
    assert ("Overfull" in log) == ("graphicx" not in packages)
    assert "See Table 1." in " ".join("".join(pages).split())


@needs_tex
def test_letters_that_the_fonts_lack_are_printed_as_code_points(tmp_path):
    _, pages = compile_pdf(tmp_path, Report.of([ucf101_result("模型 Ünïcödé")]).to_latex())
    assert "[U+6A21][U+578B]Ünïcödé" in squeezed(pages)


@needs_tex
@pytest.mark.parametrize(
    ("declared", "printed"), [("", "[U+6A21]"), (r"\DeclareUnicodeCharacter{6A21}{(mo)}", "(mo)")]
)
def test_a_fragment_prints_letters_as_its_document_declares_them(tmp_path, declared, printed):
    fragment = Report.of([ucf101_result("模 net"), aslan_result("模")]).to_latex(standalone=False)
    (tmp_path / "tables.tex").write_text(fragment, encoding="utf-8")
    document = (
        f"\\documentclass{{article}}\\usepackage{{booktabs,graphicx}}{declared}\\begin{{document}}\n"
        "\\input{tables}\\end{document}\n"
    )
    _, pages = compile_pdf(tmp_path, document)
    assert f"{printed}net" in squeezed(pages)


@pytest.mark.ci
@pytest.mark.parametrize("engine", [pytest.param(name, marks=needs(name, "pdftotext")) for name in UNICODE])
def test_engines_with_unicode_print_letters_that_their_font_has_and_drop_none(tmp_path, engine):
    document = Report.of([ucf101_result("模型 Ünïcödé Łódź Привет")]).to_latex()
    log, pages = compile_pdf(tmp_path, document, engine=engine)
    assert "Missing character" not in log
    assert "[U+6A21][U+578B]ÜnïcödéŁódź[U+041F][U+0440]" in squeezed(pages)
    chosen = "\\usepackage{fontspec}\\setmainfont{DejaVu Serif}\\begin{document}"
    log, pages = compile_pdf(tmp_path, document.replace("\\begin{document}", chosen), engine=engine)
    assert "Missing character" not in log
    assert "[U+6A21][U+578B]ÜnïcödéŁódźПривет" in squeezed(pages)


LENGTHS = st.lists(st.lists(st.integers(1, 200), max_size=90), max_size=4)


@given(LENGTHS)
@example([[], [1, 132, 132], [1, 1, 44, 44, 88, 88, 132, 132, 132], []])  # its last page is full
@settings(max_examples=30, deadline=None)
def test_pages_hold_every_row_once_in_order_and_none_is_too_high(lengths):
    """A page has at most 36 lines, where a label of more than 44 letters takes several, and a heading one."""
    groups = [
        Group(
            f"group {n}",
            tuple(Row(f"{n}.{place}".ljust(length, "y"), "measured", {}) for place, length in enumerate(own)),
        )
        for n, own in enumerate(lengths)
    ]
    pages = to_latex_fragment(Table("toy", "Toy", "Method", (), tuple(groups))).split("\\begin{table}")[1:]
    found = []
    for page in pages:
        lines = [line for line in page.splitlines() if line.endswith("\\\\")][1:]
        headings = [line for line in lines if "multicolumn" in line]
        plain = [re.sub(r"\\allowbreak\{\}|\\strut", "", line) for line in lines if line not in headings]
        labels = [re.findall(r"\d+\.\d+y*", line)[-1] for line in plain]
        found += labels
        assert len(headings) + sum(1 + len(label) // 44 for label in labels) <= 36
    assert found == [row.label for group in groups for row in group.rows]


def unescaped(text):
    """What TeX would print of an escaped text, by undoing each escape; an independent reading of them."""
    words = {
        "textbackslash": "\\",
        "textasciitilde": "~",
        "textasciicircum": "^",
        "textless": "<",
        "textgreater": ">",
        "textbar": "|",
        "textquotedbl": '"',
        "textasciigrave": "`",
    }
    text = re.sub(r"\\([a-z]+)\{\}", lambda match: f"\x00{words[match[1]]}", text)
    text = re.sub(r"\{([\[\]])\}", r"\1", text)
    text = re.sub(r"(?<!\x00)\\([&%$#_{}])", r"\1", text)
    return text.replace("\x00", "")


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_latex_escapes_can_be_undone(text):
    assert unescaped(escape(text)) == one_line(text)


@given(st.text(max_size=20))
@settings(max_examples=50)
def test_label_keys_are_safe(text):
    assert not set(label_key(text)) & set("\\{}%#&~^_ $,")


@pytest.mark.parametrize("label", ["tab:my_table", "tab:a.b/c-d_1+2"])
def test_a_label_of_ones_own_is_kept(label):
    assert f"\\label{{{label}}}" in Report((SMALL,)).to_latex(label=label)


@pytest.mark.parametrize(
    ("label", "told"),
    [("tab: a", "' '"), ("a{b}", "'{}'"), ("50%", "'%'"), ("a,b", "','"), ("é", "'é'"), ("", "empty")],
)
def test_a_label_that_ref_cannot_name_is_refused(label, told):
    with pytest.raises(UserError, match=f"^label {re.escape(repr(label))}: {told}") as caught:
        Report((SMALL,)).to_latex(label=label)
    assert "\n" not in caught.value.message


def test_latex_structure():
    text = everything().to_latex()
    assert text.startswith("\\documentclass")
    assert text.count("\\begin{table}") == text.count("\\end{table}") == 2
    for body in re.findall(r"\\begin\{tabular\}\{([lr]+)\}(.*?)\\end\{tabular\}", text, re.DOTALL):
        lines = [line for line in body[1].splitlines() if line.endswith(r"\\") and "multicolumn" not in line]
        assert {len(re.findall(r"(?<!\\)&", line)) + 1 for line in lines} == {len(body[0])}
    assert text.count("\\toprule") == text.count("\\bottomrule") == 2
    assert "|" not in re.findall(r"\\begin\{tabular\}\{.*?\}", text)[0]


def test_several_tables_have_labels_of_their_own():
    text = everything().to_latex(label="tab:all")
    assert re.findall(r"\\label\{(.*?)\}", text) == ["tab:all-ucf101", "tab:all-aslan"]


@needs_tex
def test_latex_compiles_on_its_own(tmp_path):
    log, _ = compile_pdf(tmp_path, everything().to_latex())
    assert "Overfull" not in log


@needs_tex
def test_every_printable_character_compiles(tmp_path):
    characters = [chr(code) for code in (*range(32, 0x250), *range(0x370, 0x400), 0x2126, 0x6A21, 0x1F600)]
    drawn = [escape(character) for character in characters]
    body = with_stand_ins(", \n".join(["x", *filter(None, drawn)]) + "\n")
    compile_pdf(tmp_path, to_latex_document([body]))


@needs_tex
def test_a_fragment_can_be_input(tmp_path):
    (tmp_path / "fragment.tex").write_text(Report((SMALL,)).to_latex(standalone=False), encoding="utf-8")
    compile_pdf(
        tmp_path,
        "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\\input{fragment}\\end{document}\n",
    )
