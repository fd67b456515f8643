"""What the command line says of itself, and what it answers to wrong usage."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest

from tests.cli.conftest import Cli, environment

STORE = ("check", "stats", "vacuum", "reconcile", "upkeep", "migrate")
COMMANDS = [
    "worker",
    "replay",
    *(
        f"session {name}"
        for name in (
            *("start", "send", "show", "list", "fork", "checkout", "import", "export"),
            *("park", "cancel", "approve", "deny", "delete", "events", "compact", "configure"),
        )
    ),
    *(f"store {name}" for name in STORE),
    "tools list",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example_and_takes_json(cli: Cli, command: str) -> None:
    """Help is worth reading, and every command can speak to programs."""
    ended = cli(*command.split(), "--help")

    assert (ended.code, ended.err) == (0, "")
    assert f"sojourn {command}" in ended.out.partition("Example:")[2]
    assert "--json" in ended.out


@pytest.mark.parametrize(
    ("group", "names"),
    [
        ((), {command.split()[0] for command in COMMANDS}),
        (("session",), {c.split()[1] for c in COMMANDS if c.startswith("session ")}),
        (("store",), {c.split()[1] for c in COMMANDS if c.startswith("store ")}),
        (("tools",), {"list"}),
    ],
)
def test_help_lists_exactly_these_commands(
    cli: Cli, group: tuple[str, ...], names: set[str]
) -> None:
    """No command is missing from the help, and none is untested here."""
    listed = cli(*group, "--help").out.partition("Commands:\n")[2].partition("\n\n")[0]

    assert {line.split()[0] for line in listed.splitlines()} == names


def test_the_version_is_the_packages(cli: Cli) -> None:
    """`--version` says what is installed."""
    assert cli("--version").out == f"sojourn {version('sojourn')}\n"


def test_help_imports_neither_temporal_nor_the_library() -> None:
    """What takes long to import is imported by the command that needs it."""
    program = (
        "import sys; from sojourn_worker.cli.root import app;"
        "app(['--help'], standalone_mode=False);"
        "sys.exit(str({'temporalio', 'sojourn', 'pydantic', 'rich'} & set(sys.modules)))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.stderr == "set()\n"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["frob"], "error: No such command 'frob'. (see `sojourn --help`)"),
        (["session", "send", "chat-42"], "error: Missing argument 'TEXT'."),
        (["session", "show", "chat-42", "--frob"], "error: No such option: --frob"),
        (
            ["session", "send", "a", "b", "--timeout", "soon"],
            "error: Invalid value for '--timeout'",
        ),
        (["replay", "/nonexistent.json"], "error: Invalid value for 'HISTORY.json...'"),
        (["session", "show", "chat-42"], "error: Invalid value for --store: none is named"),
        (["worker"], "error: Invalid value for --app: none is named"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(cli: Cli, arguments: list[str], line: str) -> None:
    """The line says what is wrong and where to read on."""
    ended = cli(*arguments)

    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(line)
    assert ended.err.endswith("--help`)\n")
    assert ended.err.count("\n") == 1


def test_wrong_usage_is_json_when_json_is_asked_for(cli: Cli) -> None:
    """Even a command line that cannot be read is answered in JSON."""
    kind, message = cli("session", "show", "--frob", "--json").error

    assert kind == "WrongUsage"
    assert "--frob" in message


@pytest.mark.parametrize("group", [[], ["session"], ["store"]])
def test_a_group_without_a_command_shows_its_help(cli: Cli, group: list[str]) -> None:
    """It is wrong usage all the same."""
    ended = cli(*group)

    assert ended.code == 2
    assert "Commands:" in ended.out


def test_an_unexpected_error_is_one_line_without_its_text(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The text of a stranger's exception may hold content: type and place are told."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError("what a user wrote")

    monkeypatch.setattr("sojourn_worker.cli.at_store.show", broken)
    ended = cli("session", "show", "chat-42")

    assert ended.code == 1
    assert ended.err.startswith(f"error: unexpected ZeroDivisionError at {__file__}:")
    assert "a user wrote" not in ended.err
    assert ended.err.count("\n") == 1


def test_debug_shows_the_traceback(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for it gets the traceback, above the line."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("sojourn_worker.cli.at_store.show", broken)
    ended = cli("--debug", "session", "show", "chat-42")

    assert ended.code == 1
    assert "Traceback" in ended.err
    assert ended.err.splitlines()[-1].startswith("error: unexpected ZeroDivisionError")
