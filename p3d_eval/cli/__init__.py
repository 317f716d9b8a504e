"""The command line: one file a command, found by listing; a command's code is imported when it runs."""

import sys
import traceback
from importlib import import_module
from pkgutil import iter_modules
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption
from typer.main import get_command as build_command

from p3d_eval import __version__
from p3d_eval.cli._shared import print_error
from p3d_eval.errors import P3DEvalError

_INTERRUPTED = 130  # 128 + SIGINT, as shells report it
_BUG = 1


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


def _add_debug(command: Any) -> None:
    """Give a command, and the commands below it, the --debug option that :class:`LazyGroup` acts on."""
    for child in getattr(command, "commands", {}).values():
        _add_debug(child)
    command.params.append(
        TyperOption(
            param_decls=["--debug"], is_flag=True, expose_value=False, help="Show a traceback on errors."
        )
    )


class LazyGroup(TyperGroup):
    """A group that lists its commands without importing what they need, and turns errors into exit codes."""

    _listing = False

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 (the base class's signature)
        """Names of all commands: those of this package, then the protocols."""
        return [*sorted(_commands()), *sorted(_protocol_summaries())]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        """Build one command; while help is being listed, a stand-in that carries the summary alone."""
        apps = _commands()
        if cmd_name in apps:
            command = build_command(apps[cmd_name])
        elif cmd_name not in _protocol_summaries():
            return None
        elif self._listing:
            return TyperCommand(cmd_name, help=_protocol_summaries()[cmd_name])
        else:
            from p3d_eval.cli._protocols import protocol_command

            command = protocol_command(cmd_name)
        _add_debug(command)
        return command

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help page from summaries."""
        self._listing = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self._listing = False

    def invoke(self, ctx: Any) -> Any:
        """Run a command; print what a person can act on, and keep tracebacks for ``--debug``."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            print_error("interrupted", "The same command goes on where this one stopped")
            raise typer.Exit(_INTERRUPTED) from None
        except P3DEvalError as error:
            if "--debug" in sys.argv:
                traceback.print_exc()
            print_error(*str(error).split("\n", 1))
            raise typer.Exit(error.exit_code) from None
        except (typer.Exit, typer.Abort, BrokenPipeError):
            raise
        except Exception as error:
            # typer's usage errors carry an exit code of their own and print themselves.
            if hasattr(error, "exit_code"):
                raise
            if "--debug" in sys.argv:
                traceback.print_exc()
            print_error(
                f"internal error: {type(error).__name__}: {error}",
                "This is a bug in p3d-eval: run again with --debug and report what it prints",
            )
            raise typer.Exit(_BUG) from None


app = typer.Typer(
    name="p3d-eval",
    cls=LazyGroup,
    no_args_is_help=True,
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
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """How well does a frozen video network transfer?

    Extract named layers to one HDF5 file, run the protocols of the P3D ResNet paper on it,
    and print tables beside the published rows.
    """
