"""The demo as its users run it, and the proof that its proof can fail."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.server import DevServer, free_port

ROOT = Path(__file__).parent.parent.parent
POINTS = ["model.paid", "model.recorded", "tool.ran", "commit.before"]
HARBOUR_CALLS = [
    ["list_files", "done"],
    ["read_file", "done"],
    ["post_entry", "unknown"],
    ["find_entries", "done"],
]

pytestmark = [pytest.mark.server, pytest.mark.crash, pytest.mark.timeout(180)]


def start(module: str, *arguments: str, folder: Path, address: str) -> subprocess.Popen[str]:
    """Start a module of the example in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", f"examples.clerk.{module}", *arguments],
        cwd=ROOT,
        env=os.environ | {"TEMPORAL_ADDRESS": address, "TMPDIR": str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def is_gone(group: int) -> bool:
    """Return whether no process of the group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def run(*arguments: str, folder: Path, address: str) -> tuple[int, dict[str, Any], Sequence[str]]:
    """Run the whole demo; return its exit code, its report, and its progress."""
    with start("demo", "--json", *arguments, folder=folder, address=address) as demo:
        out, err = demo.communicate()
    assert is_gone(demo.pid)
    assert out, err
    return demo.returncode, json.loads(out), err.splitlines()


def test_the_demo_proves_what_it_promises(server: DevServer, tmp_path: Path) -> None:
    """Four workers die, every turn completes, every check holds, and nothing is left behind."""
    code, report, progress = run(folder=tmp_path, address=server.address)

    assert [line for line in report["proof"] if not line["holds"]] == []
    assert (code, report["proved"], len(report["proof"])) == (0, True, 11)
    killed = [turn for turn in report["turns"] if turn["kill"]]
    assert [turn["point"] for turn in killed] == POINTS
    assert {turn["kill"]["exit_code"] for turn in killed} == {-signal.SIGKILL}
    assert len({turn["kill"]["pid"] for turn in killed}) == len(POINTS)
    assert {turn["status"] for turn in report["turns"]} == {"completed"}
    assert killed[2]["tool_calls"] == HARBOUR_CALLS
    on_server = [turn for turn in report["turns"] if turn["where"] == "Temporal"]
    assert [turn["head_revision"] for turn in on_server] == [1, 2, 3, 4, 5, 6]
    assert all(turn["history_events"] and turn["history_bytes"] for turn in on_server)
    assert sum("went on after" in line for line in progress) == len(POINTS)
    assert list(tmp_path.iterdir()) == []


def test_the_proof_fails_when_a_tool_lies(server: DevServer, tmp_path: Path) -> None:
    """A posting that calls itself idempotent is repeated: the ledger shows it, the demo fails."""
    app = "tests.examples.careless:app"
    code, report, _ = run("--app", app, "--keep", folder=tmp_path, address=server.address)

    assert (code, report["proved"]) == (1, False)
    failed = {line["claim"]: line["figure"] for line in report["proof"] if not line["holds"]}
    assert list(failed) == [
        "every invoice is in the ledger exactly once",
        "the posting that nobody recorded was reported as unknown, looked up, and not repeated",
    ]
    assert "8 invoices, 9 entries" in failed["every invoice is in the ledger exactly once"]
    assert {"ledger.db", "embedded.db", "temporal.db", "purchases.log"} <= {
        path.name for path in Path(report["folder"]).iterdir()
    }


def test_an_interrupted_demo_ends_with_its_workers(server: DevServer, tmp_path: Path) -> None:
    """SIGTERM ends the demo, its workers and its folder."""
    with start("demo", folder=tmp_path, address=server.address) as demo:
        assert demo.stdout is not None
        assert any(line.startswith("workers: ") for line in demo.stdout)
        demo.send_signal(signal.SIGTERM)
        demo.communicate()

    assert demo.returncode == 130
    assert is_gone(demo.pid)
    assert list(tmp_path.iterdir()) == []


def test_no_worker_outlives_its_parent(server: DevServer, tmp_path: Path) -> None:
    """A worker ends by itself when its standard input closes, as it does when a parent dies."""
    arguments = (str(tmp_path), "examples.clerk.app:app", "nobody-asks")
    with start("worker", *arguments, folder=tmp_path, address=server.address) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
        _, err = worker.communicate()

    assert (worker.returncode, err) == (0, "")


@pytest.mark.parametrize("address", ["", "127.0.0.1:{port}"])
def test_a_missing_server_is_said_in_one_line(tmp_path: Path, address: str) -> None:
    """Without an address, or with nobody there, one line on standard error says what to do."""
    place = address.format(port=free_port())
    with start("demo", "--json", folder=tmp_path, address=place) as demo:
        out, err = demo.communicate()

    assert (demo.returncode, out) == (1, "")
    said = "./temporal-dev.sh demo" if not address else "the demo failed: "
    assert said in err.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []
