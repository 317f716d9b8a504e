"""What every result says about the features behind it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from p3d_eval.backbones.input_changes import PREPROCESSING
from p3d_eval.errors import UserError, counted, shorten
from p3d_eval.features import FeatureStore
from p3d_eval.features.matching import near_misses
from p3d_eval.protocols.classifiers.choice import Classifier
from p3d_eval.protocols.fused_store import FusedStore
from p3d_eval.protocols.protocol import AnnotationFiles
from p3d_eval.protocols.result import WANTED_GAP, Certificate, Coverage, Split
from p3d_eval.provenance import sha256_bytes, sha256_json

_RANDOM = "The features come from random weights: the numbers say nothing about a trained network."

AllowMissing = Literal["wrong", "excluded"] | None

_TRACED = (
    "options",
    "weights",
    "input_spec",
    "input_changes",
    "sampling",
    "trained_on",
    "decoder",
    "precision",
    "device",
    "reductions",
)


def describe_features(store: FeatureStore | FusedStore, layers: Sequence[str]) -> dict[str, Any]:
    """Provenance of the store as a result carries it (plain JSON values)."""
    known = {name: store.provenance.get(name) for name in _TRACED}
    return {
        "file": str(store.path),
        "identity": store.identity,
        "backbone": store.provenance["backbone"],
        "label": store.label,
        "layers": list(layers),
        **known,
        "commands": list(dict.fromkeys(str(run["command"]) for run in store.runs)),
    }


def describe_annotations(dataset: str, annotations: AnnotationFiles, official: bool) -> dict[str, Any]:
    """Source and SHA-256 of the annotations: of the file, or of the table of names and hashes of several."""
    hashes = {name: sha256_bytes(data) for name, data in annotations.files.items()}
    digest = next(iter(hashes.values())) if len(hashes) == 1 else sha256_json(hashes)
    return {"dataset": dataset, "source": annotations.source, "sha256": digest, "official": official}


def feature_warnings(store: FeatureStore | FusedStore) -> list[str]:
    """Return what a reader must know about the features before quoting a number."""
    warnings = []
    for part in store.parts if isinstance(store, FusedStore) else (store,):
        provenance = part.provenance
        if provenance["weights"].get("random"):
            warnings.append(_RANDOM)
        if provenance.get("stated"):
            warnings.append(f"That {provenance['backbone']} made the features is what their importer states.")
        changed = _changed_input(provenance.get("input_changes"))
        if changed:
            warnings.append(f"The network saw another input than it states: {changed}.")
    return list(dict.fromkeys(warnings))


def _changed_input(changes: Any) -> str:
    """Name what was changed in how pixels become numbers; empty for nothing, and for what is no table."""
    if not isinstance(changes, Mapping):
        return ""
    return "; ".join(
        f"{name.replace('_', ' ')} {_plain(values.get('used'))} (its own: {_plain(values.get('own'))})"
        for name, values in changes.items()
        if name in PREPROCESSING and isinstance(values, Mapping)
    )


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def certificate_warnings(certificates: Sequence[Certificate]) -> list[str]:
    """One loud line for every fit that did not converge, and one for a tolerance that proves little."""
    loosest = max((certificate.tolerance for certificate in certificates), default=0.0)
    loosened = [
        f"The solver was asked for a relative duality gap of {loosest:g}, not {WANTED_GAP:g}: do not quote."
    ]
    return (loosened if loosest > WANTED_GAP else []) + [
        f"NOT CONVERGED: {c.problem}: {c.measure} {c.relative_gap:.1e} is above {c.tolerance:.1e}; "
        "an unconverged solver can look better than the right one."
        for c in certificates
        if not c.converged
    ]


def describe_classifier(classifier: Classifier, splits: Sequence[Split]) -> str:
    """Say in one sentence what was trained, and how C was found."""
    said = f"classifier: {classifier.spoken()}"
    if classifier.name in ("knn", "ncm"):
        return said
    if len(classifier.values) == 1:
        return f"{said}, C = {classifier.values[0]:g} (not stated)"
    values = ", ".join(f"{value:g}" for value in classifier.values)
    found = "; ".join(f"{split.name}: {_chosen_c(split)}" for split in splits)
    return (
        f"{said}, C from {values} by cross validation over groups of training samples, the smaller of equals "
        f"({found})"
    )


def chosen_option(chosen: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """Make the option that tells what was chosen for a variant in each split; none where nothing was."""
    told = {name: dict(found) for name, found in chosen if found}
    return {"chosen": told} if told else {}


def _chosen_c(split: Split) -> str:
    """Say which C was chosen, of each file where scores of several were averaged."""
    return " and ".join(_told_c(chosen) for chosen in split.chosen.get("parts", [split.chosen]))


def _told_c(chosen: Mapping[str, Any]) -> str:
    """Say which C was chosen, or in how many folds which."""
    folds = chosen.get("folds")
    if isinstance(folds, dict):
        return ", ".join(f"{value} in {counted(count, 'fold')}" for value, count in folds.items())
    return f"{chosen['C']:g}"


def make_coverage(
    store: FeatureStore | FusedStore,
    expected: int,
    missing: Sequence[str],
    allow_missing: AllowMissing,
    what: str,
    where: str = "",
) -> Coverage:
    """Count the videos that the annotations name, and refuse missing ones unless the user allowed them.

    Parameters
    ----------
    store : FeatureStore or FusedStore
    expected : int
        Number of videos that the annotations name.
    missing : sequence of str
        Those without features.
    allow_missing : {"wrong", "excluded"} or None
    what : str
        What names the videos, e.g. ``"the splits"``.
    where : str
        What lacks them, where that is not the store's one file.

    Raises
    ------
    UserError
        When videos are missing and ``allow_missing`` is None, or all of them are.
    """
    if missing and (allow_missing is None or len(missing) == expected):
        raise UserError(
            f"{where or store.path}: {len(missing)} of {expected} videos of {what} have no features: "
            f"{shorten(missing)}",
            _mend_missing(store, missing, complete=len(missing) == expected),
        )
    counted_as = (allow_missing or "complete") if missing else "complete"
    return Coverage(expected, expected - len(missing), tuple(missing), counted_as)


def _mend_missing(store: FeatureStore | FusedStore, missing: Sequence[str], *, complete: bool) -> str:
    """Say what to do about missing videos; ids that are nearly theirs come first."""
    near = near_misses(missing, store.ids)
    mend = "Extract them with the data set's names" if complete else "Extract them"
    if near:
        name, video = next(iter(near.items()))
        mend = (
            f"{len(near)} differ from a stored id in case or extension only ({name!r} and {video!r}): "
            "correct the list or the videos' names"
        )
    return mend if complete else f"{mend}, or add --allow-missing wrong|excluded"
