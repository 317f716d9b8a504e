"""ActivityNet's file of predictions: ``version``, ``results`` (video → scored labels), ``external_data``."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from p3d_eval.errors import UnknownNameError, UserError
from p3d_eval.protocols.activitynet_rules import Predictions
from p3d_eval.protocols.annotations.structured import (
    one_line,
    parse_json,
    require_list,
    require_object,
    require_text,
)

REQUIRED = ("version", "results", "external_data")


def parse(name: str, data: bytes, videos: Sequence[str], classes: Sequence[str]) -> Predictions:
    """Read predictions for ``videos``.

    Parameters
    ----------
    name : str
        The file's name, for messages.
    data : bytes
    videos, classes : sequence of str
        Tested videos and their classes; a video's key may begin with ``v_``.

    Raises
    ------
    UserError
        When the file is not of the official form, a label is none of the classes, a score is no finite
        number, a video stands twice, or no prediction is of a tested video.
    """
    document = require_object(name, parse_json(name, data), "the file")
    missing = [key for key in REQUIRED if key not in document]
    if missing:
        raise UserError(
            f"{name}: no {' and no '.join(map(repr, missing))}: not ActivityNet's file of predictions",
            f"It has {', '.join(REQUIRED)}",
        )
    row = {video: place for place, video in enumerate(videos)}
    number = {label: place for place, label in enumerate(classes)}
    found: list[tuple[int, int, float]] = []
    owners: dict[int, str] = {}
    for video, listed in require_object(name, document["results"], "'results'").items():
        place = row.get(video, row.get(video.removeprefix("v_"), -1))
        if place >= 0 and owners.setdefault(place, video) != video:
            raise UserError(f"{name}: {owners[place]!r} and {video!r} are one video")
        what = f"video {one_line(video)!r}"
        entries = require_list(name, listed, f"the predictions of {what}")
        found += [(place, *_parse_prediction(name, what, entry, number)) for entry in entries]
    if not any(place >= 0 for place, _, _ in found):
        raise UserError(
            f"{name}: no prediction of any of the {len(videos)} tested videos",
            "Keys of 'results' are YouTube ids",
        )
    columns = list(zip(*found, strict=True))
    rows, labels = (np.array(column, np.intp) for column in columns[:2])
    return Predictions(rows, labels, np.array(columns[2], np.float64))


def _parse_prediction(name: str, what: str, entry: Any, number: Mapping[str, int]) -> tuple[int, float]:
    values = require_object(name, entry, f"a prediction of {what}")
    label = require_text(name, values.get("label"), f"a label of {what}")
    if label not in number:
        unknown = UnknownNameError("label", one_line(label), number)
        raise UserError(f"{name}: {what}: {unknown.message}", unknown.hint)
    score = values.get("score")
    if isinstance(score, bool) or not isinstance(score, int | float):
        raise UserError(f"{name}: {what}: the score of {label!r} is {one_line(score)!r}, not a number")
    try:
        value = float(score)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise UserError(f"{name}: {what}: the score of {label!r} is not a finite number")
    return number[label], value


def write(version: str, videos: Sequence[str], classes: Sequence[str], scores: NDArray[np.floating]) -> str:
    """Write the scores of every class of every video, as the official evaluation wants them for the full mAP.

    Parameters
    ----------
    version : str
        Of the annotations.
    videos, classes : sequence of str
    scores : ndarray of float, shape (videos, classes)
        −∞, of a class without training videos, is left out.
    """
    results = {
        video: [
            {"label": label, "score": value}
            for label, value in zip(classes, own, strict=True)
            if value > -math.inf
        ]
        for video, own in zip(videos, scores.tolist(), strict=True)
    }
    external = {"used": True, "details": "features of a network that was trained on other data"}
    return json.dumps({"version": version, "results": results, "external_data": external}) + "\n"
