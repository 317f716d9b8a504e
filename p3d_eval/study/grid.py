"""From a study document to its cells: which rows are extracted from which videos, and how they are judged."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from p3d_eval.errors import UnknownNameError, UserError
from p3d_eval.protocols import PROTOCOLS
from p3d_eval.study.keys import told_in_keys
from p3d_eval.study.rows import check_row, parts, read_tables, require_name, underscored
from p3d_eval.study.settings import (
    DataSettings,
    ExtractSettings,
    ProfileSettings,
    ProtocolSettings,
    ReportSettings,
    RowSettings,
    StudySettings,
    read_table,
)

_TABLES = {
    "extract": "options of every extraction",
    "backbones": "rows",
    "datasets": "videos",
    "protocols": "evaluations",
    "profile": "how networks are measured",
    "report": "what is written",
}
_OUTER = tuple(StudySettings.__dataclass_fields__)


@dataclass(frozen=True)
class Extraction:
    """Features of a row on a data set.

    Parameters
    ----------
    row, dataset : str
        Names in the study file.
    settings : RowSettings
        The network.
    extract : ExtractSettings
        How its features are taken.
    """

    row: str
    dataset: str
    settings: RowSettings
    extract: ExtractSettings

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"extract {self.row} on {self.dataset}"


@dataclass(frozen=True)
class Evaluation:
    """One protocol with one set of options on one row's features of one data set.

    Parameters
    ----------
    run : str
        Name of the table in the study file.
    protocol : str
        Which protocol.
    row, dataset : str
        Whose features.
    options : mapping
        The protocol's options as the study file gives them, one value each.
    point : str
        Options of a list, as text, e.g. ``"C=10"``; empty where there is none.
    annotation : str, optional
        Path of the official annotations, as the study file gives it.
    """

    run: str
    protocol: str
    row: str
    dataset: str
    options: Mapping[str, Any]
    point: str = ""
    annotation: str | None = None

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"{self.run}{f' {self.point}' if self.point else ''} on {self.row}, {self.dataset}"


@dataclass(frozen=True)
class Study:
    """What a study file asks for, checked.

    Parameters
    ----------
    name : str
        The file, for messages.
    base : Path
        What its relative paths are relative to.
    out : Path
        Folder of everything that the study makes, relative to ``base`` or absolute.
    rows : mapping of str to RowSettings
    datasets : mapping of str to DataSettings
    extractions : tuple of Extraction
    evaluations : tuple of Evaluation
    report : ReportSettings
    profile : ProfileSettings, optional
        How networks are measured; None where they are not.
    """

    name: str
    base: Path
    out: Path
    rows: Mapping[str, RowSettings]
    datasets: Mapping[str, DataSettings]
    extractions: tuple[Extraction, ...]
    evaluations: tuple[Evaluation, ...]
    report: ReportSettings
    profile: ProfileSettings | None = None

    @property
    def folder(self) -> Path:
        """``out`` as an absolute path."""
        return self.base / self.out


@told_in_keys()
def build_study(document: Mapping[str, Any], name: str, base: Path, out: str) -> Study:
    """Check a study document and list its cells.

    Parameters
    ----------
    document : mapping
        From `p3d_eval.study.reading.read_study`.
    name : str
        The file, for messages.
    base : Path
        Folder of relative paths.
    out : str
        Folder of outputs where the document names none.

    Raises
    ------
    UserError
        When a key, a name, a value or a path is wrong; one line says which, in which table.
    """
    outer = {key: value for key, value in document.items() if key in _OUTER}
    for key, value in document.items():
        if key in _TABLES and not isinstance(value, Mapping):
            raise UserError(
                f"{name}: {key} = {value!r} is not a table", f"Write [{key}] and a line for each key"
            )
        if key not in (*_TABLES, *_OUTER):
            raise UnknownNameError(f"key of {name}:", key, (*_TABLES, *_OUTER, "extends"))
    study = read_table(name, outer, StudySettings)
    shared = _table(name, document, "extract")
    read_table(f"[extract] in {name}", shared, ExtractSettings)
    rows, own = read_tables(name, document, "backbones", _TABLES["backbones"], RowSettings)
    datasets, of_data = read_tables(name, document, "datasets", _TABLES["datasets"], DataSettings)
    for row, settings in rows.items():
        check_row(f"[backbones.{row}] in {name}", row, settings, own[row], rows, datasets)
    evaluations = tuple(_evaluations(name, document.get("protocols", {}), rows, datasets))
    extractions = {}
    for row, dataset in dict.fromkeys(
        (part, one.dataset) for one in evaluations for part in parts(rows, one.row)
    ):
        if not rows[row].features:
            merged = read_table(
                f"[extract] in {name}", {**shared, **of_data[dataset], **own[row]}, ExtractSettings
            )
            extractions[row, dataset] = Extraction(row, dataset, rows[row], merged)
    report = read_table(f"[report] in {name}", _table(name, document, "report"), ReportSettings)
    profile = None
    if "profile" in document:
        profile = read_table(f"[profile] in {name}", _table(name, document, "profile"), ProfileSettings)
    folder = Path(study.out or out).expanduser()
    if (base / folder).is_file():
        raise UserError(f"{name}: outputs would go into {folder}, which is a file", 'Write out = "FOLDER"')
    return Study(name, base, folder, rows, datasets, tuple(extractions.values()), evaluations, report, profile)


def _table(name: str, document: Mapping[str, Any], key: str) -> dict[str, Any]:
    return underscored(f"[{key}] in {name}", document.get(key, {}))


def _evaluations(
    name: str, tables: Mapping[str, Any], rows: Mapping[str, RowSettings], datasets: Mapping[str, DataSettings]
) -> Iterator[Evaluation]:
    if not tables:
        raise UserError(f"{name}: no protocols", "Write a table [protocols.NAME] for each of the evaluations")
    for run, table in tables.items():
        require_name(name, "protocols", run)
        where = f"[protocols.{run}] in {name}"
        if not isinstance(table, Mapping):
            raise UserError(f"{name}: protocols.{run} = {table!r} is not a table", f"Write [protocols.{run}]")
        table = underscored(where, table)
        keys = ProtocolSettings.__dataclass_fields__
        own = read_table(where, {key: value for key, value in table.items() if key in keys}, ProtocolSettings)
        protocol = own.protocol or run
        if protocol not in PROTOCOLS:
            raise UnknownNameError(f"protocol of {where}:", protocol, PROTOCOLS.names())
        options = {key: value for key, value in table.items() if key not in keys}
        annotation = _annotation(where, protocol, options)
        chosen = (
            _chosen(f"{where}: backbones", own.backbones, rows),
            _chosen(f"{where}: datasets", own.datasets, datasets),
        )
        points = list(_points(where, protocol, options))
        for row, dataset in product(*chosen):
            if not _available(where, protocol, row, dataset, rows, own):
                continue
            given = annotation or datasets[dataset].annotations.get(protocol)
            for point, values in points:
                yield Evaluation(run, protocol, row, dataset, values, point, given)
    _require_annotated(name, tables, datasets)


def _annotation(where: str, protocol: str, options: dict[str, Any]) -> str | None:
    """Take the option that names the protocol's annotations out of its options."""
    option = PROTOCOLS.load(protocol).annotation_option
    given = options.pop(option.name, None) if option else None
    if given is not None and not isinstance(given, str):
        raise UserError(f"{where}: {option.name if option else ''} = {given!r} is not text", "Name one path")
    return given


