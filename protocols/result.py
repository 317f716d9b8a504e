"""The outcome of one protocol: numbers with intervals, certificates and provenance, as JSON plus scores."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from p3d_eval.errors import UserError, unread
from p3d_eval.files import require_json, require_new, write_text
from p3d_eval.markup import shown_by
from p3d_eval.protocols.result_reading import read_value
from p3d_eval.protocols.scores import Scores, scores_path
from p3d_eval.provenance import now, package_versions, sha256_file, sha256_json

__all__ = ["Certificate", "Coverage", "Metric", "Result", "Scores", "Split", "Variant", "scores_path"]

SCHEMA_VERSION = 1
_WANTED = "Give the JSON that a protocol wrote, e.g. p3d-eval ucf101 --features feats.h5"
_NO_FIELDS = ("schema_version", "scores")  # of a result that is read: its scores stay in their file
WANTED_GAP = 1e-6  # relative duality gap of a fit whose number may be quoted


@dataclass(frozen=True)
class Metric:
    """One number with its interval.

    Parameters
    ----------
    value : float or None
        A fraction, or None where it is undefined (then ``reason`` says why).
    low, high : float or None
        Ends of the interval.
    level : float or None
        Its confidence level, e.g. 0.95.
    method : str or None
        How the interval was made, e.g. ``"wilson"`` or ``"standard error of 10 folds"``.
    n : int or None
        Number of units the value rests on.
    unit : str
        What the units are, e.g. ``"videos"``, ``"pairs"``, ``"folds"``.
    standard_error : float or None
        Where the protocol reports one (ASLAN).
    reason : str or None
        Why the value is undefined.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    level: float | None = None
    method: str | None = None
    n: int | None = None
    unit: str = ""
    standard_error: float | None = None
    reason: str | None = None

    def __post_init__(self) -> None:
        if self.level is not None and not 0 < self.level < 1:
            raise ValueError(f"a confidence level of {self.level}")


@dataclass(frozen=True)
class Certificate:
    """Proof that a solver converged.

    Parameters
    ----------
    problem : str
        Which fit, e.g. ``"split 1"`` or ``"fold 3, zscore+l2"``.
    solver : str
        Name and settings of the solver.
    relative_gap : float
        The worst of its binary problems, in float64: what ``measure`` says.
    tolerance : float
        The gap that was asked for.
    problems : int
        Number of binary problems.
    measure : str
        What proves it.
    """

    problem: str
    solver: str
    relative_gap: float
    tolerance: float
    problems: int = 1
    measure: str = "relative duality gap"

    @property
    def converged(self) -> bool:
        """Whether the gap is within the tolerance."""
        return self.relative_gap <= self.tolerance


@dataclass(frozen=True)
class Coverage:
    """Videos used of videos expected, and how missing ones were counted.

    Parameters
    ----------
    expected, used : int
        Numbers of videos the annotations name, and of those among them with features.
    missing : tuple of str
        Ids that the annotations name and the store lacks.
    counted_as : str
        ``"complete"`` (none is missing), ``"wrong"`` or ``"excluded"``.
    """

    expected: int
    used: int
    missing: tuple[str, ...] = ()
    counted_as: str = "complete"


@dataclass(frozen=True)
class Split:
    """Numbers of one split or fold: its name, its metrics, and how many units trained and tested it.

    ``chosen`` holds what was chosen on its training units, e.g. C and what there was to choose from.
    """

    name: str
    metrics: Mapping[str, Metric]
    n_train: int
    n_test: int
    chosen: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Variant:
    """The same protocol with one choice changed (a sensitivity line), or one point of a sweep."""

    name: str
    options: Mapping[str, Any]
    metrics: Mapping[str, Metric]
    headline: bool = False


