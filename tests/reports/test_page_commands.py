"""Commands that a page shows: typed again, they make the same numbers and the same page."""

import shlex
from dataclasses import asdict, fields, replace

import pytest

from p3d_eval.cli._protocols import protocol_command
from p3d_eval.protocols import PROTOCOLS
from p3d_eval.protocols.protocol import flag
from p3d_eval.reports import Report
from p3d_eval.reports.page import to_page
from p3d_eval.reports.page.commands import evaluation_command, extraction_commands, typed
from tests.support.parsed import Parsed
from tests.support.results import ucf101_result

# Options that differ from the defaults, by protocol; every protocol that can be evaluated stands here.
_CHANGED = {
    "ucf101": {
        "C": "0.1,1",
        "split": "2",
        "layer": "fc 6",
        "tol": 1e-7,
        "pca": "100,10",
        "allow_missing": "wrong",
    },
    "aslan": {"recipe": "c3d", "eps": 1e-9, "negatives": "split", "seed": 3},
    "hmdb51": {"classifier": "knn", "neighbours": 5, "temperature": 0.5},
    "activitynet": {"C": "cv", "device": "auto"},
}


@pytest.mark.parametrize("name", sorted(_CHANGED))
def test_the_command_of_a_result_means_the_same_options(name):
    """The command, parsed as the command line parses it, builds the options that the result was made with."""
    protocol = PROTOCOLS.load(name)
    options = protocol.parse_options(_CHANGED[name])
    result = ucf101_result(protocol=name, options=asdict(options))
    words = shlex.split(evaluation_command(result))
    assert words[:4] == ["p3d-eval", name, "--features", "p3d199.h5"]
    assert shlex.split(evaluation_command(replace(result, default_options=asdict(protocol.options())))) == words
    command = protocol_command(name)
    parsed = command.make_context(name, words[2:]).params
    known = asdict(options)
    assert asdict(protocol.parse_options({key: parsed[key] for key in known})) == known


def test_the_command_names_annotations_and_several_files():
    given = ucf101_result(annotations="e" * 64)
    named = {**given.annotations, "source": "--splits my lists/x"}
    parts = [{"file": "a.h5", "commands": ["p3d-eval extract --out a.h5"]}, {"file": "b c.h5"}]
    features = {"backbone": "a+b", "file": "a.h5", "parts": parts}
    options = {"fusion": "late", "weights": [0.7, 0.3]}
    result = ucf101_result(features=features, options=options)
    result = replace(result, annotations=named)
    assert evaluation_command(result) == (
        "p3d-eval ucf101 --features a.h5 --features 'b c.h5' --splits 'my lists/x' "
        "--fusion late --weights 0.7,0.3"
    )
    assert extraction_commands(result) == ["p3d-eval extract --out a.h5"]


def test_a_row_that_was_given_a_name_keeps_it():
    named = replace(ucf101_result("ours, again", random=True), label="ours (random weights)")
    named = replace(named, features={**named.features, "label": "p3d199 (random weights)"})
    assert evaluation_command(named).endswith("--label ours")
    assert "--label" not in evaluation_command(ucf101_result())


def test_predictions_are_judged_again_by_their_file():
    features = {"file": "theirs.json", "identity": "x", "backbone": "predictions"}
    result = ucf101_result(protocol="activitynet", features=features, options={})
    assert evaluation_command(result) == "p3d-eval activitynet --predictions theirs.json"


def test_a_protocol_that_is_not_installed_has_no_command():
    assert evaluation_command(ucf101_result(protocol="somebody-s")) is None
    text = Parsed(Report.of([ucf101_result(protocol="somebody-s")]).to_page()).text
    assert "The protocol somebody-s is not installed where this page was made." in text


def test_every_option_of_this_package_is_written_as_usual():
    for name in PROTOCOLS.names():
        if PROTOCOLS.is_builtin(name):
            own = fields(PROTOCOLS.load(name).options)
            assert [flag(field) for field in own] == [field.name.replace("_", "-") for field in own]


def test_the_command_that_makes_the_page_comes_before_its_steps(tmp_path):
    features = {**ucf101_result().features, "commands": ["p3d-eval extract --videos v --out feats.h5"]}
    path = ucf101_result(features=features).save(tmp_path / "r.json")
    text = Parsed(Report.of([path]).to_page()).text
    reproduce = text[text.index("Reproduce this page") :]
    order = [
        f"p3d-eval report {path} --out report.html",
        "Step by step",
        "p3d-eval extract --videos v --out feats.h5",
        "p3d-eval ucf101 --features",
    ]
    assert sorted(order, key=reproduce.index) == order
    told = Parsed(to_page(Report.of([path]), command="p3d-eval run study.toml")).text
    assert "p3d-eval run study.toml" in told[told.index("Reproduce this page") :]


def test_commands_are_shown_as_they_are_typed():
    assert typed("__main__.py extract --out 'a b.h5'") == "p3d-eval extract --out 'a b.h5'"
    assert typed("my_script.py") == "my_script.py"
