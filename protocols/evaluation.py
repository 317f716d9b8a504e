"""Run a protocol by name on a feature file."""

from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

from p3d_eval.errors import UserError
from p3d_eval.features import FeatureStore, open_features
from p3d_eval.files import require_new, require_writable
from p3d_eval.protocols import PROTOCOLS
from p3d_eval.protocols.annotations.sources import find_annotations
from p3d_eval.protocols.result import Result, scores_path


def evaluate(
    name: str,
    features: str | PathLike[str] | FeatureStore,
    out: str | PathLike[str] | None = None,
    *,
    overwrite: bool = False,
    label: str | None = None,
    **options: Any,
) -> Result:
    """Run a protocol and, with ``out``, save its result.

    Parameters
    ----------
    name : str
        Protocol, e.g. ``"ucf101"`` or ``"aslan"``.
    features : path or FeatureStore
        The feature file.
    out : path, optional
        JSON file to write; the scores go beside it.
    overwrite : bool
        Whether existing outputs may be replaced.
    label : str, optional
        What the row is called in a table; by default the backbone, with "(random weights)" where that is so.
    **options
        The protocol's options, and the one that names its annotations (``splits=``, ``pairs=``).

    Returns
    -------
    Result
        With ``out``, one whose :meth:`Result.load_scores` finds the saved scores.

    Raises
    ------
    UserError
        When an option, the feature file, an annotation or the output is wrong.
    """
    protocol = PROTOCOLS.load(name)
    annotation = protocol.annotation_option
    given = options.pop(annotation.name, None) if annotation else None
    parsed = protocol.parse_options(options)
    if out is not None:  # before hours of work
        for path in (Path(out), scores_path(Path(out))):
            require_new(path, overwrite)
            require_writable(path)
    store = features if isinstance(features, FeatureStore) else open_features(features)
    if out is not None and Path(out).exists() and Path(out).samefile(store.path):
        raise UserError(f"{out} is the feature file itself", "Choose another name for --out")
    result = protocol.run(store, find_annotations(protocol, store, given), parsed)
    if label is not None:
        result = replace(result, label=_honest(label, store))
    if out is not None:
        result.save(Path(out), overwrite)
        saved = Result.load(Path(out))
        result = replace(result, scores_file=saved.scores_file)  # for load_scores; the rest is the same
    return result


def _honest(label: str, store: FeatureStore) -> str:
    """Name a row: one made with random weights says so, whatever it is called."""
    random = bool(store.provenance["weights"].get("random"))
    return f"{label} (random weights)" if random and "random weights" not in label.lower() else label
