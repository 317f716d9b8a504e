"""``pe.preview``, ``pe.check_backbone`` and ``pe.profile`` do what the commands do."""

from pathlib import Path

import pytest
from PIL import Image

import p3d_eval as pe
from p3d_eval.errors import UserError
from p3d_eval.protocols.result import Result
from tests.support.videos import make_video, moving_frames

TINY = str(Path(__file__).parent / "support" / "tiny.py") + ":factory"


@pytest.fixture(scope="module")
def backbone():
    return pe.load_backbone(TINY)


def test_preview(backbone, tmp_path):
    video = make_video(tmp_path / "v.avi", moving_frames(6))
    found = pe.preview(backbone, video, tmp_path / "s.png")
    assert found.seen.shape == (3, 4, 16, 32)
    with Image.open(tmp_path / "s.png") as sheet:
        assert sheet.format == "PNG"
    with pytest.raises(UserError, match="exists"):
        pe.preview(backbone, str(video), str(tmp_path / "s.png"))
    assert not pe.preview(backbone, video).outside()


def test_check_backbone(backbone):
    assert {check.verdict for check in pe.check_backbone(backbone)} == {"pass", "warn"}  # random weights
    with pytest.raises(UserError, match="pool6"):
        pe.check_backbone(backbone, "pool6")


def test_profile(backbone, tmp_path):
    out = tmp_path / "p.json"
    result = pe.profile(backbone, out, batch_sizes=[2], repeats=1)
    assert Result.load(out).metrics == result.metrics
    with pytest.raises(UserError, match=r"p\.txt: the name of a result ends in \.json"):
        pe.profile(backbone, tmp_path / "p.txt")
    with pytest.raises(UserError, match="exists"):
        pe.profile(backbone, out, batch_sizes=[2], repeats=1)
