"""Options of all commands that draw a figure, and what is told when it is drawn."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from p3d_eval.cli._shared import Json, Overwrite, Quiet, console, print_json
from p3d_eval.errors import UserError

if TYPE_CHECKING:
    from p3d_eval.reports.figures.picture import Figure

Out = Annotated[
    Path,
    typer.Option(
        "--out", "-o", help="File to write: .pdf, .svg or .png; without a suffix all three.", show_default=False
    ),
]
Font = Annotated[
    str | None, typer.Option("--font", help="Font family in place of DejaVu Sans.", show_default=False)
]
Bare = Annotated[bool, typer.Option("--bare", help="Leave out title and notes, for a paper with a caption.")]


@dataclass(frozen=True)
class Drawing:
    """How a figure is written; the fields are options of the command line."""

    out: Out
    font: Font = None
    bare: Bare = False
    overwrite: Overwrite = False
    quiet: Quiet = False
    as_json: Json = False

    def draw(self, kind: str, sources: list[Path], **options: Any) -> None:
        """Draw a figure, save it and tell which files were written."""
        from p3d_eval.reports.figures.picture import require_outputs
        from p3d_eval.reports.figures.plotting import plot

        files = require_outputs(self.out, self.overwrite)  # before the work
        figure = plot(
            kind,
            sources,
            self.out,
            font=self.font,
            bare=self.bare,
            overwrite=self.overwrite,
            quiet=self.quiet,
            **options,
        )
        self._tell(figure, files)

    def draw_again(self, data: Path) -> None:
        """Draw a figure from the data beside it."""
        from p3d_eval.reports.figures.picture import Figure

        figure = Figure(Figure.read(data).data, self.font, self.bare)
        self._tell(figure, figure.save(self.out, self.overwrite))

    def _tell(self, figure: "Figure", files: list[Path]) -> None:
        """Name the files, and what must be known."""
        screen = console(stderr=True)
        if figure.warning and not self.quiet:
            screen.print(f"warning: {figure.warning}", style="bold red", markup=False)
        if self.as_json:
            document = {"files": [str(file) for file in files], "warning": figure.warning}
            print_json(document | {"notes": list(figure.data.notes)})
        elif not self.quiet:
            for note in figure.data.notes:
                screen.print(note, style="dim", markup=False)
            screen.print("wrote " + ", ".join(map(str, files)), markup=False)


def draws(run: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of a `Drawing` in the place of its parameter ``drawing``."""
    shared = list(inspect.signature(Drawing).parameters.values())
    own = [one for one in inspect.signature(run).parameters.values() if one.name != "drawing"]
    needed = [one for one in own if one.default is one.empty]
    chosen = [one for one in own if one.default is not one.empty]
    parameters = [*needed, shared[0], *chosen, *shared[1:]]  # `--out` before what may be left out

    @wraps(run)
    def command(**values: Any) -> None:
        drawing = Drawing(**{one.name: values.pop(one.name) for one in shared})
        if drawing.quiet and drawing.as_json:
            raise UserError("--quiet and --json contradict each other", "Choose one")
        run(drawing=drawing, **values)

    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command
