"""What a protocol is: options, annotations and a pure function from a feature store to a result."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields
from types import UnionType
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin, get_type_hints

from p3d_eval.errors import UnknownNameError, UserError

if TYPE_CHECKING:  # listing protocols must not load numpy or h5py
    from p3d_eval.features import FeatureStore
    from p3d_eval.protocols.result import Result


@dataclass(frozen=True)
class AnnotationFiles:
    """Official annotation files as raw bytes, and where they were found.

    Parameters
    ----------
    files : mapping of str to bytes
        File name → contents.
    source : str
        Where they were found, for the result, e.g. ``"--pairs View2.mat"``.
    official_names : bool
        Whether the files are called as the data set's official ones.
    """

    files: Mapping[str, bytes]
    source: str
    official_names: bool = False


@dataclass(frozen=True)
class Listed:
    """The videos that annotations name, beside those that are at hand.

    Parameters
    ----------
    found : mapping of str to (str or None)
        Name → id at hand; None where there is none.
    official : bool
        Whether the annotations are the published ones, as far as that can be told.
    """

    found: Mapping[str, str | None]
    official: bool


@dataclass(frozen=True)
class AnnotationReader:
    """Which files are a data set's official annotations, and how they are checked.

    Parameters
    ----------
    dataset : str
        Name of the data set: of embedded annotations, of the folder of prepared data, for ``annotate``.
    files : tuple of str
        Official file names, or patterns of them (``*``, ``?``, ``[…]``) that match one or more files in a
        folder; where there is one, a single file of any name may be given.
    parse : callable
        File name → contents, to what the protocol uses; raises UserError.
    where : str
        Where the official files are to be had.
    optional : tuple of str
        Names or patterns of files that are read where a folder has them.
    listed : callable, optional
        ``listed(parsed, ids) -> Listed``: which of the videos that the protocol needs are at hand.
    """

    dataset: str
    files: tuple[str, ...]
    parse: Callable[[Mapping[str, bytes]], Any]
    where: str
    optional: tuple[str, ...] = ()
    listed: Callable[[Any, Sequence[str]], Listed] | None = None


@dataclass(frozen=True)
class AnnotationOption:
    """The command-line option that names a protocol's annotation file or folder.

    Parameters
    ----------
    name : str
        Name of the option, without dashes, e.g. ``"pairs"``.
    help : str
        One line for ``--help``.
    example : str
        What the example of ``--help`` gives it, where the protocol is seldom run without.
    """

    name: str
    help: str
    example: str = ""


@dataclass(frozen=True)
class PredictionFiles:
    """A benchmark's official file of predictions, written from a result or judged in place of features.

    Parameters
    ----------
    judge : callable
        ``judge(predictions, annotations, options) -> Result``, pure, like ``Protocol.run``.
    write : callable
        Turns a result that has its scores into the text of the file.
    """

    judge: "Callable[[AnnotationFiles, AnnotationFiles | None, Any], Result]"
    write: "Callable[[Result], str]"


@dataclass(frozen=True)
class Protocol:
    """One evaluation protocol.

    Parameters
    ----------
    name, version : str
        What users type; a version changes when a protocol's numbers may.
    summary : str
        One line for listings and ``--help``.
    options : type
        A frozen dataclass; each field has ``metadata={"help": …}`` and may have ``"flag"``, the option's
        name on the command line without dashes, and ``"named"`` (see `name_words`). A method
        ``check_values()``, where it has one, raises what can be told of the values alone, such as a number
        out of range; ``check(store)`` what can be told before a feature is read, such as a layer that is not
        there.
    run : callable
        ``run(store, annotations, options) -> Result``, pure; ``annotations`` is None when there are none.
    reader : AnnotationReader or None
        Reads the protocol's annotations (see :mod:`p3d_eval.protocols.annotations.sources`).
    annotation_option : AnnotationOption or None
        The option that names the annotations.
    needs_annotations : bool
        Whether the protocol cannot run without annotation files.
    predictions : PredictionFiles or None
        The official file of predictions, where the benchmark has one: ``--predictions`` judges somebody's,
        without features, and ``--write-predictions`` writes one.
    fuses : bool
        Whether it takes several feature files of the same videos (`p3d_eval.protocols.fused_store`).
    specialise : callable or None
        Options → the protocol that is to run, where the annotations depend on an option.
    other_readers : tuple of AnnotationReader
        Readers that ``specialise`` puts in the place of ``reader``.
    """

    name: str
    version: str
    summary: str
    options: type
    run: "Callable[[FeatureStore, AnnotationFiles | None, Any], Result]"
    reader: AnnotationReader | None = None
    annotation_option: AnnotationOption | None = None
    needs_annotations: bool = False
    predictions: PredictionFiles | None = None
    fuses: bool = False
    specialise: "Callable[[Any], Protocol] | None" = None
    other_readers: tuple[AnnotationReader, ...] = ()

    def parse_options(self, values: Mapping[str, Any]) -> Any:
        """Build the options dataclass, checking names, choices and numbers.

        Raises
        ------
        UserError
            When an option is unknown, a value is not one of its choices or not of its type, or the values
            cannot be, alone or together.
        """
        known = {field.name: field for field in fields(self.options)}
        hints = get_type_hints(self.options)
        for name in values:
            if name not in known:
                raise UnknownNameError(f"option of {self.name}", name, known)
        parsed = self.options(**{name: _checked(name, value, hints[name]) for name, value in values.items()})
        if hasattr(parsed, "check_values"):
            parsed.check_values()
        return parsed


def flag(field: "Field[Any]") -> str:
    """Name of a field's command-line option, without dashes."""
    return field.metadata.get("flag", field.name.replace("_", "-"))


