"""What a file says of its network besides the network itself, and what its input's shape says.

A file can carry one JSON text under the name ``p3d_eval.json`` (torch.export: an extra file; ONNX: a
metadata property)::

    {"input_spec": {"mean": [0.45, 0.45, 0.45], "std": [0.225, 0.225, 0.225], "value_range": [0, 1],
                    "resize": 256, "crop": [224, 224], "clip_length": 16, "frame_stride": 4},
     "layout": "NCTHW", "classes": ["run", "jump"], "trained_on": "Kinetics-400"}

What it leaves out, and the shape does not tell, the user gives when loading.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from torch import Tensor

from p3d_eval.backbones.frames import fold_frames
from p3d_eval.backbones.spec import InputSpec
from p3d_eval.errors import UnknownNameError, UserError

KEY = "p3d_eval.json"
Layout = Literal["NCTHW", "NTCHW", "NTHWC", "NCHW", "NHWC"]
_CHANNELS = 3
_ALWAYS_STATED = ("resize", "mean", "std", "value_range")
_GUESS = {"clip_length": 16, "crop": (224, 224), "mean": (0.0,) * 3, "std": (1.0,) * 3}


@dataclass(frozen=True)
class Statement:
    """What is known of an exported network.

    Parameters
    ----------
    spec : InputSpec
        Its input; partly a guess.
    unstated : tuple of str
        Which fields are only guesses.
    layout : str
        Axes of the tensor that it takes.
    classes : tuple of str
        Names of the entries of an output ``prob``.
    trained_on : str
        Training data.
    """

    spec: InputSpec
    unstated: tuple[str, ...]
    layout: Layout
    classes: tuple[str, ...] = ()
    trained_on: str = ""

    @property
    def images(self) -> bool:
        """Whether it takes single frames."""
        return "T" not in self.layout


def read_statement(where: str, shape: Sequence[int | None], text: str, layout: str | None) -> Statement:
    """Put together what a file and the shape of its input say.

    Parameters
    ----------
    where : str
        The file, for errors.
    shape : sequence of int or None
        Shape of the network's input, None where any length goes.
    text : str
        The file's own JSON; empty without one.
    layout : str or None
        The user's word on the axes.

    Raises
    ------
    UserError
        When the JSON cannot be read, or the axes cannot be told.
    """
    said = _parse(where, text)
    given = dict(said.get("input_spec", {}))
    chosen = _layout(where, shape, layout or said.get("layout"))
    axes = {letter: n for letter, n in zip(chosen, shape, strict=True) if n is not None}
    if "T" in axes:
        given.setdefault("clip_length", axes["T"])
    if "H" in axes and "W" in axes:
        given.setdefault("crop", [axes["H"], axes["W"]])
    wanted = (*(("clip_length",) if "T" in chosen else ()), "crop", *_ALWAYS_STATED)
    unstated = tuple(name for name in wanted if name not in given)
    plain = {key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}
    values: dict[str, Any] = {**_GUESS, **plain}
    if "crop" not in given and "resize" in values:
        side = values["resize"]
        values["crop"] = (side, side) if isinstance(side, int) else side
    values.setdefault("resize", values["crop"])
    try:
        spec = InputSpec(**values)
    except UserError as error:
        raise UserError(f"{where}, {KEY}: {error.message}", "Mend it, and export it again") from error
    return Statement(
        spec, unstated, chosen, tuple(map(str, said.get("classes", ()))), str(said.get("trained_on", ""))
    )


def _parse(where: str, text: str) -> dict[str, Any]:
    try:
        said = json.loads(text or "{}")
    except (json.JSONDecodeError, RecursionError) as error:
        raise UserError(f"{where}: its {KEY} is not JSON", "Export it again") from error
    known = {field.name for field in fields(InputSpec)}
    spec = said.get("input_spec", {}) if isinstance(said, dict) else None
    if not isinstance(spec, dict) or not isinstance(said.get("classes", []), list):
        raise UserError(
            f"{where}: its {KEY} is not an object of the form in the documentation", "Export it again"
        )
    for name in spec:
        if name not in known:
            raise UnknownNameError(f"field of the input_spec in {where}", name, known)
    return said


def _layout(where: str, shape: Sequence[int | None], given: str | None) -> Layout:
    choices = [known for known in get_args(Layout) if len(known) == len(shape)]
    if given is not None and given not in choices:
        raise UnknownNameError(f"layout of the input of {where}", given, choices)
    for known in choices:
        if given == known:
            return known
    fitting = [known for known in choices if shape[known.index("C")] == _CHANNELS]
    if len(fitting) != 1:
        size = " × ".join("any" if n is None else str(n) for n in shape)
        raise UserError(
            f"{where} takes {size}: which axis is which cannot be told",
            f"Say --option layout={'|'.join(choices)}"
            if choices
            else "Export a network that takes clips or images",
        )
    return fitting[0]


def lay_out(x: Tensor, layout: Layout, frames: str) -> Tensor:
    """Bring clips N × C × T × H × W into the axes that an exported network takes."""
    if "T" not in layout:
        images = fold_frames(x, frames)
        return images if layout == "NCHW" else images.permute(0, 2, 3, 1)
    order = {"NCTHW": (0, 1, 2, 3, 4), "NTCHW": (0, 2, 1, 3, 4), "NTHWC": (0, 2, 3, 4, 1)}[layout]
    return x.permute(order)
