"""What a dry run says of times and of cells that will fail; an extraction checks what is wanted of it."""

import json
import shutil
import time

import pytest

from p3d_eval.backbones.runner import Runner
from p3d_eval.features.meter import SET_UP, Totals
from p3d_eval.features.results import Usage
from p3d_eval.protocols import PROTOCOLS
from p3d_eval.study.extracting import split_seconds
from p3d_eval.study.grid import Evaluation
from p3d_eval.study.protocol_times import START_SECONDS, kind_of_work, protocol_seconds
from p3d_eval.study.run import run_study
from p3d_eval.study.running import MADE, Outcome
from p3d_eval.study.state import State
from tests.support.tiny_study import change


def states(study):
    return {one.cell.name: one.state for one in run_study(study, dry_run=True, quiet=True).predictions}


def test_what_needs_a_network_that_cannot_be_loaded_fails_too(study, in_threads):
    change(study, "seed = 1", 'seed = 1\noptions = { gain = "loud" }')
    change(study, "[report]", "[profile]\n[report]")
    found = states(study)
    shown = run_study(study, dry_run=True, quiet=True)._repr_html_()
    assert "<td>ucf101 C=1 on two, tiny</td><td>fails: extract two on tiny fails</td>" in shown
    assert "; 5 would fail" in shown
    assert "could not convert string to float: 'loud'" in found["extract two on tiny"]
    assert found["ucf101 C=1 on two, tiny"] == "fails: extract two on tiny fails"
    assert "could not convert string to float: 'loud'" in found["profile two"]
    assert (found["retrieval on one, tiny"], found["profile one"]) == ("done", "to do")


@pytest.fixture
def by_default(study):
    """The study with the layers that the network, a factory's, stores by default: prob, flat, res."""
    change(study, 'layers = "flat"\n', "")
    return study


def test_layers_that_only_the_network_tells_are_missed_before_the_first_video(by_default, in_threads):
    change(by_default, 'layer = "flat"\nC = [1, 10]', 'layer = ["flat", "falt"]')
    found = states(by_default)
    problem = "ucf101 layer=falt on one, tiny: no falt in its features"
    assert found["ucf101 layer=falt on one, tiny"] == f"fails: {problem}"
    assert found["ucf101 layer=flat on one, tiny"] == "to do"
    assert found["extract one on tiny"] == "to do"
    hints = {one.cell.name: one.hint for one in run_study(by_default, dry_run=True, quiet=True).predictions}
    assert hints["ucf101 layer=falt on one, tiny"].startswith("Did you mean flat? ")
    done = run_study(by_default, quiet=True)
    assert [one.cell.name for one in done.failed] == [
        f"ucf101 layer=falt on {row}, tiny" for row in ("one", "two")
    ]


def test_nothing_is_extracted_that_no_protocol_can_use(by_default, in_threads):
    change(by_default, 'layer = "flat"\nC = [1, 10]', 'layer = "falt"')
    change(by_default, 'layer = "flat"', "")  # of retrieval: pool5 then
    change(by_default, "[report]", "[profile]\nbatch_sizes = [1]\nrepeats = 1\n[report]")
    found = states(by_default)
    assert found["extract one on tiny"] == "fails: ucf101 on one, tiny: no falt in its features"
    assert found["retrieval on one, tiny"] == "fails: extract one on tiny fails"
    assert found["profile one"] == "to do"  # the network itself is well
    before = set((by_default.parent / "study" / "features").iterdir())
    first = run_study(by_default, quiet=True).failed[0]
    assert first.reason == "ucf101 on one, tiny: no falt in its features"
    assert (
        first.hint
        == "Did you mean flat? It stores prob, flat, res: let the protocol take these, or extract more"
    )
    assert set((by_default.parent / "study" / "features").iterdir()) == before


def test_every_protocol_has_a_time_that_grows_with_the_videos():
    for protocol in PROTOCOLS.names():
        for options in ({}, {"measure": "video"}, {"layer": "pool5"}, {"task": "pairs"}, {"task": "retrieval"}):
            known = PROTOCOLS.load(protocol).options.__dataclass_fields__
            if set(options) <= set(known):
                kind = kind_of_work(protocol, options)
                assert protocol_seconds(kind, 100, None) < protocol_seconds(kind, 50_000, None), kind
    assert protocol_seconds("of-a-plugin", 100, None) is None


@pytest.mark.parametrize(
    ("protocol", "options", "kind"),
    [
        ("custom", {"C": 1, "task": "classification"}, "custom"),
        ("custom", {"scheme": "left-out", "task": "retrieval"}, "custom retrieval"),
        ("custom", {"scheme": "left-out"}, "custom left-out"),
        ("ssv2", {"layer": "prob", "measure": "video"}, "ssv2 video"),
        ("ssv2", {"layer": "pool5"}, "ssv2 probe"),
        ("ucf101", {"layer": "pool5"}, "ucf101"),
    ],
)
def test_what_changes_a_protocols_work_is_told_apart(protocol, options, kind):
    assert kind_of_work(protocol, options) == kind


def test_an_earlier_run_is_scaled_unless_it_was_a_small_trial():
    assert protocol_seconds("ucf101", 1000, (50.0, 500)) == 100.0
    assert protocol_seconds("ucf101", 13_320, None) == 17.0 - START_SECONDS  # docs/performance.md
    assert protocol_seconds("ucf101", 1000, (50.0, 99)) == protocol_seconds("ucf101", 1000, None)


