"""Options that many commands share, and how commands speak: results on stdout, everything else on stderr."""

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from p3d_eval.errors import UnknownNameError, UserError
from p3d_eval.printable import for_terminal

SOME_FAILED = 3  # exit code: finished, with failures listed
_FAILURES_SHOWN = 20

# Parameters of `load_backbone` itself: a network's own option cannot be called so.
_TAKEN = {
    *("name", "weights", "device", "seed", "classes", "clip_length", "frame_stride", "resize", "crop"),
    *("mean", "std", "value_range", "channel_order", "interpolation", "antialias", "precision"),
}
_WIDEST = 1000  # columns of a table

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing outputs.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of everything random.")]
Features = Annotated[Path, typer.Option("--features", help="Feature file made by extract or import.")]


class CommandGroup(TyperGroup):
    """A group of commands; a word that names none of them gets the nearest ones."""

    kind = "command of {}"

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that the first word names."""
        names = self.list_commands(ctx)
        if args[0] not in names:
            raise UnknownNameError(self.kind.format(ctx.info_name), args[0], names)
        return super().resolve_command(ctx, args)


def choice(flag: str, names: Iterable[str], help_text: str, *more_flags: str, **settings: Any) -> Any:
    """Build an option that takes one of a few words; another is refused before any work, with the nearest ones.

    Parameters
    ----------
    flag : str
        With its dashes.
    names : iterable of str
        What it takes.
    help_text : str
    *more_flags : str
        Other spellings, as ``-f``.
    **settings
        See ``typer.Option``.
    """
    known = tuple(names)

    def check(value: str | None) -> str | None:
        if value is not None and value not in known:
            raise UnknownNameError(f"value of {flag}", value, known)
        return value

    shown = f"<{'|'.join(known)}>"
    return typer.Option(flag, *more_flags, help=help_text, metavar=shown, callback=check, **settings)


def parse_options(texts: list[str] | None) -> dict[str, Any]:
    """Read ``key=value`` words of the command line; all values are text."""
    options: dict[str, Any] = {}
    for text in texts or []:
        key, equals, value = text.partition("=")
        if not (key and equals and value):
            raise UserError(f"option {text!r} is not key=value", "Write for example --option variant=A")
        if key in _TAKEN:
            raise UserError(
                f"option {text!r}: {key!r} has a meaning of its own and is no option of a network",
                f"Use --{key.replace('_', '-')} where the command has it; call a factory's parameter otherwise",
            )
        options[key] = value
    return options


def default_result(*words: str) -> Path:
    """Where a result goes that was given no name."""
    from p3d_eval.files import file_name

    return Path("results") / f"{file_name(*words)}.json"


def console(stderr: bool = False) -> Any:
    """Return a rich console that neither wraps plain output, colours what is piped nor draws ``:words:``."""
    from rich.console import Console

    return Console(stderr=stderr, soft_wrap=True, highlight=False, emoji=False)


def print_whole(table: Any) -> None:
    """Print a table on standard output with every digit: a narrow terminal wraps its lines, nothing is cut."""
    screen = console()
    screen.width = max(
        screen.width, screen.measure(table, options=screen.options.update(width=_WIDEST)).maximum
    )
    screen.print(table)


def print_error(message: str, hint: str | None = None) -> None:
    """Print an error, and what to do next, on standard error."""
    from rich.text import Text

    screen = console(stderr=True)
    screen.print(Text.assemble(("error: ", "bold red"), for_terminal(message)))
    if hint:
        screen.print(Text(for_terminal(hint), style="dim"))


def debugging() -> bool:
    """Whether the user asked for tracebacks."""
    return "--debug" in sys.argv


def print_json(value: Any) -> None:
    """Print ``value`` as one JSON document on standard output."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def require_other(out: Path | None, inputs: Iterable[Path | None]) -> None:
    """Refuse to write over one of the results that the output is made of."""
    if out is not None and out.exists() and any(one and one.exists() and out.samefile(one) for one in inputs):
        raise UserError(f"{out} is one of the results", "Choose another name for --out")


def failure_lines(path: Path, failed: Mapping[str, str]) -> list[str]:
    """Return a line for each video without features, the first ones only where there are many."""
    lines = [f"  {video}: {reason}" for video, reason in list(failed.items())[:_FAILURES_SHOWN]]
    if len(failed) > len(lines):
        lines.append(f"  … and {len(failed) - len(lines)} more: p3d-eval inspect {path} lists them")
    return lines


def print_table(title: str, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Print a table on standard output; numbers are given as formatted text."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(title), title_justify="left", title_style="bold", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(escape(str(cell)) for cell in row))
    console().print(table)