def name_words(options: type, values: Mapping[str, Any]) -> list[str]:
    """Words that the name of a result's file has after the protocol's: what it is about, where not as usual.

    Parameters
    ----------
    options : type
        A protocol's dataclass of options; ``metadata["named"]`` of a field is its word, with ``{}`` for the
        value.
    values : mapping
        Option → value; the others have their defaults.
    """
    about = [field for field in fields(options) if "named" in field.metadata]
    return [
        field.metadata["named"].format(values[field.name])
        for field in about
        if values.get(field.name, default(field)) != default(field)
    ]


def default(field: "Field[Any]") -> Any:
    """Return a field's default; every option of a protocol has one."""
    if field.default is MISSING:
        raise TypeError(f"option {field.name!r} needs a default")
    return field.default


def choices(hint: Any) -> tuple[Any, ...]:
    """Values of a ``Literal`` (also of ``Literal[…] | None``), empty for any other type."""
    if get_origin(hint) is Literal:
        return get_args(hint)
    if get_origin(hint) in (Union, UnionType):
        return tuple(value for part in get_args(hint) for value in choices(part))
    return ()


def _checked(name: str, value: Any, hint: Any) -> Any:
    """Check one value against its type; whole numbers become floats where a float is wanted."""
    parts = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    if value is None and type(None) in parts:
        return None
    allowed = choices(hint)
    if allowed:
        named = {str(choice): choice for choice in allowed}  # so that split=1 means "1"
        if str(value) not in named:
            raise UnknownNameError(f"value of {name}", str(value), named)
        return named[str(value)]
    if float in parts and isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise UserError(f"{name}: a number of {len(bin(value)) - 2} bits is too large") from None
    plain = tuple(part for part in parts if isinstance(part, type))
    if plain and (not isinstance(value, plain) or (isinstance(value, bool) and bool not in plain)):
        kinds = " or ".join(part.__name__ for part in plain)
        raise UserError(f"{name}: {value!r} is not {'an' if kinds[0] in 'aeiou' else 'a'} {kinds}")
    return value
