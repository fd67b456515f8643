"""Running an app's worker inside the test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sojourn_worker import SessionClient, SojournPlugin
from temporalio.client import Client
from temporalio.worker import Worker

from sojourn import App
from tests.support.server import DevServer


@asynccontextmanager
async def running(
    server: DevServer, queue: str, app: App, **worker_options: Any
) -> AsyncIterator[SessionClient]:
    """Run a worker of `app` and yield a client that talks to it."""
    client = await Client.connect(server.address, plugins=[SojournPlugin(app)])
    async with Worker(client, task_queue=queue, **worker_options):
        yield SessionClient(client, task_queue=queue)
