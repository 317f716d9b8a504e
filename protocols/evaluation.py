"""Run a protocol by name on a feature file."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from os import PathLike
from pathlib import Path
from typing import Any, cast

from p3d_eval.errors import UserError
from p3d_eval.features import FeatureStore, open_features
from p3d_eval.features.row_names import honest_name
from p3d_eval.files import require_json, require_new, require_writable, write_text
from p3d_eval.protocols import PROTOCOLS, Protocol
from p3d_eval.protocols.annotations.sources import find_annotations
from p3d_eval.protocols.fused_store import FusedStore
from p3d_eval.protocols.protocol import AnnotationFiles, default
from p3d_eval.protocols.rehearsal import rehearse
from p3d_eval.protocols.result import Result, scores_path

File = str | PathLike[str]
Files = File | FeatureStore | Sequence[File | FeatureStore]


def evaluate(
    name: str,
    features: Files | None = None,
    out: str | PathLike[str] | None = None,
    *,
    overwrite: bool = False,
    label: str | None = None,
    predictions: str | PathLike[str] | None = None,
    write_predictions: str | PathLike[str] | None = None,
    fusion: str | None = None,
    weights: str | None = None,
    **options: Any,
) -> Result:
    """Run a protocol and, with ``out``, save its result.

    Parameters
    ----------
    name : str
        Protocol, e.g. ``"ucf101"`` or ``"aslan"``.
    features : path or FeatureStore, or a sequence of these
        The feature file; several of the same videos are fused.
    out : path, optional
        JSON file to write; the scores go beside it.
    overwrite : bool
        Whether existing outputs may be replaced.
    label : str, optional
        What the row is called in a table; by default the backbone, with "(random weights)" where that is so.
    predictions : path, optional
        Official file of predictions to judge in place of features (``activitynet``).
    write_predictions : path, optional
        Official file of predictions to write.
    fusion : {"early", "late", "late-softmax"}, optional
        How several feature files are fused, by default ``early``.
    weights : str, optional
        The files' weights, such as ``"0.7,0.3"``, or ``cv``; equal by default.
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
    if out is not None:
        require_json(Path(out))
    annotation = protocol.annotation_option
    given = options.pop(annotation.name, None) if annotation else None
    parsed = protocol.parse_options(options)
    protocol = protocol.specialise(parsed) if protocol.specialise else protocol
    outputs = {"--out": out, "--write-predictions": write_predictions}
    _require_different(outputs)
    if (predictions or write_predictions) and protocol.predictions is None:
        raise UserError(f"{name}: there is no official file of predictions", "activitynet has one")
    if predictions is not None and protocol.predictions is not None:
        if features is not None or write_predictions is not None:
            raise UserError("predictions are judged as they are: without features, and none are written")
        content, annotations = _read(Path(predictions)), find_annotations(protocol, Path(predictions), given)
        _require_outputs(outputs, overwrite)
        result = protocol.predictions.judge(content, annotations, parsed)
        result = result if label is None else replace(result, label=label)
    elif features is None:
        instead = " or --predictions FILE.json" if protocol.predictions else ""
        raise UserError(f"{name}: a feature file is needed", f"Give --features feats.h5{instead}")
    else:
        store = _open(protocol, features, fusion, weights, outputs)
        annotations = find_annotations(protocol, store, given)
        if hasattr(parsed, "check"):
            parsed.check(store)
        try:
            _require_outputs(outputs, overwrite)
        except UserError:  # a mistake in the inputs is told first: else it is met after another name is chosen
            rehearse(protocol, store, annotations, parsed)
            raise
        result = protocol.run(store, annotations, parsed)
        result = result if label is None else replace(result, label=honest_name(label, store.provenance))
    defaults = {option.name: default(option) for option in fields(protocol.options)}
    result = replace(result, default_options=defaults)  # so that a report need not load the protocol
    if write_predictions is not None and protocol.predictions is not None:
        write_text(Path(write_predictions), protocol.predictions.write(result), overwrite)
    if out is not None:
        result.save(Path(out), overwrite)
        saved = Result.load(Path(out))
        result = replace(result, scores_file=saved.scores_file)  # for load_scores; the rest is the same
    return result


def _open(
    protocol: Protocol,
    features: Files,
    fusion: str | None,
    weights: str | None,
    outputs: Mapping[str, File | None],
) -> FeatureStore:
    """Open the feature file, or several as one, and check that no output would replace one of them."""
    given = [features] if isinstance(features, str | PathLike | FeatureStore) else list(features)
    parts = [part if isinstance(part, FeatureStore) else open_features(part) for part in given]
    for option, path in outputs.items():
        if path is not None and Path(path).exists() and any(Path(path).samefile(part.path) for part in parts):
            raise UserError(f"{path} is the feature file itself", f"Choose another name for {option}")
    if len(parts) == 1:
        if fusion is not None or weights is not None:
            raise UserError(f"{protocol.name}: fusion needs two feature files", "Give --features twice")
        return parts[0]
    if not protocol.fuses:
        raise UserError(f"{protocol.name} takes one feature file, not {len(parts)}")
    # What a protocol does with a store, it does with several: see `p3d_eval.protocols.fused_store`.
    return cast("FeatureStore", FusedStore(parts, fusion or "early", weights))


def _require_different(outputs: Mapping[str, File | None]) -> None:
    """Check that no file is named for two outputs."""
    paths = [path.absolute() for _, path in _files(outputs)]
    if len(set(paths)) < len(paths):
        raise UserError(f"{outputs['--write-predictions']} is named for two outputs", "Choose another name")


def _require_outputs(outputs: Mapping[str, File | None], overwrite: bool) -> None:
    """Check that everything can be written, before hours of work."""
    for option, path in _files(outputs):
        require_new(path, overwrite, option)
        require_writable(path)


def _files(outputs: Mapping[str, File | None]) -> list[tuple[str, Path]]:
    """List what is written, with the option that names it; the scores lie beside the result."""
    found = [(option, Path(path)) for option, path in outputs.items() if path is not None]
    return [*found, *((option, scores_path(path)) for option, path in found if option == "--out")]


def _read(path: Path) -> AnnotationFiles:
    """Read somebody's file of predictions."""
    try:
        return AnnotationFiles({path.name: path.read_bytes()}, str(path))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
