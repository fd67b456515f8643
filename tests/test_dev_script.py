"""What `temporal-dev.sh` promises, on a copy of the checkout whose environment is this one."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.dev_script_checkout import (
    TEMPORAL,
    Checkout,
    environment,
    is_serving,
    make_checkout,
    started,
    write_script,
)

PYTHON_NAMES = ("python3.13", "python3.12", "python3.11", "python3")

# Runs the script's question to a Python as one that has these facts would.
OTHER_PYTHON = """#!/bin/sh
[ "$1" = -c ] || exit 9
exec '{python}' -I -c 'import sys; {facts}; exec(sys.argv[1])' "$2"
"""


# A dev server that dies the first time that it is started.
DIES_ONCE = """#!/bin/sh
if [ "$1" = server ] && [ ! -e "$0.died" ]; then
  touch "$0.died"
  exit 1
fi
exec '{temporal}' "$@"
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return make_checkout(tmp_path / "a checkout")


def test_help_names_every_command(checkout: Checkout) -> None:
    """`--help` prepares nothing and prints each command on standard output."""
    result = checkout.run("--help")

    assert (result.returncode, result.stderr, checkout.installations()) == (0, "", [])
    for name in ("demo", "test", "lint", "prepare", "--port", "--ui-port", "--db"):
        assert f"\n  {name} " in result.stdout.replace("                  --", "--")