@dataclass(frozen=True)
class Result:
    """What a protocol found.

    Parameters
    ----------
    protocol, version : str
        Name and version of the protocol; a version changes when its numbers may.
    label : str
        What the row is called in a table, e.g. ``"i3d"`` or ``"p3d199 (random weights)"``.
    metrics : mapping of str to Metric
        Headline numbers, as fractions.
    options : mapping
        Every option with the value that was used.
    choices : tuple of str
        What was chosen where the paper is silent, one sentence each, printed with the result.
    features : mapping
        Provenance of the store: file, identity, backbone, weights, layers, sampling.
    annotations : mapping
        ``source``, ``sha256``, ``official`` (true when the split is the published one).
    coverage : Coverage
        Videos used of videos expected.
    splits : tuple of Split
        Per split or fold.
    variants : tuple of Variant
        Sensitivity lines; a sweep's points.
    per_class : mapping of str to Metric
        Per-class values of the headline metric.
    certificates : tuple of Certificate
        One for every fit.
    warnings : tuple of str
        What a reader must know before quoting a number.
    seconds : mapping of str to float
        Time of each phase.
    default_options : mapping
        Defaults of the options, as they were when it was made; empty where they are not known.
    scores : Scores, optional
        Saved beside the JSON, not in it.
    """

    protocol: str
    version: str
    label: str
    metrics: Mapping[str, Metric]
    options: Mapping[str, Any]
    choices: tuple[str, ...]
    features: Mapping[str, Any]
    annotations: Mapping[str, Any]
    coverage: Coverage
    splits: tuple[Split, ...] = ()
    variants: tuple[Variant, ...] = ()
    per_class: Mapping[str, Metric] = field(default_factory=dict)
    certificates: tuple[Certificate, ...] = ()
    warnings: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    created: str = field(default_factory=now)
    software: Mapping[str, str] = field(default_factory=package_versions)
    scores_file: Mapping[str, str] | None = None
    default_options: Mapping[str, Any] = field(default_factory=dict, compare=False)
    scores: Scores | None = field(default=None, repr=False, compare=False)
    _repr_html_ = shown_by("p3d_eval.protocols.notebook:result_html")

    @property
    def result_id(self) -> str:
        """Hash of protocol, version, options, store identity, annotations' SHA-256 and missing videos.

        Failed videos do not change a store's identity, since resuming may mend them; they change the numbers.
        """
        return sha256_json(
            {
                "protocol": self.protocol,
                "version": self.version,
                "options": dict(self.options),
                "features": self.features.get("identity"),
                "annotations": self.annotations.get("sha256"),
                "missing": sorted(self.coverage.missing),
            }
        )[:16]

    @property
    def converged(self) -> bool:
        """Whether every fit's certificate holds."""
        return all(certificate.converged for certificate in self.certificates)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; raises ValueError where a number is NaN or infinite (use None and a reason)."""
        plain = {name: value for name, value in vars(self).items() if name != "scores"}
        for name in ("metrics", "per_class"):
            plain[name] = {key: asdict(metric) for key, metric in plain[name].items()}
        plain["coverage"] = asdict(self.coverage)
        plain["certificates"] = [asdict(c) | {"converged": c.converged} for c in self.certificates]
        plain["splits"] = [asdict(split) for split in self.splits]
        plain["variants"] = [asdict(variant) for variant in self.variants]
        document = {"schema_version": SCHEMA_VERSION, "result_id": self.result_id, "converged": self.converged}
        text = json.dumps(document | plain, allow_nan=False)
        return json.loads(text)

    def save(self, path: Path, overwrite: bool = False) -> Path:
        """Write ``path`` (JSON) and, beside it, the scores as ``.npz``; return ``path``.

        Raises
        ------
        UserError
            When the name does not end in ``.json``, a file exists and ``overwrite`` is false, or the folder
            cannot be written.
        """
        require_json(path)
        require_new(path, overwrite)
        document = self.to_json()
        if self.scores is not None:
            beside = scores_path(path)
            digest = self.scores.save(beside, overwrite)
            document["scores_file"] = {"name": beside.name, "sha256": digest}
        write_text(path, json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n", overwrite)
        return path

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a result that :meth:`save` wrote (the scores stay in their file: see :meth:`load_scores`).

        Raises
        ------
        UserError
            When the file is missing, is not JSON, or is no result of a known schema version.
        """
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise UserError(f"{path}: no such result file", _WANTED) from None
        except (OSError, ValueError, RecursionError) as error:
            raise UserError(f"{path}: not a result of p3d-eval ({unread(error)})", _WANTED) from error
        if not isinstance(document, dict) or "protocol" not in document:
            raise UserError(f"{path}: not a result of p3d-eval (it has no 'protocol')")
        if document.get("schema_version") != SCHEMA_VERSION:
            raise UserError(
                f"{path}: schema version {document.get('schema_version')!r}, not {SCHEMA_VERSION}",
                "Run the protocol again with this release",
            )
        stored = {name: value for name, value in document.items() if name not in _NO_FIELDS}
        try:
            return read_value(cls, stored)
        except ValueError as error:
            raise UserError(f"{path}: not a complete result of p3d-eval ({error})") from error

    def load_scores(self, path: Path) -> Scores:
        """Read the scores that belong to the result saved at ``path``, checking their hash.

        Raises
        ------
        UserError
            When the result has none, or the file is absent or was changed.
        """
        if self.scores_file is None:
            raise UserError(f"{path}: this result has no scores")
        beside = path.with_name(Path(self.scores_file["name"]).name)
        if not beside.is_file():
            raise UserError(f"{beside}: the scores of {path.name} are not there")
        if sha256_file(beside) != self.scores_file["sha256"]:
            raise UserError(f"{beside}: not the scores that {path.name} was made with")
        return Scores.load(beside)
