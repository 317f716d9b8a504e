"""Layers that a study's evaluations take, held against those that its extractions store."""

from collections.abc import Collection, Mapping, Sequence

from p3d_eval.backbones import BACKBONES, Architecture
from p3d_eval.backbones.layers import parse_layers
from p3d_eval.errors import UserError, did_you_mean
from p3d_eval.protocols import PROTOCOLS
from p3d_eval.study.grid import Evaluation, Extraction, Study
from p3d_eval.study.rows import parts

ASLAN = "aslan"
Taken = tuple[str, ...] | None  # layers of one feature file; None: those of its network for ASLAN


def find_takers(study: Study, made: Extraction) -> dict[str, Taken]:
    """Say which layers each evaluation takes of an extraction, by the evaluation's name.

    Raises
    ------
    UserError
        When an option names neither one layer nor one for each file.
    """
    found = {}
    for cell in study.evaluations:
        rows = parts(study.rows, cell.row)
        if cell.dataset == made.dataset and made.row in rows:
            found[cell.name] = taken_layers(study.name, cell, len(rows))[rows.index(made.row)]
    return found


def taken_layers(name: str, cell: Evaluation, files: int) -> tuple[Taken, ...]:
    """Say which layers an evaluation takes of each of its feature files; none where nothing is known.

    Raises
    ------
    UserError
        When its option names neither one layer nor one for each file.
    """
    options = PROTOCOLS.load(cell.protocol).parse_options(cell.options)
    if cell.protocol == ASLAN and options.layers is None:
        return (None,) * files
    text = getattr(options, "layer", None) or getattr(options, "layers", None)
    if not isinstance(text, str):  # a plug-in's protocol, with options of its own
        return ((),) * files
    names = tuple(one.strip() for one in text.split(","))
    if files == 1:
        return (names,)
    if len(names) not in (1, files):
        raise UserError(
            f"{name}: {cell.name}: layer: {len(names)} names in {text!r} for {files} feature files",
            "Give one name for all, or one for each row that is fused",
        )
    return tuple((one,) for one in (names * files if len(names) == 1 else names))


def check_layers(name: str, made: Extraction, backbone: str, takers: Mapping[str, Taken]) -> None:
    """Check, before a network is loaded, that evaluations will find their layers, as far as that can be told.

    Parameters
    ----------
    name : str
        The study file, for messages.
    made : Extraction
    backbone : str
    takers : mapping
        Of `find_takers`.

    Raises
    ------
    UserError
        When one will not.
    """
    architecture = BACKBONES.load(backbone) if backbone in BACKBONES else None
    registered = architecture.aslan_layers if isinstance(architecture, Architecture) else None
    asked = made.extract.layers
    stored = registered if asked is None else [one.name for one in parse_layers(asked)]
    if stored is None:
        return
    told = {cell: taken for cell, taken in takers.items() if taken is not None or registered is not None}
    for problem in layer_problems(told, stored, registered or ()).values():
        raise UserError(f"{name}: {problem.message}", problem.hint)


def layer_problems(
    takers: Mapping[str, Taken], stored: Collection[str], registered: Sequence[str]
) -> dict[str, UserError]:
    """Return the problem of every evaluation that will not find its layers, by its name.

    Parameters
    ----------
    takers : mapping
        Of `find_takers`.
    stored : collection of str
        Layers of the feature file.
    registered : sequence of str
        Layers of its network for ASLAN.
    """
    found = {name: _problem(name, taken, stored, registered) for name, taken in takers.items()}
    return {name: problem for name, problem in found.items() if problem is not None}


def _problem(name: str, taken: Taken, stored: Collection[str], registered: Sequence[str]) -> UserError | None:
    stores = f"It stores {', '.join(stored)}"
    if taken is None and not registered:
        return UserError(f"{name}: its network has no layers for ASLAN", f"{stores}: name them with layers")
    wanted = registered if taken is None else taken
    absent = [layer for layer in wanted if layer not in stored]
    if not absent:
        return None
    own = " of its network's layers for ASLAN" if taken is None else ""
    guess = did_you_mean(absent[0], stored)
    return UserError(
        f"{name}: no {', '.join(absent)}{own} in its features",
        f"{guess}{stores}: let the protocol take these, or extract more",
    )
