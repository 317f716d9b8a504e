"""What other parts call options of the command line is a key in a study file."""

import ast
import re
from pathlib import Path

import pytest

from p3d_eval.study.keys import _keys, in_keys

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Add --negatives split", 'Add negatives = "split"'),
        ("Use --folds 5, or --scheme left-out", 'Use folds = 5, or scheme = "left-out"'),
        ("Use --scheme split or left-out", 'Use scheme = "split" or "left-out"'),
        ("add --allow-missing wrong|excluded", 'add allow_missing = "wrong" or "excluded"'),
        ("Extract without --layers, which stores them all", "Extract without layers, which stores them all"),
        ("Name them: --layers a,b", 'Name them: layers = "a,b"'),
        ("Leave --weights out", "Leave weights out"),
        ("--batch-size 0: must be 1 at least", "batch_size = 0: must be 1 at least"),
        ("Extract with --per-clip", "Extract with per_clip = true"),
        ("Give --table with a CSV of video,class", "Give table with a CSV of video,class"),
        ("Choose --precision fp32 or auto", 'Choose precision = "fp32" or auto'),
        ("for example --option num_classes=5", "for example options = { num_classes = 5 }"),
        ("Move it elsewhere, or add --overwrite", "Move it elsewhere, or add --overwrite"),
        ("--jobs 0: must be 1 at least", "--jobs 0: must be 1 at least"),
        ("p3d-eval annotate f.h5 ucf101 FILE --layers a", "p3d-eval annotate f.h5 ucf101 FILE --layers a"),
        ("--std 0.2,0.2,0.2", "std = [0.2, 0.2, 0.2]"),
        ("Use --device cpu --processes N", 'Use device = "cpu" processes = N'),
        ("relative to --root, by default", "relative to root, by default"),
        ("for example --pca 12", "for example pca = 12"),
        ("a -- b, x--clips, C", "a -- b, x--clips, C"),
    ],
)
def test_options_are_written_as_keys(text, written):
    assert in_keys(text) == written


def test_weights_of_a_fusion_are_not_those_of_a_network():
    assert in_keys("Give them: --weights 1,1", fusing=True) == 'Give them: fusion_weights = "1,1"'


def test_no_message_keeps_an_option_that_has_a_key():
    """Every text of the package in which an option stands: none is left, and no sentence becomes a value."""
    texts = {
        node.value
        for folder in ("features", "protocols", "p3d_eval/backbones")
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "\n" not in node.value
    }
    written = [in_keys(text) for text in texts if "--" in text and "p3d-eval " not in text]
    assert len(written) > 40
    left = {flag for text in written for flag in re.findall(r"(?<!\w)--([a-z][a-z-]*)", text)}
    assert not left & set(_keys())
