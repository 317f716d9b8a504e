"""The command line as a whole: exit codes, messages, --debug, listing."""

import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

from p3d_eval import __version__, cli
from p3d_eval.errors import P3DEvalError, UserError

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "p3d_eval", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.fixture
def failing(monkeypatch):
    """Run a command that raises what the test asks for."""

    def invoke(error: BaseException, *arguments: str):
        app = typer.Typer(add_completion=False)

        @app.command("fail")
        def fail() -> None:
            """Fail."""
            raise error

        monkeypatch.setattr(cli, "_commands", lambda: {"fail": app})
        monkeypatch.setattr(sys, "argv", ["p3d-eval", "fail", *arguments])
        return CliRunner().invoke(cli.app, ["fail", *arguments])

    return invoke


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (
            UserError("feats.h5: no layer 'x'", "Choose pool5"),
            2,
            "error: feats.h5: no layer 'x'\nChoose pool5\n",
        ),
        (P3DEvalError("some videos failed"), 1, "error: some videos failed\n"),
        (ZeroDivisionError("x"), 1, "error: internal error: ZeroDivisionError: x\n"),
        (KeyboardInterrupt(), 130, "error: interrupted\n"),
        (PermissionError(13, "Permission denied", "x.h5"), 2, "error: x.h5: Permission denied\n"),
    ],
)
def test_errors_are_one_or_two_lines_and_an_exit_code(failing, error, code, message):
    result = failing(error)
    assert result.exit_code == code
    assert result.stderr.startswith(message)
    assert "Traceback" not in result.stderr
    assert len(result.stderr.splitlines()) <= 2


def test_debug_shows_the_traceback_and_keeps_the_exit_code(failing):
    result = failing(UserError("wrong"), "--debug")
    assert result.exit_code == 2
    assert "Traceback" in result.stderr


def test_a_command_s_own_exit_code_passes_through(failing):
    assert failing(typer.Exit(3)).exit_code == 3


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        ("ucf101 --features f.h5 --classifier svn", "unknown value of --classifier 'svn'", "Did you mean svm"),
        ("custom --features f.h5 --task pears", "unknown value of --task 'pears'", "Did you mean pairs"),
        ("ucf101 --features f.h5 --allow-missing rong", "unknown value of --allow-missing 'rong'", "wrong?"),
        ("compare a.json --test mcnema", "unknown value of --test 'mcnema'", "Did you mean mcnemar?"),
        ("report r --intervals bracket", "unknown value of --intervals 'bracket'", "Did you mean brackets?"),
        ("report r --format latx", "unknown value of --format 'latx'", "Did you mean latex? Available: csv,"),
        ("leaderboard r -f htm", "unknown value of --format 'htm'", "Did you mean html?"),
        ("plot speed-accuracy r --out x.pdf --cost mac", "unknown value of --cost 'mac'", "Did you mean macs?"),
        ("plot tsne r --out x.pdf --normalise l1", "unknown value of --normalise 'l1'", "Available: l2,"),
        ("plot rok", "unknown command of plot 'rok'", "Did you mean roc? Available: again, confusion,"),
        ("plot foo", "unknown command of plot 'foo'", "Available: again, confusion,"),
        ("backbones sho", "unknown command of backbones 'sho'", "Did you mean show?"),
        ("weights lst", "unknown command of weights 'lst'", "Did you mean list?"),
        ("custom --features f.h5 --folds 2.5", "'--folds': '2.5' should be a valid integer", "custom --help"),
        ("ucf101 --features f.h5 --tol abc", "'--tol': 'abc' should be a valid number", "ucf101 --help"),
        ("leaderboard r --top 0", "'--top': '0' should be greater than or equal to 1", "leaderboard --help"),
    ],
)
def test_a_wrong_choice_is_named_with_the_nearest(words, message, hint):
    shown = CliRunner().invoke(cli.app, words.split())
    assert shown.exit_code == 2
    first, second = shown.stderr.splitlines()
    assert message in first
    assert hint in second
    assert "Value error" not in shown.stderr


def test_every_group_of_commands_names_a_wrong_one():
    root = get_command(cli.app)
    for name, app in cli._commands().items():
        command = root.get_command(None, name)
        assert isinstance(command, cli.CommandGroup) or not hasattr(command, "commands"), (name, app)


def test_version_and_usage():
    assert run("--version").stdout == f"p3d-eval {__version__}\n"
    wrong = run("extrakt")
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("error: unknown command 'extrakt'\nDid you mean extract?")


def test_an_option_without_its_value_is_the_users_mistake():
    result = CliRunner().invoke(cli.app, ["extract", "--out"])
    assert result.exit_code == 2
    assert "Option '--out' requires an argument" in result.stderr
    assert "p3d-eval --help" in result.stderr


def test_every_command_has_help_with_an_example_and_debug():
    group = get_command(cli.app)
    names = group.list_commands(None)
    assert {"extract", "import", "inspect", "annotate", "report", "weights", "backbones", "demo"} <= set(names)
    assert {"ucf101", "aslan"} <= set(names)
    listed = CliRunner().invoke(cli.app, ["--help"], terminal_width=200).output
    for name in names:
        assert f" {name} " in listed
        result = CliRunner().invoke(cli.app, [name, "--help"], terminal_width=200)
        assert result.exit_code == 0, name
        assert "xample" in result.output, f"{name} --help shows no example"
        assert "--debug" in result.output, name
        assert "--install-completion" not in result.output, name


def test_help_looks_for_installed_plug_ins_once(monkeypatch):
    """Listing every distribution's entry points takes milliseconds, and the page of help names 30 commands."""
    from p3d_eval import registry

    groups = []
    real = registry.entry_points
    monkeypatch.setattr(registry, "entry_points", lambda group: groups.append(group) or real(group=group))
    assert CliRunner().invoke(cli.app, ["--help"]).exit_code == 0
    assert groups == ["p3d_eval.protocols"]


def test_help_has_no_line_ends_within_its_paragraphs():
    group = get_command(cli.app)
    commands = [group.get_command(None, name) for name in ("run", "extract", "ucf101", "weights")]
    commands += commands[-1].commands.values()
    paragraphs = [text for command in commands for text in command.help.split("\n\n")]
    assert any(len(text) > 100 for text in paragraphs)  # some were written over several lines
    assert not [text for text in paragraphs if "\n" in text]
