"""A typed table of names: built-in targets are imported when loaded, entry points only listed until named."""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from p3d_eval.errors import FOREIGN_FAILURES, UnknownNameError, UserError, one_line

T = TypeVar("T")


@dataclass(frozen=True)
class Entry:
    """One built-in name.

    Parameters
    ----------
    name : str
        What users type.
    target : str
        ``package.module:attribute``, imported when the name is loaded.
    summary : str
        One line for listings and ``--help``.
    """

    name: str
    target: str
    summary: str


class Registry(Generic[T]):
    """Names of one kind (backbones, protocols) from this package and from installed plug-ins.

    Parameters
    ----------
    kind : str
        What the names are, for error messages.
    base : type
        What a loaded object must be an instance of.
    builtin : iterable of Entry
        The names of this package.
    group : str
        Entry-point group of third-party names.
    """

    def __init__(self, kind: str, base: type[T], builtin: Iterable[Entry], group: str) -> None:
        self.kind = kind
        self.base = base
        self.group = group
        self._builtin = {entry.name: entry for entry in builtin}

    def _plugins(self) -> dict[str, EntryPoint]:
        return {
            point.name: point for point in entry_points(group=self.group) if point.name not in self._builtin
        }

    def names(self) -> list[str]:
        """All names, built-in ones first, without importing any."""
        return [*self._builtin, *sorted(self._plugins())]

    def summary(self, name: str) -> str:
        """One line about ``name``, without importing it."""
        if name in self._builtin:
            return self._builtin[name].summary
        point = self._plugins().get(name)
        if point is None:
            raise UnknownNameError(self.kind, name, self.names())
        return f"from {point.dist.name}" if point.dist else f"from {point.value}"

    def is_builtin(self, name: str) -> bool:
        """Whether ``name`` is this package's, not a plug-in's."""
        return name in self._builtin

    def __contains__(self, name: object) -> bool:
        return name in self._builtin or name in self._plugins()

    def load(self, name: str) -> T:
        """Import the object behind ``name``.

        Raises
        ------
        UserError
            When the name is unknown, or a plug-in cannot be imported or is not what the registry holds.
        """
        loaded: Any
        if name in self._builtin:
            module, _, attribute = self._builtin[name].target.partition(":")
            loaded = getattr(import_module(module), attribute)
        else:
            point = self._plugins().get(name)
            if point is None:
                raise UnknownNameError(self.kind, name, self.names())
            loaded = self._import(point)
        if not isinstance(loaded, self.base):
            raise UserError(
                f"{self.kind} {name!r} is a {type(loaded).__name__}, not a {self.base.__name__}",
                f"Mend the entry point {name!r} in the group {self.group!r}",
            )
        return loaded

    def _import(self, point: EntryPoint) -> Any:
        """Import a plug-in's object; whatever its code raises is the plug-in's fault, named as such."""
        try:
            return point.load()
        except FOREIGN_FAILURES as error:
            origin = f" of {point.dist.name}" if point.dist else ""
            raise UserError(
                f"{self.kind} {point.name!r}{origin} cannot be imported: {one_line(error)}",
                "Mend or uninstall the package; --debug shows where it fails",
            ) from error
