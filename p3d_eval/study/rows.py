"""The rows and data sets of a study document: what each is made of, checked."""

from collections.abc import Mapping, Sequence
from typing import Any

from p3d_eval.errors import UnknownNameError, UserError
from p3d_eval.study.settings import EXTRACT_KEYS, DataSettings, ExtractSettings, RowSettings, read_table


def parts(rows: Mapping[str, RowSettings], row: str) -> Sequence[str]:
    """Rows whose features a row is judged by: itself, or those that it fuses."""
    return rows[row].fuse or [row]


def require_name(name: str, key: str, table: str) -> None:
    """Check that a table below ``key`` has a name, which rows, files and messages need.

    Raises
    ------
    UserError
        When it is empty or blank.
    """
    if not table.strip():
        raise UserError(f'{name}: [{key}."{table}"] has no name', f"Write [{key}.NAME]")


def underscored(where: str, table: Mapping[str, Any]) -> dict[str, Any]:
    """Write the keys of a table with underscores, whichever way the user wrote them (``clip-length``).

    Raises
    ------
    UserError
        When a key stands there both ways.
    """
    found: dict[str, Any] = {}
    for key, value in table.items():
        name = key.replace("-", "_")
        if name in found:
            raise UserError(f"{where}: {name} stands there twice, with - and with _", "Leave one of them out")
        found[name] = value
    return found


def read_tables(
    name: str, document: Mapping[str, Any], key: str, plural: str, kind: type[Any]
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return every table below ``key`` as settings, and its extraction options apart.

    Raises
    ------
    UserError
        When there is none, or a key or a value is wrong.
    """
    found, extract = {}, {}
    if not document.get(key):
        raise UserError(f"{name}: no {key}", f"Write a table [{key}.NAME] for each of the {plural}")
    for table, given in document[key].items():
        require_name(name, key, table)
        where = f"[{key}.{table}] in {name}"
        if not isinstance(given, Mapping):
            raise UserError(f"{name}: {key}.{table} = {given!r} is not a table", f"Write [{key}.{table}]")
        keys = underscored(where, given)
        extract[table] = {one: value for one, value in keys.items() if one in EXTRACT_KEYS}
        read_table(where, extract[table], ExtractSettings)
        rest = {one: value for one, value in keys.items() if one not in EXTRACT_KEYS}
        found[table] = read_table(where, rest, kind, EXTRACT_KEYS)
    return found, extract


def check_row(
    where: str,
    row: str,
    settings: RowSettings,
    extract: Mapping[str, Any],
    rows: Mapping[str, RowSettings],
    datasets: Mapping[str, DataSettings],
) -> None:
    """Check what a row is made of: a network, feature files, or other rows.

    Raises
    ------
    UserError
        When it is made of several of these, or names what is not there.
    """
    kinds = [
        key for key in ("fuse", "features", "backbone", "weights", "options") if getattr(settings, key)
    ] + list(extract)
    for kind in ("fuse", "features"):
        if kind in kinds and len(kinds) > 1:
            others = ", ".join(key for key in kinds if key != kind)
            raise UserError(f"{where}: {kind} does not go with {others}", f"Leave out {others}")
    for part in settings.fuse:
        if part not in rows:
            raise UnknownNameError(f"row in fuse of {where}:", part, rows)
        if rows[part].fuse:
            what = (
                "a cycle: it fuses itself" if row in (part, *rows[part].fuse) else f"{part!r} is fused itself"
            )
            raise UserError(f"{where}: fuse: {what}", "Fuse rows of networks or of feature files")
    if len(settings.fuse) == 1:
        raise UserError(f"{where}: fuse names one row", "Name two rows or more")
    if not settings.fuse and (settings.fusion or settings.fusion_weights):
        raise UserError(f"{where}: fusion without fuse", 'Name the rows that are fused: fuse = ["a", "b"]')
    for dataset in settings.features:
        if dataset not in datasets:
            raise UnknownNameError(f"data set in features of {where}:", dataset, datasets)
