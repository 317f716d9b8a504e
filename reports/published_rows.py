"""Published numbers: the rows of the tables of the P3D ResNet paper (Qiu, Yao, Mei, ICCV 2017), in percent."""

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.resources.abc import Traversable

from p3d_eval.errors import P3DEvalError, UnknownNameError

_PERCENT_MAX = 100.0


@dataclass(frozen=True)
class PublishedRow:
    """One row of a published table.

    Parameters
    ----------
    method : str
        Name of the method as the paper prints it.
    source : str
        Paper and table (or section) that printed the numbers.
    group : str
        Heading that the paper puts above the row; empty where it has none.
    percent : mapping of str to float
        Reported values in percent; what was not reported is absent.
    quantities : mapping of str to float
        Reported numbers in other units (the column's name says which).
    words : mapping of str to str
        Reported words, e.g. the pre-training data.
    """

    method: str
    source: str
    group: str = ""
    percent: Mapping[str, float] = field(default_factory=dict)
    quantities: Mapping[str, float] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)

    @property
    def numbers(self) -> Mapping[str, float]:
        """All reported numbers, percentages and quantities."""
        return {**self.percent, **self.quantities}


@dataclass(frozen=True)
class _Columns:
    """What the columns of one file are; ``key`` is what tells its rows apart."""

    percent: tuple[str, ...]
    quantities: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    grouped: bool = False
    key: tuple[str, ...] = ("method",)

    @property
    def names(self) -> set[str]:
        group = {"group"} if self.grouped else set()
        return {"method", "source", *group, *self.percent, *self.quantities, *self.words}


_FILES = {
    "table1_ucf101_variants": _Columns(
        ("accuracy",), ("model_size_mb", "clips_per_second", "frames_per_second")
    ),
    "table2_sports1m": _Columns(
        ("clip_hit1", "video_hit1", "video_hit5"),
        ("clip_length",),
        ("pretrain_data",),
        key=("method", "pretrain_data"),
    ),
    "table3_ucf101": _Columns(("accuracy", "accuracy_with_flow"), grouped=True),
    "table4_activitynet": _Columns(("top1", "top3", "map")),
    "table5_aslan": _Columns(("accuracy", "auc"), words=("model",)),
    "table6_scenes": _Columns(("dynamic_scene", "yupenn")),
}

PUBLISHED_TABLES = tuple(_FILES)


def published_rows(name: str, folder: Traversable | None = None) -> tuple[PublishedRow, ...]:
    """Read one published table.

    Parameters
    ----------
    name : str
        One of ``PUBLISHED_TABLES``, e.g. ``"table3_ucf101"``.
    folder : Traversable, optional
        Folder of the CSV files; the package's own by default.

    Returns
    -------
    tuple of PublishedRow
        In the paper's order.

    Raises
    ------
    UnknownNameError
        When there is no table of that name.
    P3DEvalError
        When the file's columns, a number or a name is not as it must be.
    """
    if name not in _FILES:
        raise UnknownNameError("published table", name, PUBLISHED_TABLES)
    columns = _FILES[name]
    path = (folder if folder is not None else files("p3d_eval.reports") / "published") / f"{name}.csv"
    reader = csv.DictReader(path.read_text(encoding="utf-8").splitlines())
    if set(reader.fieldnames or ()) != columns.names:
        raise P3DEvalError(f"{path}: columns {reader.fieldnames}, expected {sorted(columns.names)}")
    seen: set[tuple[str, ...]] = set()
    rows = []
    for raw in reader:
        where = f"{path}, line {reader.line_num}"
        if None in raw or None in raw.values():
            raise P3DEvalError(f"{where}: not {len(columns.names)} fields")
        key = tuple(raw[part] for part in columns.key)
        if key in seen:
            raise P3DEvalError(f"{where}: {', '.join(key)} is there twice")
        seen.add(key)
        rows.append(_row(raw, columns, where))
    if not rows:
        raise P3DEvalError(f"{path}: no rows")
    return tuple(rows)


def _row(raw: Mapping[str, str], columns: _Columns, where: str) -> PublishedRow:
    for name in ("method", "source", *(("group",) if columns.grouped else ())):
        if not raw[name].strip():
            raise P3DEvalError(f"{where}: {name} is empty")
    percent = {name: _number(raw[name], f"{where}: {name}") for name in columns.percent if raw[name]}
    for name, value in percent.items():
        if not 0.0 <= value <= _PERCENT_MAX:
            raise P3DEvalError(f"{where}: {name} is {value}, not a percentage")
    if not percent:
        raise P3DEvalError(f"{where}: {raw['method']} has no number")
    return PublishedRow(
        method=raw["method"],
        source=raw["source"],
        group=raw.get("group", ""),
        percent=percent,
        quantities={name: _number(raw[name], f"{where}: {name}") for name in columns.quantities if raw[name]},
        words={name: raw[name] for name in columns.words if raw[name]},
    )


def _number(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise P3DEvalError(f"{where} is {text!r}, not a number") from None
    if not math.isfinite(value):
        raise P3DEvalError(f"{where} is {text!r}, not a finite number")
    return value