def test_notes_of_times_that_are_none_are_left_out(tmp_path):
    times = {"a": [1.5, 3], "b": [1.5, 0], "c": "soon", "d": [-1, 2], "e": [1.0, 2.0], "f": [1]}
    (tmp_path / ".study.json").write_text(json.dumps({"times": times}))
    assert State(tmp_path).times == {"a": (1.5, 3)}


def outcome(cell, **facts):
    return Outcome(cell, MADE, facts=facts)


def test_times_are_noted_by_layer_and_by_the_videos_of_the_files(tmp_path):
    def cell(**options):
        return Evaluation("mine", "custom", "row", "data", options)

    State(tmp_path).remember(
        [
            outcome(cell(layer="pool5", C=1), videos=40, stored=400, seconds=2.0),
            outcome(cell(layer="res5c", C=1), videos=40, stored=400, seconds=60.0),
            outcome(cell(task="pairs"), videos=0, stored=400, seconds=5.0),
        ]
    )
    assert State(tmp_path).times == {
        "custom, pool5": (2.0, 400),
        "custom, res5c": (60.0, 400),
        "custom pairs": (5.0, 400),
    }


def test_what_an_extraction_does_once_is_in_no_videos_time(study, in_threads, monkeypatch):
    """C3D here took 15 s to set up and 1.9 s a video: a trial of few videos must not multiply the former."""
    slow = 1.5
    made = Runner.__init__

    def slowly(self, *arguments, **named):
        time.sleep(slow)
        made(self, *arguments, **named)

    monkeypatch.setattr(Runner, "__init__", slowly)
    change(study, "seed = 1", "seed = 5")
    dry = {one.cell.name: one for one in run_study(study, dry_run=True, quiet=True).predictions}
    assert slow < dry["extract two on tiny"].seconds < 2 * slow  # of six videos


def test_notes_of_an_extraction_scale_nothing(study, in_threads):
    """What few videos took, of a trial or of a resumed run, was up to ten times off; so were other options."""
    change(study, "seed = 1", "seed = 5")
    notes = study.parent / "study" / ".study.json"
    notes.write_text(json.dumps({"times": {"extract two on tiny": [5000.0, 2]}}))
    dry = {one.cell.name: one for one in run_study(study, dry_run=True, quiet=True).predictions}
    assert dry["extract two on tiny"].seconds < 5


def test_a_map_of_a_layer_that_no_file_will_have_is_told(by_default, in_threads):
    """The layers of a factory's network are known when it is loaded."""
    change(by_default, "figures = false", 'tsne_layer = "falt"')
    change(by_default, "seed = 1", "seed = 5")
    found = run_study(by_default, dry_run=True, quiet=True).predictions[-1]
    assert (found.cell.name, found.failed) == ("report", False)
    assert found.state == "no map: no feature file will have the layer 'falt' (tsne_layer)"
    assert found.hint.startswith("Did you mean flat? Stored: flat, prob, res. ")
    change(by_default, "falt", "flat")
    assert "report" not in states(by_default)


def test_a_map_of_a_layer_that_no_finished_file_has_is_told(study, in_threads):
    assert "report" not in states(study)  # no figures are drawn
    change(study, "figures = false", "")
    assert "'pool5'" in states(study)["report"]
    change(study, "[report]", "[report]\ntsne_videos = 0")
    assert "report" not in states(study)


def test_a_trial_writes_into_its_own_folder_alone(study, in_threads):
    shutil.rmtree(study.parent / "study")
    done = run_study(study, limit=4, quiet=True)
    assert not (study.parent / "study").exists()
    assert State(done.folder).times["ucf101, flat"][1] == 4


def test_a_video_is_not_charged_for_padding_nor_for_what_is_done_once():
    usage = Totals()
    usage.add(Usage({"network": 48.0, "prepare": 2.0, SET_UP: 8.0, "decode": 90.0}, {"clips": 20}))
    assert split_seconds(usage, 8, workers=3) == (8.0, 48.0 * 20 / 24 + 2.0)
    assert split_seconds(usage, 8, workers=2) == (8.0, 45.0)
    assert split_seconds(Totals(), 8, workers=2) == (0.0, 0.0)


def test_given_features_and_profiles_have_predicted_times(study, in_threads):
    there = next((study.parent / "study" / "features").glob("tiny-one-*.h5"))
    shutil.copy(there, study.parent / "made.h5")
    given = '[backbones.theirs]\nfeatures = { tiny = "made.h5" }\n[datasets.tiny]'
    change(study, "[datasets.tiny]", given)
    change(study, "C = [1, 10]", "C = 2")
    change(study, "[report]", "[profile]\nbatch_sizes = [1]\nrepeats = 1\n[report]")
    found = {one.cell.name: one for one in run_study(study, dry_run=True, quiet=True).predictions}
    times = State(study.parent / "study").times
    assert times["ucf101, flat"][1] == 6
    todo = [one for one in found.values() if one.cell.name.startswith("ucf101")]
    assert [one.state for one in todo] == ["to do"] * 3
    # One process starts once, and does them all.
    assert [one.seconds for one in todo] == pytest.approx(
        [times["ucf101, flat"][0] + start for start in (START_SECONDS, 0, 0)]
    )
    assert found["profile one"].seconds > 0
    assert all(one.seconds is not None for one in found.values())
