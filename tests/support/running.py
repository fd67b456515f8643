"""Running an app's worker inside the test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from temporalio.client import Client
from temporalio.worker import Worker

from sojourn import App
from sojourn_worker import SessionClient, SojournPlugin
from tests.support.server import DevServer

# What `pytest --max-cached-workflows=N` asks of every worker that runs inside a test.
WORKER_DEFAULTS: dict[str, Any] = {}


@asynccontextmanager
async def running(
    server: DevServer,
    queue: str,
    app: App,
    *,
    bounds: Mapping[str, Any] | None = None,
    **worker_options: Any,
) -> AsyncIterator[SessionClient]:
    """Run a worker of `app` and yield a client that talks to it, made with `bounds`."""
    client = await Client.connect(server.address, plugins=[SojournPlugin(app)])
    async with Worker(client, task_queue=queue, **(WORKER_DEFAULTS | worker_options)):
        yield SessionClient(client, task_queue=queue, **(bounds or {}))
