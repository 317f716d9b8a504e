"""The error of a video that cannot be used."""

from p3d_eval.errors import P3DEvalError


class DecodeError(P3DEvalError):
    """A video that cannot be decoded; the message is the reason that the feature file lists."""
