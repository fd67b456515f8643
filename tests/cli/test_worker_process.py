"""`sojourn worker` as a process: how it begins, and how it ends."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import APP, SOJOURN, Cli, Serving, environment
from tests.support.server import DevServer
from tests.support.worker_process import ROOT

pytestmark = pytest.mark.server


@pytest.fixture
def serving(server: DevServer, queue: str, store_url: str) -> Iterator[Serving]:
    """A worker of the test's own, which gives its activities little time."""
    started = Serving.start(server, queue, store_url, "--grace", "0.2")
    yield started
    started.process.kill()
    started.process.communicate(timeout=30)


def sending(serving: Serving, session_id: str, text: str) -> subprocess.Popen[str]:
    """Send a message from another process."""
    command = ["session", "send", session_id, text, "--task-queue", serving.queue, "--turn-id", "t"]
    return subprocess.Popen(
        [*SOJOURN, *command, "--json"],
        cwd=ROOT,
        env=environment(TEMPORAL_ADDRESS=serving.address),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_event(serving: Serving, session_id: str, kind: str) -> None:
    """Wait until the session's journal has got so far."""
    command = ["session", "events", session_id, "--store", serving.store]
    while True:
        watching = subprocess.Popen(
            [*SOJOURN, *command], cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True
        )
        assert watching.stdout is not None
        try:
            for line in watching.stdout:
                if json.loads(line)["kind"] == kind:
                    return
        finally:
            watching.kill()
            watching.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_an_idle_worker_with_0(serving: Serving, number: signal.Signals) -> None:
    """Told to stop, it stops, and that is no failure."""
    assert serving.end(number) == 0


def test_a_worker_that_stops_in_mid_turn_leaves_the_turn_to_the_next(
    server: DevServer, serving: Serving, session_id: str, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model call is cancelled after the grace; another worker takes the turn up."""
    client = sending(serving, session_id, "wait")
    wait_for_event(serving, session_id, "turn_opened")
    assert serving.end() == 0
    second = Serving.start(server, serving.queue, serving.store)
    monkeypatch.setenv("TEMPORAL_ADDRESS", server.address)
    try:
        assert cli("session", "cancel", session_id, "t", "--task-queue", serving.queue).code == 0
        out, _ = client.communicate(timeout=30)
        assert json.loads(out)["status"] == "cancelled"
    finally:
        assert second.end() == 0


def test_a_second_signal_ends_a_worker_at_once(serving: Serving, session_id: str) -> None:
    """Whoever cannot wait for the grace does not have to."""
    client = sending(serving, session_id, "stuck")
    wait_for_event(serving, session_id, "tool_started")
    serving.process.send_signal(signal.SIGTERM)
    serving.wait_for("worker stops")
    assert serving.end() == -signal.SIGTERM
    client.kill()
    client.communicate()


def test_a_tool_that_hangs_cannot_keep_the_process(serving: Serving, session_id: str) -> None:
    """After the grace and a little more the process ends itself, and says why."""
    client = sending(serving, session_id, "stuck")
    wait_for_event(serving, session_id, "tool_started")
    serving.process.send_signal(signal.SIGTERM)
    assert "did not end within 5.2 s" in serving.wait_for("ERROR")
    assert serving.process.wait(timeout=10) == 1
    client.kill()
    client.communicate()


def test_the_log_is_json_lines_when_asked_for(
    server: DevServer, queue: str, store_url: str
) -> None:
    """Each line can be parsed, from the first to the last."""
    serving = Serving.start(server, queue, store_url, "--json")
    serving.process.send_signal(signal.SIGTERM)
    _, err = serving.process.communicate(timeout=30)

    assert serving.process.returncode == 0
    assert [json.loads(line)["level"] for line in err.splitlines()] == ["INFO"]


@pytest.mark.parametrize(
    ("store", "words"),
    [
        ("sqlite:////proc/sojourn.db", "cannot serve as a session store"),
        (f"sqlite:///{Path(__file__)}", "the file is not a database"),
        ("mysql://host/db", "is no store"),
    ],
)
def test_a_bad_store_is_refused_at_once(
    cli: Cli, server: DevServer, monkeypatch: pytest.MonkeyPatch, store: str, words: str
) -> None:
    """Not at the first turn: a worker that cannot work does not poll."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", server.address)
    ended = cli("worker", "--app", APP, "--store", store)

    assert (ended.code, ended.out) == (1, "")
    assert words in ended.err
    assert ended.err.count("\n") == 1


def test_an_app_that_does_not_import_is_refused_at_once(cli: Cli) -> None:
    """Before a server is looked for."""
    kind, message = cli("worker", "--app", "nowhere:app", "--json").error

    assert kind == "InvalidApp"
    assert "no module nowhere" in message
