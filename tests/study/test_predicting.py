"""What a dry run says of cells that will fail, and that an extraction checks what is wanted of it."""

import pytest

from p3d_eval.study.run import run_study
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