@pytest.mark.parametrize(
    "arguments",
    [
        ("serve",),
        ("--colour", "red"),
        ("--port",),
        ("--port", "many"),
        ("--ui-port", "65536"),
        ("demo", "--port", "1"),
        ("prepare", "everything"),
    ],
)
def test_wrong_usage_is_refused_in_one_line(checkout: Checkout, arguments: tuple[str, ...]) -> None:
    """Wrong usage ends with code 2 and one line that says why, before anything is done."""
    result = checkout.run(*arguments)

    assert (result.returncode, result.stdout, checkout.installations()) == (2, "", [])
    assert re.fullmatch(r"temporal-dev\.sh: .+\n", result.stderr)


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ("sys.version_info = (3, 9, 1)", "python3 is Python 3.9"),
        ("sys.modules['ensurepip'] = None", "python3 lacks the venv module"),
    ],
)
def test_an_unfit_python_is_named_in_one_line(
    checkout: Checkout, tmp_path: Path, facts: str, reason: str
) -> None:
    """Where no Python will do, one line says which was found and what it lacks."""
    shutil.rmtree(checkout.venv)
    for name in PYTHON_NAMES:
        quoted = facts.replace("'", '"')
        write_script(tmp_path / name, OTHER_PYTHON.format(python=sys.executable, facts=quoted))
    result = checkout.run("prepare", PATH=f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    assert (result.returncode, result.stdout) == (1, "")
    assert re.fullmatch(r"temporal-dev\.sh: .+\n", result.stderr)
    assert reason in result.stderr


def test_a_missing_python_is_said_in_one_line(checkout: Checkout, tmp_path: Path) -> None:
    """Where there is no Python at all, one line says so."""
    shutil.rmtree(checkout.venv)
    for name in ("bash", "cat", "dirname", "uname"):
        tool = shutil.which(name)
        assert tool is not None
        (tmp_path / name).symlink_to(tool)
    result = checkout.run("prepare", PATH=str(tmp_path))

    assert result.returncode == 1
    assert re.fullmatch(r"temporal-dev\.sh: .+ none was found on the PATH\n", result.stderr)


def test_a_folder_that_is_no_environment_is_left_alone(checkout: Checkout, tmp_path: Path) -> None:
    """`SOJOURN_VENV` cannot make the script empty a folder of the user's."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "letter").touch()
    result = checkout.run("prepare", SOJOURN_VENV=str(folder))

    assert result.returncode == 1
    assert "is not a virtual environment" in result.stderr
    assert [path.name for path in folder.iterdir()] == ["letter"]


def test_preparing_again_installs_nothing(checkout: Checkout) -> None:
    """What is prepared stays so until the lock or `pyproject.toml` changes."""
    first = checkout.run("prepare")
    assert first.returncode == 0, first.stderr
    locked, project = checkout.installations()
    assert "requirements/run.txt" in locked
    assert "--no-deps --no-build-isolation -e" in project

    assert checkout.run("prepare").stdout == ""
    assert len(checkout.installations()) == 2

    (checkout.root / "pyproject.toml").write_text("changed")
    checkout.run("prepare")
    assert len(checkout.installations()) == 4


def test_the_development_environment_serves_every_command(checkout: Checkout) -> None:
    """`prepare --dev` takes the larger lock, and then the smaller one has nothing to add."""
    checkout.run("prepare", "--dev")
    checkout.run("prepare")

    assert [line for line in checkout.installations() if "requirements/run.txt" in line] == []
    assert len(checkout.installations()) == 2


def test_two_preparations_at_once_install_once(checkout: Checkout) -> None:
    """The second waits for the first, and then finds everything done."""
    both = [subprocess.Popen(checkout.command("prepare"), env=environment()) for _ in range(2)]

    assert [process.wait() for process in both] == [0, 0]
    assert len(checkout.installations()) == 2


def test_a_failed_installation_shows_how_pip_ended(checkout: Checkout) -> None:
    """A failure shows pip's last lines, says where the others are, and is no preparation."""
    (checkout.venv / "pip.exit").write_text("7")
    for _ in range(2):
        result = checkout.run("prepare")

        assert result.returncode == 1
        assert "Collecting nothing" in result.stderr
        assert "prepare.log" in result.stderr
    assert len(checkout.installations()) == 2


@pytest.mark.server
def test_two_servers_run_side_by_side_and_leave_no_process(checkout: Checkout) -> None:
    """Each start takes free ports of its own, answers there, and ends whole on SIGTERM."""
    assert checkout.run("prepare").returncode == 0
    with started(checkout) as one, started(checkout) as other:
        addresses = [run.read_until(r"export TEMPORAL_ADDRESS=(\S+)") for run in (one, other)]

        assert addresses[0] != addresses[1]
        assert [is_serving(address) for address in addresses] == [True, True]

        for run in (one, other):
            run.process.send_signal(signal.SIGTERM)
        assert [run.is_gone() for run in (one, other)] == [True, True]
        assert [run.process.wait() for run in (one, other)] == [143, 143]
    assert [is_serving(address) for address in addresses] == [False, False]


@pytest.mark.server
def test_a_taken_port_is_said_in_one_line(checkout: Checkout) -> None:
    """A port that somebody has is refused, and never mistaken for one's own server."""
    assert checkout.run("prepare").returncode == 0
    with started(checkout) as one:
        port = one.read_until(r"export TEMPORAL_ADDRESS=127\.0\.0\.1:(\d+)")
        result = checkout.run("--port", port)

    assert result.returncode == 1
    assert result.stderr == f"temporal-dev.sh: port {port}: Address already in use\n"


@pytest.mark.server
def test_a_server_that_dies_while_it_starts_is_started_again(checkout: Checkout) -> None:
    """Losing a race for a port costs a moment, not the run."""
    checkout.write_demo("")
    server = checkout.venv / "bin/temporal"
    server.unlink()
    write_script(server, DIES_ONCE.format(temporal=TEMPORAL))
    result = checkout.run("demo")

    assert (result.returncode, result.stderr) == (0, "")
    assert server.with_suffix(".died").exists()


@pytest.mark.server
def test_a_server_that_cannot_start_says_why(checkout: Checkout, tmp_path: Path) -> None:
    """The server's own last words come first, then one line of the script's."""
    result = checkout.run("--db", str(tmp_path / "missing/kept.db"))

    assert result.returncode == 1
    *reason, verdict = result.stderr.splitlines()
    assert "missing: no such file or directory" in "".join(reason)
    assert verdict == "temporal-dev.sh: the Temporal dev server did not start, 3 times"


@pytest.mark.server
def test_a_server_keeps_its_workflows_in_the_named_file(checkout: Checkout) -> None:
    """With `--db` the server stores what it knows there."""
    assert checkout.run("prepare").returncode == 0
    with started(checkout, "--db", str(checkout.root / "kept.db")) as run:
        run.read_until(r"export TEMPORAL_ADDRESS=(\S+)")

    assert (checkout.root / "kept.db").stat().st_size > 0


@pytest.mark.server
def test_the_demo_has_a_server_of_its_own_and_its_exit_code_is_forwarded(
    checkout: Checkout,
) -> None:
    """The demo sees none of the user's Temporal settings, and its verdict is the script's."""
    checkout.write_demo(
        "import os, sys\n"
        "print(*(k for k in sorted(os.environ) if k.startswith('TEMPORAL_')))\n"
        "print('at', os.environ['TEMPORAL_ADDRESS'])\n"
        "sys.exit(7)\n"
    )
    result = checkout.run("demo", TEMPORAL_ADDRESS="127.0.0.1:1", TEMPORAL_API_KEY="mine")

    assert result.returncode == 7, result.stderr
    assert "TEMPORAL_ADDRESS TEMPORAL_CONFIG_FILE\n" in result.stdout
    assert "at 127.0.0.1:1\n" not in result.stdout
    assert result.stderr == ""


@pytest.mark.server
@pytest.mark.parametrize("ending", ["by itself", "by a signal"])
def test_the_demo_leaves_no_process_however_it_ends(checkout: Checkout, ending: str) -> None:
    """Server, demo and what the demo forgot are gone when the script is."""
    checkout.write_demo(
        "import subprocess, sys\n"
        "forgotten = [sys.executable, '-c', 'import signal; signal.pause()']\n"
        "child = subprocess.Popen(forgotten, close_fds=False)\n"
        "print('demo', 'runs', flush=True)\n"
        + ("child.wait()\n" if ending == "by a signal" else "child.returncode = 0\n")
    )
    assert checkout.run("prepare").returncode == 0
    with started(checkout, "demo") as run:
        run.read_until("demo (runs)")
        if ending == "by a signal":
            run.process.send_signal(signal.SIGTERM)

        assert run.is_gone()
        assert run.process.wait() == (143 if ending == "by a signal" else 0)
