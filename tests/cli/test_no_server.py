"""No server, no worker, no namespace: what cannot be reached is named, with the way out."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.client import Client

from tests.cli.conftest import APP, Cli
from tests.support.server import DevServer, free_port

COMMANDS = [
    ["session", "send", "chat-42", "hello"],
    ["session", "cancel", "chat-42", "t1"],
    ["session", "approve", "chat-42", "call-1"],
    ["session", "park", "chat-42"],
    ["worker", "--app", APP, "--store", "memory://"],
]


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of something that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.parametrize("command", COMMANDS)
def test_no_server_is_one_line_that_names_the_address_and_the_way_out(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    """Whichever command it is."""
    address = f"127.0.0.1:{free_port()}"
    monkeypatch.setenv("TEMPORAL_ADDRESS", address)
    ended = cli(*command, "--json")

    assert (ended.code, ended.out) == (1, "")
    kind, message = ended.error
    assert kind == "ServerUnavailable"
    assert address in message
    assert "TEMPORAL_ADDRESS" in message
    assert "Connection refused" in message


def test_a_server_that_does_not_answer_is_given_up(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, silent: str
) -> None:
    """A command does not hang on a port that happens to be open."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", silent)
    monkeypatch.setattr("sojourn_worker.connect.CONNECT_TIMEOUT", timedelta(seconds=0.5))
    ended = cli("session", "park", "chat-42")

    assert ended.code == 1
    assert ended.err.startswith(f"error: No Temporal server at {silent} (no answer in 0.5 s)")


def test_an_address_that_is_none_is_refused(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also a typo gets one line."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", "not an address")
    ended = cli("session", "park", "chat-42")

    assert ended.code == 1
    assert "not an address" in ended.err
    assert ended.err.count("\n") == 1


def test_the_default_address_is_localhost(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """With nothing set, the dev server's own port is tried."""
    tried: list[str] = []

    async def connect(address: str, **_: object) -> None:
        tried.append(address)
        raise RuntimeError("nobody here")

    monkeypatch.setattr(Client, "connect", connect)
    cli("session", "park", "chat-42")

    assert tried == ["localhost:7233"]


def test_profiles_of_the_standard_file_are_used(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`TEMPORAL_PROFILE` picks one, as with every other Temporal tool."""
    port = free_port()
    file = tmp_path / "temporal.toml"
    file.write_text(f'[profile.shop]\naddress = "127.0.0.1:{port}"\n')
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(file))
    monkeypatch.setenv("TEMPORAL_PROFILE", "shop")

    assert f"127.0.0.1:{port}" in cli("session", "park", "chat-42").err


@pytest.mark.parametrize("content", ["not toml", "[profile.other]\n"])
def test_a_configuration_that_cannot_be_read_is_refused(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str
) -> None:
    """One line, though the parser says it in many."""
    file = tmp_path / "temporal.toml"
    file.write_text(content)
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(file))
    monkeypatch.setenv("TEMPORAL_PROFILE", "shop")
    ended = cli("session", "park", "chat-42")

    assert ended.code == 1
    assert "Temporal's configuration cannot be read" in ended.err
    assert ended.err.count("\n") == 1


@pytest.mark.server
@pytest.mark.parametrize("command", COMMANDS)
def test_an_unknown_namespace_is_named(
    cli: Cli, server: DevServer, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    """The server is there, so the line does not say that there is none."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", server.address)
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "nowhere")
    ended = cli(*command)

    assert ended.code == 1
    assert "no namespace 'nowhere': set TEMPORAL_NAMESPACE" in ended.err


@pytest.mark.server
def test_no_worker_is_found_out_before_anything_is_started(
    cli: Cli,
    server: DevServer,
    queue: str,
    session_id: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A workflow that nobody serves would stay open for ever."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", server.address)
    monkeypatch.setattr("sojourn_worker.cli.talking.WORKER_PATIENCE", timedelta(milliseconds=300))
    ended = cli("session", "send", session_id, "hello", "--task-queue", queue, "--json")

    async def count() -> int:
        client = await Client.connect(server.address)
        found = await client.count_workflows(f"TaskQueue = '{queue}'")
        return found.count

    assert ended.code == 1
    assert ended.error[0] == "NoWorker"
    assert queue in ended.error[1]
    assert asyncio.run(count()) == 0
