"""The command line: one file a command, found by listing; a command's code is imported when it runs."""

import sys
import traceback
from importlib import import_module
from inspect import cleandoc
from pkgutil import iter_modules
from typing import Annotated, Any

import typer
from typer.main import get_command as build_command

from p3d_eval import __version__
from p3d_eval.cli._shared import CommandGroup, debugging, print_error
from p3d_eval.errors import P3DEvalError

_INTERRUPTED = 130  # 128 + SIGINT, as shells report it
_BUG = 1
_USAGE = 2


def _commands() -> dict[str, Any]:
    """Typer apps by command name; their modules import typer and the standard library only."""
    found = {}
    for module in iter_modules(__path__):
        if not module.name.startswith("_"):
            loaded = import_module(f"{__name__}.{module.name}")
            found[loaded.NAME] = loaded.command
    return found


def _protocol_summaries() -> dict[str, str]:
    from p3d_eval.protocols import PROTOCOLS

    return {name: PROTOCOLS.summary(name) for name in PROTOCOLS.names()}


def _single(name: str, summary: str) -> Any:
    """Build a command that only has a name, a summary and the option --debug."""
    holder = typer.Typer(add_completion=False)

    @holder.command(name, help=summary)
    def run(
        debug: Annotated[bool, typer.Option("--debug", help="Show a traceback on errors.")] = False,
    ) -> None:
        pass

    return build_command(holder)


def _finish(command: Any) -> None:
    """Give a command, and those below it, --debug (see :class:`LazyGroup`), and help without line ends.

    Typer keeps line ends of all paragraphs but the first, which then stand in the middle of the page's lines.
    """
    for child in getattr(command, "commands", {}).values():
        _finish(child)
    paragraphs = cleandoc(command.help or "").split("\n\n")
    command.help = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
    (option,) = _single("debug", "").params
    option.expose_value = False
    command.params.append(option)


class LazyGroup(CommandGroup):
    """A group that lists its commands without importing what they need, and turns errors into exit codes."""

    kind = "command"
    # What there is, while help is being listed: looking for installed plug-ins takes long, and once is enough.
    _listed: tuple[dict[str, Any], dict[str, str]] | None = None

    def _known(self) -> tuple[dict[str, Any], dict[str, str]]:
        """Apps of this package's commands, and summaries of the protocols."""
        return self._listed or (_commands(), _protocol_summaries())

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 (the base class's signature)
        """Names of all commands: those of this package, then the protocols."""
        apps, summaries = self._known()
        return [*sorted(apps), *sorted(summaries)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        """Build one command; while help is being listed, a stand-in that carries the summary alone."""
        apps, summaries = self._known()
        if cmd_name in apps:
            command = build_command(apps[cmd_name])
            command.name = cmd_name  # a group of commands has no name of its own
        elif cmd_name not in summaries:
            return None
        elif self._listed:
            return _single(cmd_name, summaries[cmd_name])
        else:
            from p3d_eval.cli._protocols import protocol_command

            command = protocol_command(cmd_name)
        _finish(command)
        return command

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help page from summaries."""
        self._listed = self._known()
        try:
            super().format_help(ctx, formatter)
        finally:
            self._listed = None

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command line; print what a person can act on, and keep tracebacks for ``--debug``."""
        kwargs["standalone_mode"] = False
        try:
            code = super().main(*args, **kwargs) or 0
        except typer.Abort:
            code = _INTERRUPTED
        except Exception as error:  # noqa: BLE001 (the last place to turn an error into a message)
            code = _explain(error)
        if code == _INTERRUPTED:
            print_error(
                "interrupted", "Outputs are whole or absent; an extraction goes on with the same command"
            )
        sys.exit(code)


def _explain(error: Exception) -> int:
    """Print one or two lines about an error; return the exit code."""
    if debugging():
        traceback.print_exception(error)
    if isinstance(error, P3DEvalError):
        print_error(*str(error).split("\n", 1))
        return error.exit_code
    if isinstance(error, OSError) and error.filename is not None:
        print_error(f"{error.filename}: {error.strerror}", "Check that the path exists and that you may use it")
        return _USAGE
    message = getattr(error, "format_message", None)
    if message is not None:  # typer's own errors about the words of the command
        context = getattr(error, "ctx", None)  # none where an option's value is missing
        command = context.command_path if context else app.info.name
        print_error(_own_words(error, message()), f"{command} --help shows what it takes")
        return _USAGE
    print_error(
        f"internal error: {type(error).__name__}: {error}",
        "This is a bug in p3d-eval: run again with --debug and report what it prints",
    )
    return _BUG


def _own_words(error: Exception, message: str) -> str:
    """Name the value that a number's option cannot take, where typer's own message has pydantic's words."""
    found = getattr(error.__cause__, "errors", None)
    if found is None:
        return message
    (first, *_) = found()
    reason = first["msg"].removeprefix("Value error, ").partition(", unable to parse")[0]
    return message.replace(first["msg"], reason.replace("Input", repr(first["input"]), 1))


app = typer.Typer(
    name="p3d-eval",
    cls=LazyGroup,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"p3d-eval {__version__}")
        raise typer.Exit


@app.callback(epilog="Example: p3d-eval aslan --features feats.h5")
def _main(
    ctx: typer.Context,
    version: Annotated[  # noqa: ARG001 (its callback acts)
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """How well does a frozen video network transfer?

    Extract named layers to one HDF5 file, run the protocols of the P3D ResNet paper on it,
    and print tables beside the published rows.
    """
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())
