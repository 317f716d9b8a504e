"""Looking at a collection's network, and measuring it, downloads no weights."""

from typer.testing import CliRunner

from p3d_eval.cli import app
from p3d_eval.protocols.result import Result
from tests.support.videos import make_video, moving_frames


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_preview_and_profile_need_no_weights(tmp_path):
    video = make_video(tmp_path / "v.avi", moving_frames(16))
    small = ("--resize", 40, "--crop-size", 32)
    # Trained weights come over a network, which tests have not: asking for them would fail.
    shown = run("backbones", "show", "timm:resnet10t", "--layers", "layer4")
    assert "512 × 6 × 6" in shown.stdout, shown.output
    drawn = run("preview", "--backbone", "timm:resnet10t", video, "--out", tmp_path / "s.png", *small)
    assert drawn.exit_code == 0, drawn.output
    assert "s.png: 1 frame of" in drawn.stdout  # the middle one, which a network of images sees
    measured = ("--batch-size", 1, "--repeats", 1, "--device", "cpu", "--out", tmp_path / "p.json")
    done = run("profile", "--backbone", "timm:resnet10t", *measured, *small)
    assert done.exit_code == 0, done.output
    metrics = Result.load(tmp_path / "p.json").metrics
    assert metrics["frames_per_second"].value == metrics["clips_per_second"].value
