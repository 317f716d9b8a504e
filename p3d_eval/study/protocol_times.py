"""Seconds that a protocol takes: scaled with the videos, from an earlier run or from one that was measured."""

from collections.abc import Mapping
from itertools import islice
from typing import Any

Time = tuple[float, int]
"""Seconds, and the videos that they were for."""

_MEASURED = {
    "ucf101": (17.0, 13_320),
    "hmdb51": (8.0, 6_766),
    "activitynet": (19.0, 14_950),
    "yupenn": (3.9, 420),
    "dynamic-scenes": (2.9, 130),
    "scenes": (7.7, 1_000),
    "aslan": (13.0, 3_697),
    "retrieval": (11.0, 13_320),
    "custom": (7.4, 5_000),
    "custom left-out": (7.7, 1_000),  # as scenes
    "custom retrieval": (8.7, 5_000),
    "custom pairs": (3.5, 3_495),
    "kinetics400": (6.8, 19_906),
    "kinetics400 video": (4.0, 19_906),
    "sports1m": (6.9, 20_000),
    "sports1m video": (3.5, 20_000),
    "ssv2": (6.8, 24_777),
    "ssv2 video": (3.3, 24_777),
    **{f"{name} probe": (9.9, 15_000) for name in ("kinetics400", "sports1m", "ssv2")},
}
"""Seconds and videos of whole protocols on two AMD EPYC cores (docs/performance.md, "Whole protocols")."""

# Imports, in each of these rows ("about 3 s", the same page); a study's process does many evaluations.
START_SECONDS = 2.8
_ENOUGH = 0.1  # of the videos: what is done once weighs too much in a smaller run
_JUDGES_SCORES = ("kinetics400", "sports1m", "ssv2")
_OTHER_WORK = {"task": ("retrieval", "pairs"), "measure": ("video",), "scheme": ("left-out",)}


def kind_of_work(protocol: str, options: Mapping[str, Any]) -> str:
    """Name a protocol, with what makes its time another one: ``"custom pairs"``, ``"ssv2 probe"``.

    Parameters
    ----------
    protocol : str
    options : mapping
        Those that are given.
    """
    if protocol in _JUDGES_SCORES and options.get("layer", "prob") != "prob":
        return f"{protocol} probe"
    found = (options[name] for name, values in _OTHER_WORK.items() if options.get(name) in values)
    return " ".join([protocol, *islice(found, 1)])


def protocol_seconds(kind: str, videos: int, earlier: Time | None) -> float | None:
    """Predict a protocol's time, without the start of a process.

    Parameters
    ----------
    kind : str
        As `kind_of_work` names it.
    videos : int
    earlier : (float, int), optional
        Seconds and videos of a run on this machine; it counts when it had a tenth of the videos at least.

    Returns
    -------
    float or None
        Seconds; None where nobody measured it.
    """
    if earlier is not None and earlier[1] >= _ENOUGH * videos:
        return earlier[0] * videos / earlier[1]
    if kind not in _MEASURED:
        return None
    seconds, measured = _MEASURED[kind]
    return max(0.0, seconds - START_SECONDS) * videos / measured
