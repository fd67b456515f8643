"""The main module of a worker subprocess: `worker_main APP QUEUE STORE KILL_AT`."""

from __future__ import annotations

import asyncio
import importlib
import os
import signal
import sys

from temporalio.client import Client
from temporalio.worker import Worker

from sojourn.ports import SilentProbe
from sojourn.testing import KillAt
from sojourn_worker import SojournPlugin


async def main(app: str, queue: str, store: str, kill_at: str) -> None:
    """Run the worker until the process is killed; SIGTERM ends it when its work is done."""
    point, _, nth = kill_at.partition(":")
    probe = KillAt(point, int(nth or 1)) if point else SilentProbe()
    module, _, factory = app.partition(":")
    made = getattr(importlib.import_module(module), factory)(store, probe)
    client = await Client.connect(os.environ["TEMPORAL_ADDRESS"], plugins=[SojournPlugin(made)])
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    async with Worker(client, task_queue=queue):
        await ended.wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:5]))
