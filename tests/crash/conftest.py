"""Every crash test has a stage of its own, and leaves no process behind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sojourn_worker import SojournPlugin
from temporalio.client import Client

from sojourn.ports import SilentProbe
from tests.support.crash_apps import shop
from tests.support.server import DevServer
from tests.support.stage import Stage


@pytest.fixture
async def stage(
    server: DevServer, queue: str, session_id: str, store_url: str, tmp_path: Path
) -> AsyncIterator[Stage]:
    """A session of the shop; workers that the test started are stopped after it."""
    plugin = SojournPlugin(shop(store_url, SilentProbe()))
    client = await Client.connect(server.address, plugins=[plugin])
    stage = Stage(client, server.address, queue, store_url, session_id, tmp_path / "worker.log")
    with stage.workers:
        yield stage
