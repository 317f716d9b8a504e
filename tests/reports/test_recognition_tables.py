"""ActivityNet's and Sports-1M's tables beside the published rows."""

import pytest

from p3d_eval.protocols.result import Metric, Variant
from p3d_eval.reports import build_tables
from tests.support.results import ucf101_result

ACTIVITYNET = {"top1": Metric(0.76), "avg_top1": Metric(0.75), "top3": Metric(0.87), "map": Metric(0.79)}
SPORTS1M = {"clip_hit1": Metric(0.47), "video_hit1": Metric(0.66), "video_hit5": Metric(0.88)}


def table_of(protocol, metrics, **changes):
    (table,) = build_tables([ucf101_result(protocol=protocol, metrics=metrics, **changes)])
    return table, {row.label: row for row in table.rows}


def test_activitynet_beside_table_4():
    other = Variant("missing videos excluded", {"allow_missing": "excluded"}, ACTIVITYNET)
    table, rows = table_of("activitynet", ACTIVITYNET, variants=(other,))
    assert [column.key for column in table.columns][:3] == ["top1", "top3", "map"]
    assert rows["p3d199"].cells["top1_difference"].value == pytest.approx(76 - 75.12)
    assert rows["p3d199"].cells["map_difference"].value == pytest.approx(79 - 78.86)
    assert rows["ResNet-152"].cells["top3"].value == pytest.approx(86.45)
    assert any("missing videos excluded" in note for note in table.notes)


def test_sports1m_is_for_reference_only():
    """The official partition cannot be told from another, so nothing is subtracted."""
    table, rows = table_of("sports1m", SPORTS1M, official=False)
    assert "video_hit1_difference" not in rows["p3d199"].cells
    assert rows["p3d199"].cells["video_hit1"].value == pytest.approx(66)
    assert sum(row.label == "C3D" for row in table.rows) == 2
    assert any("not the official partition" in note.text for note in table.footnotes)


def test_a_protocol_that_is_not_installed_here():
    """A result is read a year later, on another machine."""
    table, rows = table_of("gestures", {"accuracy": Metric(0.5)})
    assert rows["p3d199"].cells["accuracy"].value == pytest.approx(50)
    assert table.title == "gestures"
