"""Tables for tests of the formats: a small one by hand, and two with everything that a table may have."""

from p3d_eval.reports import Report
from p3d_eval.reports.table import Cell, Column, Footnote, Group, Row, Table
from tests.support.results import aslan_result, ucf101_result

SMALL = Table(
    protocol="toy",
    title="Toy",
    first="Method",
    columns=(Column("model", "Model", "left"), Column("accuracy", "Accuracy (%)"), Column("auc", "AUC (%)")),
    groups=(
        Group(
            "measured",
            (
                Row(
                    "a_b",
                    "measured",
                    {
                        "model": Cell(words="linear"),
                        "accuracy": Cell(80.84, standard_error=0.42, best=True),
                        "auc": Cell(87.9, marks=("‡",)),
                    },
                    ("†",),
                    {"source": "measured"},
                ),
            ),
        ),
        Group(
            "published", (Row("MIP & co", "published", {"accuracy": Cell(65.5)}, (), {"source": "Table 5"}),)
        ),
    ),
    footnotes=(Footnote("†", "NOT CONVERGED", loud=True), Footnote("‡", "pooled")),
    notes=("A note.",),
)


def everything():
    return Report.of(
        [
            ucf101_result("p3d199", 0.8887),
            ucf101_result('100% & $#_{x}~^\\ "q" | é 模型 <b>', 0.91, backbone="i3d"),
            ucf101_result("unsound", 0.97, gap=1.0),
            aslan_result("i3d", 0.61234567, official=False),
            aslan_result("p3d199 (random weights)", 0.55, official=False, random=True),
        ]
    )