def _chosen(where: str, names: Sequence[str], known: Mapping[str, Any]) -> Sequence[str]:
    for one in names:
        if one not in known:
            raise UnknownNameError(f"name in {where}:", one, known)
    return names or list(known)


def _available(
    where: str,
    protocol: str,
    row: str,
    dataset: str,
    rows: Mapping[str, RowSettings],
    own: ProtocolSettings,
) -> bool:
    """Whether a row has features of a data set; a row of feature files need not have all."""
    for part in parts(rows, row):
        if rows[part].features and dataset not in rows[part].features:
            if own.backbones and own.datasets:
                raise UserError(
                    f"{where}: {part!r} has no features of {dataset!r}",
                    f"Add it to features of [backbones.{part}], or leave it out here",
                )
            return False
    if rows[row].fuse and not PROTOCOLS.load(protocol).fuses:
        if row in own.backbones:
            raise UserError(f"{where}: {protocol} takes one feature file, {row!r} fuses several")
        return False
    return True


def _points(where: str, protocol: str, options: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give every combination of options whose value is a list; check each as the protocol does."""
    lists = {key: value for key, value in options.items() if isinstance(value, list)}
    if not all(lists.values()):
        raise UserError(f"{where}: {next(key for key, value in lists.items() if not value)} = [] is empty")
    for values in product(*lists.values()):
        point = dict(zip(lists, values, strict=True))
        try:
            PROTOCOLS.load(protocol).parse_options({**options, **point})
        except UserError as error:
            raise UserError(f"{where}: {error.message}", error.hint) from None
        yield ", ".join(f"{key}={value}" for key, value in point.items()), {**options, **point}


def _require_annotated(name: str, tables: Mapping[str, Any], datasets: Mapping[str, DataSettings]) -> None:
    """Check that annotations of a data set are of a protocol that the study runs."""
    run = {str(table.get("protocol", key)) for key, table in tables.items()}
    for dataset, settings in datasets.items():
        for protocol, path in settings.annotations.items():
            where = f"[datasets.{dataset}] in {name}"
            if protocol not in run:
                raise UnknownNameError(f"protocol in annotations of {where}:", protocol, run)
            if not isinstance(path, str):
                raise UserError(f"{where}: annotations.{protocol} = {path!r} is not text", "Name one path")
