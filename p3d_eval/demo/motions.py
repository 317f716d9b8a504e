"""Twenty motions of one textured patch: the demo's action classes.

A motion maps a phase (in cycles) to the patch's place, angle, size and brightness. Shapes,
colours and backgrounds are drawn for each video alike in all classes, so that only the motion tells them apart.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import cos, pi, sin


@dataclass(frozen=True)
class Pose:
    """Where the patch is: x, y in half frames from the centre, angle in radians, other values as factors."""

    x: float = 0.0
    y: float = 0.0
    angle: float = 0.0
    scale: float = 1.0
    brightness: float = 1.0


def _saw(phase: float) -> float:
    """Run from -1 to 1 once a cycle and jump back."""
    return 2 * (phase % 1) - 1


def _wave(phase: float) -> float:
    return sin(2 * pi * phase)


def _bump(phase: float) -> float:
    """Height of a ball that bounces once a cycle: 0 on the ground, 1 at the top."""
    return 1 - _saw(phase) ** 2


MOTIONS: dict[str, Callable[[float], Pose]] = {
    "Approach": lambda p: Pose(scale=0.5 + 1.3 * (p % 1)),
    "Blink": lambda p: Pose(brightness=0.15 + 0.85 * (p % 1 < 0.5)),
    "Bounce": lambda p: Pose(y=0.6 - 1.2 * _bump(p)),
    "CircleLeft": lambda p: Pose(x=0.55 * cos(2 * pi * p), y=-0.55 * _wave(p)),
    "CircleRight": lambda p: Pose(x=0.55 * cos(2 * pi * p), y=0.55 * _wave(p)),
    "FallDown": lambda p: Pose(y=0.9 * _saw(p)),
    "NodUpDown": lambda p: Pose(y=0.18 * _wave(3 * p)),
    "Pulse": lambda p: Pose(scale=1 + 0.45 * _wave(2 * p)),
    "Retreat": lambda p: Pose(scale=1.8 - 1.3 * (p % 1)),
    "RiseUp": lambda p: Pose(y=-0.9 * _saw(p)),
    "RollLeft": lambda p: Pose(x=-0.8 * _saw(p), angle=-2 * pi * p),
    "RollRight": lambda p: Pose(x=0.8 * _saw(p), angle=2 * pi * p),
    "ShakeSideways": lambda p: Pose(x=0.18 * _wave(3 * p)),
    "SlideLeft": lambda p: Pose(x=-0.9 * _saw(p)),
    "SlideRight": lambda p: Pose(x=0.9 * _saw(p)),
    "SpinLeft": lambda p: Pose(angle=-2 * pi * p),
    "SpinRight": lambda p: Pose(angle=2 * pi * p),
    "Spiral": lambda p: Pose(x=0.7 * (p % 1) * cos(4 * pi * p), y=0.7 * (p % 1) * sin(4 * pi * p)),
    "Swing": lambda p: Pose(x=0.5 * _wave(p), y=0.3 * cos(4 * pi * p), angle=0.6 * _wave(p)),
    "ZigZag": lambda p: Pose(x=0.8 * _saw(p), y=0.4 * _saw(4 * p)),
}
