"""Size and speed of a study's networks, for tables and figures of speed against accuracy."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from p3d_eval.features.row_names import honest_name
from p3d_eval.files import file_name
from p3d_eval.provenance import machine, sha256_json
from p3d_eval.study.content import shown
from p3d_eval.study.networks import find_network
from p3d_eval.study.plan import RESULTS, Plan, saved_result
from p3d_eval.study.running import FAILED, KEPT, MADE, Outcome, StudyRunner, bring_back
from p3d_eval.study.screen import Screen
from p3d_eval.study.settings import INPUT_KEYS, ProfileSettings
from p3d_eval.study.tasks import ExtractTask, Tell

if TYPE_CHECKING:
    from p3d_eval.protocols.network_profile import ProfileOptions

PROFILE = "profile"


@dataclass(frozen=True)
class Profile:
    """Size and speed of a row's network."""

    row: str

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"{PROFILE} {self.row}"


@dataclass(frozen=True)
class ProfileTask:
    """Measure the network of an extraction.

    Parameters
    ----------
    extraction : ExtractTask
        Which network, on which input and device.
    settings : ProfileSettings
    label : str
        Of the row.
    out : Path
        The result.
    """

    extraction: ExtractTask
    settings: ProfileSettings
    label: str
    out: Path

    def options(self) -> "ProfileOptions":
        """Return what is measured."""
        from p3d_eval.protocols.network_profile import ProfileOptions

        asked = self.settings
        return ProfileOptions(
            None,
            tuple(asked.precisions),
            tuple(asked.batch_sizes),
            asked.repeats,
            self.extraction.extract.compile,
        )

    def perform(self, tell: Tell) -> dict[str, Any]:  # noqa: ARG002  (there are no steps)
        """Measure, and save the result."""
        from p3d_eval.protocols.network_profile import profile_network
        from p3d_eval.study.extracting import load_network

        network, _ = load_network(self.extraction)
        result = profile_network(network, self.options())
        label = honest_name(self.label, result.features)
        replace(result, label=label).save(self.out, overwrite=True)
        return {}


def predict_profile(task: ProfileTask) -> float:
    """Load the network and measure a clip in each precision; say how many seconds the whole will take."""
    from p3d_eval.protocols.network_profile import predict_seconds
    from p3d_eval.study.extracting import load_network

    began = time.perf_counter()
    network, _ = load_network(task.extraction)
    return time.perf_counter() - began + predict_seconds(network, task.options())


@dataclass(frozen=True)
class PlannedProfile:
    """A measurement and its task, whose output's name holds the content's hash."""

    cell: Profile
    task: ProfileTask


def plan_profiles(plan: Plan) -> tuple[PlannedProfile, ...]:
    """Plan a measurement of each network on each input, where the study asks for it."""
    study, settings = plan.study, plan.study.profile
    if settings is None:
        return ()
    found: dict[str, PlannedProfile] = {}
    for planned in plan.extractions:
        row, task = planned.cell.row, planned.task
        network = find_network(study, row, planned.cell.settings).content
        content = {
            "network": {name: value for name, value in network.items() if name != "weights"},
            "extract": {name: getattr(task.extract, name) for name in (*INPUT_KEYS, "device", "compile")},
            "settings": asdict(settings),
            "machine": machine(),
        }
        key = sha256_json(content)
        out = plan.folder / RESULTS / f"{file_name(PROFILE, row, shown(key))}.json"
        label = planned.cell.settings.label or row
        found.setdefault(key, PlannedProfile(Profile(row), ProfileTask(task, settings, label, out)))
    return tuple(found.values())


def measure(profiles: Sequence[PlannedProfile], runner: StudyRunner, screen: Screen) -> list[Outcome]:
    """Measure what was not measured, one network after the other while nothing else of the study runs."""
    found = []
    for planned in profiles:
        name, out = planned.cell.name, planned.task.out
        outcome = Outcome(planned.cell, KEPT, out, planned.task.label)
        bring_back(out)
        if saved_result(out) is None:
            screen.start(name, name)
            event = runner.finish(planned.task, name, whole=True)
            status = MADE if event.kind == "done" else FAILED
            hint = str(event.facts.get("hint", ""))
            outcome = replace(outcome, status=status, reason=event.text, hint=hint, facts=event.facts)
            screen.finish(name, "measured" if status == MADE else f"failed: {event.text}")
        screen.count()
        found.append(outcome)
    return found
