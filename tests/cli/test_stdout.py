"""Standard output that cannot be written, in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import SOJOURN, environment
from tests.cli.making import talk
from tests.support.worker_process import ROOT

COMMANDS = [
    "--help",
    "--version",
    "session",
    "session list",
    "session show chat-42",
    "session events chat-42 --after 0.0 --until-idle",
]


@pytest.fixture(scope="module")
def spoken_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store with one session, of many events."""
    url = f"sqlite:///{tmp_path_factory.mktemp('spoken')}/sojourn.db"
    talk(url, "chat-42", *(f"message {n}" for n in range(20)))
    return url


def ended(shell: str, command: str, store_url: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command by a line of shell, in which `"$@"` stands for it."""
    return subprocess.run(
        ["bash", "-c", shell, "bash", *SOJOURN, *command.split()],
        cwd=ROOT,
        env=environment(SOJOURN_STORE=store_url),
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("shell", "reason"),
    [('"$@" >&-', "it is closed"), ('"$@" >/dev/full', "No space left on device")],
    ids=["closed", "full"],
)
def test_what_cannot_be_written_is_one_line_and_exit_code_1(
    spoken_url: str, command: str, shell: str, reason: str
) -> None:
    """The caller must not take nothing for an empty answer."""
    process = ended(shell, command, spoken_url)

    assert process.stderr == f"error: cannot write to standard output: {reason}\n"
    assert process.returncode == 1


@pytest.mark.parametrize("shell", ['"$@" >&-', '"$@" >/dev/full'], ids=["closed", "full"])
def test_the_line_is_json_when_asked_for(spoken_url: str, shell: str) -> None:
    """On standard error, like every failure."""
    process = ended(shell, "session list --json", spoken_url)

    error = json.loads(process.stderr)["error"]
    assert error["type"] == "OutputLost"
    assert process.returncode == 1


@pytest.mark.parametrize("command", [*COMMANDS, "session show chat-42 --json"])
def test_a_pipe_that_nobody_reads_ends_a_command_quietly(spoken_url: str, command: str) -> None:
    """As it ends `yes | head`: whoever has left wants to hear no more."""
    reading, writing = os.pipe()
    os.close(reading)
    process = subprocess.run(
        [*SOJOURN, *command.split()],
        cwd=ROOT,
        env=environment(SOJOURN_STORE=spoken_url),
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)

    assert (process.returncode, process.stderr) == (1, "")


def test_a_reader_that_leaves_early_has_what_it_read(spoken_url: str) -> None:
    """The first event is whole."""
    process = ended('"$@" | head -1', COMMANDS[-1], spoken_url)

    assert json.loads(process.stdout)["kind"]
    assert process.stderr == ""


@pytest.mark.parametrize("shell", ['"$@" 2>&-', '"$@" 2>/dev/full'], ids=["closed", "full"])
@pytest.mark.parametrize(
    ("command", "code"), [("session show nobody", 1), ("session list", 0), ("session", 2)]
)
def test_standard_error_that_cannot_be_written_changes_no_exit_code(
    spoken_url: str, shell: str, command: str, code: int
) -> None:
    """The line is lost, and the code still says what came of it."""
    assert ended(shell, command, spoken_url).returncode == code


def test_closed_standard_input_is_refused(spoken_url: str) -> None:
    """A message that should be read from there cannot be."""
    process = ended('"$@" <&-', "session send chat-42 -", spoken_url)

    assert process.returncode == 1
    assert process.stderr.endswith("standard input is closed.\n")


def test_an_apps_own_prints_may_go_nowhere(spoken_url: str, tmp_path: Path) -> None:
    """A closed stream is not told to code that is not ours: a print there does nothing."""
    (tmp_path / "loud.py").write_text("from tests.cli.apps import app\nprint('hello')\n")
    shell = f'PYTHONPATH="$PYTHONPATH:{tmp_path}" "$@" >&-'
    process = ended(shell, "session list --app loud:app", spoken_url)

    assert process.stderr == "error: cannot write to standard output: it is closed\n"
