"""Official annotation files: reading, checking, and finding them."""

from p3d_eval.protocols.annotations.official import read_official

__all__ = ["read_official"]
