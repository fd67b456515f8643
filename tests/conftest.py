"""Fixtures that every test may use: one dev server for the run, fresh queues for each test."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from temporalio.client import Client

from tests.support.running import WORKER_DEFAULTS
from tests.support.server import DevServer


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a whole run replay every workflow at every task: `--max-cached-workflows=0`."""
    parser.addoption("--max-cached-workflows", type=int, default=None)


def pytest_configure(config: pytest.Config) -> None:
    """Hand the option to the workers."""
    cached = config.getoption("--max-cached-workflows")
    if cached is not None:
        WORKER_DEFAULTS["max_cached_workflows"] = cached


@pytest.fixture(scope="session")
def server() -> Iterator[DevServer]:
    """One real dev server for the whole run, on a free loopback port."""
    with DevServer.started() as server:
        yield server


@pytest.fixture
async def plain_client(server: DevServer) -> Client:
    """A client without any plugin."""
    return await Client.connect(server.address)


@pytest.fixture
def queue() -> str:
    """A task queue of this test's own."""
    return f"queue-{uuid.uuid4()}"


@pytest.fixture
def session_id() -> str:
    """A session of this test's own."""
    return f"chat-{uuid.uuid4()}"


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    """A SQLite file of this test's own."""
    return f"sqlite:///{tmp_path}/sojourn.db"
