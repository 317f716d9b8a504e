"""What notebooks show: numbers, warnings and sources, with every text taken literally."""

from html.parser import HTMLParser

import numpy as np
import pytest

import p3d_eval as pe
from p3d_eval.markup import facts, folded, fragment, grid, plain
from p3d_eval.protocols.result import Metric
from tests.support.clip_scores import clip_store
from tests.support.figures import class_result
from tests.support.results import aslan_result, ucf101_result

HOSTILE = "<b onclick=alert(1)>&\"'"


class Shown(HTMLParser):
    """Texts of a fragment; checks that its elements are closed in order."""

    def __init__(self, html):
        super().__init__()
        self.open, self.parts, self.attributes = [], [], []
        self.feed(html)
        assert not self.open
        self.text = " ".join(" ".join(self.parts).split())

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)
        self.attributes += [name for name, _ in attributes]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.parts.append(data)


def show(thing):
    return Shown(thing._repr_html_())


def test_every_text_is_escaped():
    shown = Shown(
        fragment(
            HOSTILE, facts({HOSTILE: HOSTILE}), grid((HOSTILE,), [(HOSTILE,)]), folded(HOSTILE, "<p>x</p>")
        )
    )
    assert shown.text.count(HOSTILE) == 6
    assert "onclick" not in shown.attributes


def test_nested_values_are_one_line():
    assert plain({"resize": (182, 242), "crop": 160}) == "resize=182, 242, crop=160"
    assert plain(list(range(10))) == "0, 1, 2, 3, 4, 5, 6, 7, … 2 more"
    assert facts({"empty": [], "none": None, "word": ""}) == ""
    assert folded("nothing", "") == ""


def test_a_result_shows_its_numbers_and_what_must_be_known():
    shown = show(aslan_result(gap=1.0, warnings=(HOSTILE,), missing=("v",)))
    assert "aslan: p3d199" in shown.text
    assert "accuracy 80.80" in shown.text
    assert "0.40 standard error of 10 folds 10 folds" in shown.text
    assert f"warning: {HOSTILE}" in shown.text
    assert "NOT CONVERGED, do not quote" in shown.text
    assert "3696 of 3697, missing ones counted as wrong" in shown.text
    assert "l2 70.10 76.10" in shown.text  # another choice
    assert "View2.mat (SHA-256 " + "b" * 64 in shown.text


def test_an_undefined_metric_says_why():
    text = show(ucf101_result(metrics={"accuracy": Metric(None, reason="nobody was left")})).text
    assert "accuracy –" in text
    assert "accuracy is undefined: nobody was left" in text


def test_a_comparison_shows_differences_and_sentences():
    first, second = class_result("a"), class_result("b", seed=1)
    report = pe.compare([first, second])
    (one,) = report.comparisons
    text = show(report).text
    assert f"{100 * (one.first_value - one.second_value):+.2f}" in text
    assert one.sentence in text
    assert one.difference.method in text


def test_a_feature_file_shows_layers_and_what_is_missing(tmp_path):
    clips = {f"v{n}": np.full((n + 1, 3), 0.5) for n in range(2)}
    shown = show(clip_store(tmp_path / "feats.h5", clips, ("a", "b", HOSTILE)))
    assert "2 videos, 3 clips" in shown.text
    assert "prob 3 C 3 float32" in shown.text
    assert "identity" in shown.text


@pytest.mark.parametrize("name", ["p3d63"])
def test_a_network_shows_layers_and_that_its_weights_are_random(name):
    backbone = pe.load_backbone(name)
    text = show(backbone).text
    assert text.startswith(name)
    assert "pool5 2048 C" in text
    assert "the weights are random" in text
    assert backbone.weights.sha256 in text
    assert "clip length 16" in text
