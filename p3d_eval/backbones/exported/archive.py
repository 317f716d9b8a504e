"""Whether a file of ``torch.export.save`` can be opened without running anything that it brings along.

``torch.export.load`` trusts its file: it unpickles what is marked so, loads compiled libraries, looks up
any function below ``torch`` by name, and lets SymPy evaluate expressions of shapes. So what the file
says is looked at first, and only plain tensors, ATen operators and arithmetic of sizes pass.
"""

import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from p3d_eval.backbones.checkpoint import printable
from p3d_eval.errors import UserError

# Entries below the archive's own folder, as torch 2.13 writes them.
_ENTRIES = (
    r"models/model\.json",
    r"data/weights/(weight_\d+|model_weights_config\.json)",
    r"data/constants/(tensor_\d+|model_constants_config\.json)",
    r"data/sample_inputs/model\.pt",
    r"extra/[^/]*",
    r"archive_format|archive_version|byteorder|version|\.data/version|\.data/serialization_id",
)
_ENTRY = re.compile("|".join(f"(?:{entry})" for entry in _ENTRIES))
_TENSOR = re.compile(r"(weight|tensor)_\d+")
_SIZES = "add sub mul floordiv truediv mod neg pow eq ne lt le gt ge and_ or_ not_ getitem"
_TARGET = re.compile(
    r"torch\.ops\.(aten|prims)\.(?!from_file\b|save\b)\w+(\.\w+)?"  # but for those that open files
    rf"|_operator\.({'|'.join(_SIZES.split())})"
    r"|torch\.sym_\w+|torch\.ops\.higher_order\.wrap_with_set_grad_enabled"
)
# Expressions of sizes as SymPy's srepr writes them: quoted symbols, numbers, and these names
# (SymPy's, and torch.utils._sympy.functions').
_QUOTED_SYMBOL = re.compile(r"'[a-z]{1,2}\d+'")
_WORD = re.compile(r"[A-Za-z_]\w*")
_WORDS = (
    "Symbol Integer Rational Float True False oo int_oo positive integer real nonnegative Add Mul Pow Max Min "
    "Equality Unequality LessThan GreaterThan StrictLessThan StrictGreaterThan And Or Not Piecewise FloorDiv "
    "Mod CeilDiv CleanDiv PythonMod ModularIndexing Where ToFloat TruncToInt FloorToInt CeilToInt RoundToInt "
    "IntTrueDiv FloatTrueDiv PowByNatural FloatPow"
)
_KNOWN_WORDS = frozenset(_WORDS.split())
_ARITHMETIC = re.compile(r"[\w\s+\-*/%(),<>=!&|~]*")  # once symbols are gone: no quotes, brackets or dots


def require_harmless(path: Path) -> None:
    """Refuse a program whose loading or running could do more than arithmetic.

    Raises
    ------
    UserError
        When the file is no such archive, or holds anything else.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _check(path, archive)
    except (zipfile.BadZipFile, OSError, ValueError, KeyError, RecursionError) as error:
        raise _refusal(path, f"{type(error).__name__}: {error}") from error


def _refusal(path: Path, reason: str) -> UserError:
    return UserError(
        f"{path} is not a program that can be trusted: {printable(reason)}",
        f"Nothing in the file was run; export the network again with torch {torch.__version__}",
    )


def _check(path: Path, archive: zipfile.ZipFile) -> None:
    names = archive.namelist()
    inside = [name.partition("/")[2] for name in names]
    strange = [name for name in inside if not _ENTRY.fullmatch(name)]
    if strange:
        raise _refusal(path, f"it holds {strange[0]}")
    if len(set(inside)) < len(inside):
        raise _refusal(path, "it holds two entries of one name")
    if sum(entry.file_size for entry in archive.infolist()) > path.stat().st_size:
        raise _refusal(path, "it unpacks to more than its own size")
    by_name = dict(zip(inside, names, strict=True))
    for name in ("data/weights/model_weights_config.json", "data/constants/model_constants_config.json"):
        _check_payloads(path, json.loads(archive.read(by_name[name])))
    _check_inputs(path, archive.read(by_name["data/sample_inputs/model.pt"]))
    _check_program(path, json.loads(archive.read(by_name["models/model.json"])))


def _check_payloads(path: Path, listing: Any) -> None:
    for name, payload in listing["config"].items():
        if payload["use_pickle"] or not _TENSOR.fullmatch(payload["path_name"]):
            raise _refusal(path, f"{name} is no plain tensor")


def _check_inputs(path: Path, pickled: bytes) -> None:
    """Check what torch reads with its restricted unpickler first, and without when that fails."""
    try:
        torch.load(io.BytesIO(pickled), weights_only=True, map_location="cpu")
    except Exception as error:
        raise _refusal(path, "its example inputs are no plain tensors") from error


def _walk(value: Any) -> Iterator[tuple[str, Any]]:
    """Every key with its value, at all depths."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key, inner
            yield from _walk(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _walk(inner)


def _check_program(path: Path, program: Any) -> None:
    for key, value in _walk(program):
        if key == "target" and not _TARGET.fullmatch(str(value)):
            raise _refusal(path, f"it calls {value}")
        if key == "expr_str" and not _is_arithmetic(str(value)):
            raise _refusal(path, f"a size in it is {value}")


def _is_arithmetic(expression: str) -> bool:
    rest = _QUOTED_SYMBOL.sub("", expression)
    return bool(_ARITHMETIC.fullmatch(rest)) and set(_WORD.findall(rest)) <= _KNOWN_WORDS
