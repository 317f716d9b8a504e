"""Something-Something v2: labels, validation and training lists as JSON.

Goyal et al., ICCV 2017; the 20BN release: ``…labels.json`` (template without brackets → index as text) and
``…validation.json``, ``…train.json`` (a list of ``id``, ``label``, ``template`` with bracketed placeholders).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from p3d_eval.errors import UnknownNameError, UserError
from p3d_eval.protocols.annotations.structured import (
    one_line,
    parse_json,
    require_list,
    require_object,
    require_text,
)
from p3d_eval.protocols.protocol import AnnotationReader
from p3d_eval.protocols.tasks import Task, TaskSplit, list_task
from p3d_eval.provenance import sha256_json

OFFICIAL_HASH = "e8d169363b3f3dbdd9f3dc8834ce79932ce4130b8f5ee765e423c7cf740bf8b9"
"""`Ssv2.digest` of the official validation list: 24,777 videos of 174 classes (computed from
the 20BN release)."""

_ENDINGS = ("labels.json", "validation.json", "train.json")


@dataclass(frozen=True)
class Ssv2:
    """Class names in label order, and label of each video of the validation and the training list."""

    classes: tuple[str, ...]
    validation: Mapping[str, int]
    train: Mapping[str, int]

    @property
    def digest(self) -> str:
        """SHA-256 of the validation videos with their class names, independent of order."""
        return sha256_json(sorted([video, self.classes[label]] for video, label in self.validation.items()))


def parse(files: Mapping[str, bytes]) -> Ssv2:
    """Read labels and lists, told apart by the ends of their names.

    Raises
    ------
    UserError
        When a file is missing or called otherwise, is not JSON of the official form, an index is missing, a
        template is no label, or a video is listed twice.
    """
    found: dict[str, str] = {}
    for name in files:
        ending = next((ending for ending in _ENDINGS if name.endswith(ending)), None)
        if ending is None or ending in found:
            why = "not called" if ending is None else "a second file called"
            raise UserError(f"{name}: {why} …{ending or ', …'.join(_ENDINGS)}")
        found[ending] = name
    missing = [f"…{ending}" for ending in _ENDINGS[:2] if ending not in found]
    if missing:
        raise UserError(
            f"Something-Something v2: {', '.join(missing)} missing", "Labels and validation are needed"
        )
    classes = _parse_labels(found[_ENDINGS[0]], files[found[_ENDINGS[0]]])
    number = {label: place for place, label in enumerate(classes)}
    lists = [
        _parse_list(found[ending], files[found[ending]], number) if ending in found else {}
        for ending in _ENDINGS[1:]
    ]
    both = sorted(set(lists[0]) & set(lists[1]))
    if both:
        raise UserError(f"{found[_ENDINGS[2]]}: video {both[0]!r} is in the validation list, too")
    return Ssv2(classes, lists[0], lists[1])


def _parse_labels(name: str, data: bytes) -> tuple[str, ...]:
    document = require_object(name, parse_json(name, data), "the file")
    places: dict[str, str] = {}
    for label, place in document.items():
        text = require_text(name, label, "a label")
        index = require_text(name, place, f"the index of {one_line(label)!r}")
        if places.setdefault(index, text) != text:
            raise UserError(
                f"{name}: {one_line(places[index])!r} and {one_line(text)!r} have the index {index}"
            )
    absent = [str(place) for place in range(len(places)) if str(place) not in places]
    if absent or len(places) < 2:
        raise UserError(
            f"{name}: no label has the index {absent[0]}"
            if absent
            else f"{name}: two labels or more are needed",
            "Indices run from 0, as texts",
        )
    return tuple(places[str(place)] for place in range(len(places)))


def _parse_list(name: str, data: bytes, number: Mapping[str, int]) -> dict[str, int]:
    videos: dict[str, int] = {}
    for place, entry in enumerate(require_list(name, parse_json(name, data), "the file"), 1):
        video, label = _parse_entry(name, place, entry)
        if label not in number:
            unknown = UnknownNameError("label", one_line(label), number)
            raise UserError(f"{name}: video {one_line(video)!r}: {unknown.message}", unknown.hint)
        if video in videos:
            raise UserError(f"{name}: video {one_line(video)!r} is listed twice")
        videos[video] = number[label]
    if not videos:
        raise UserError(f"{name}: the list is empty")
    return videos


def _parse_entry(name: str, place: int, entry: Any) -> tuple[str, str]:
    what = f"entry {place}"
    values = require_object(name, entry, what)
    video = require_text(name, values.get("id"), f"the id of {what}")
    if "template" not in values:
        raise UserError(
            f"{name}: video {one_line(video)!r} has no template", "The labels of the test list are withheld"
        )
    template = require_text(name, values["template"], f"the template of video {one_line(video)!r}")
    return video, template.replace("[", "").replace("]", "")


def make_task(data: Ssv2) -> Task:
    """Test on the validation list; a training list is for linear probes."""
    videos = [*data.validation.items(), *data.train.items()]
    count = len(data.validation)
    official = data.digest == OFFICIAL_HASH
    return Task(
        dataset="ssv2",
        names=tuple(video for video, _ in videos),
        classes=data.classes,
        labels=tuple((label,) for _, label in videos),
        splits=(TaskSplit("validation", np.arange(count, len(videos)), np.arange(count)),),
        official=official,
        deviations=() if official else (f"{count:,} videos, not the official validation list",),
        said=f"the {count:,} videos of the validation list; a template without brackets is the label",
    )


READER = AnnotationReader(
    "ssv2",
    ("*labels.json", "*validation.json"),
    parse,
    "something-something-v2-labels.json and …-validation.json of the data set's release (Qualcomm, 20BN)",
    optional=("*train.json",),
    listed=lambda data, ids: list_task(make_task(data), ids),
)
