"""Running a worker until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.worker import Worker

from sojourn.app import App
from sojourn.attachment_ports import BlobStore
from sojourn.errors import ServerUnavailable, ShutdownTooSlow
from sojourn.ports import SessionStore
from sojourn_worker.connect import connect
from sojourn_worker.metrics import flush_metrics, start_metrics
from sojourn_worker.plugin import GRACE, SojournPlugin
from sojourn_worker.pollers import poller_identities
from sojourn_worker.telemetry import flush_telemetry, telemetry_plugins

log = logging.getLogger(__name__)

# What the worker gets beyond its activities' grace, to close what it holds.
CLOSING = timedelta(seconds=5)
_LOOK = timedelta(milliseconds=50)


async def serve(
    app: App,
    task_queue: str,
    store: str | SessionStore | None = None,
    grace: timedelta = GRACE,
    blobs: str | BlobStore | None = None,
) -> None:
    """Run a worker of `app` as this process's only work, until SIGTERM or SIGINT.

    Running activities may then go on for `grace`, and are cancelled after it. The process ends
    soon after that, whatever they do, and at once at a second signal. The store is opened first,
    so that a bad one is refused before anything is polled.

    Raises:
        StoreError: the store cannot be opened.
        ServerUnavailable: no server answers, or it refuses the worker.
    """
    plugin = SojournPlugin(app, store=store, blobs=blobs)
    if plugin.keeper is None:
        raise AssertionError(plugin)
    async with plugin.keeper.used():
        await plugin.keeper.get()
        start_metrics()
        client = await connect([plugin, *telemetry_plugins()])
        with _told_to_stop() as stop:
            worker = Worker(client, task_queue=task_queue, graceful_shutdown_timeout=grace)
            await _run(worker, client, stop, grace)
        await flush_telemetry()
        await flush_metrics()


async def _run(worker: Worker, client: Client, stop: asyncio.Event, grace: timedelta) -> None:
    running = asyncio.create_task(worker.run())
    stopping = asyncio.create_task(stop.wait())
    announcing = asyncio.create_task(_announce(worker, client))
    try:
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            log.info("worker stops: running activities get %g s", grace.total_seconds())
            _end_process_after(grace + CLOSING)
            await worker.shutdown()
        await running
    except RuntimeError as error:
        address = client.service_client.config.target_host
        raise ServerUnavailable(address=address, reason=str(error)) from error
    finally:
        for task in (running, stopping, announcing):
            task.cancel()
        await asyncio.wait({stopping, announcing})


def _end_process_after(bound: timedelta) -> None:
    """End the process in a while, unless it has ended by then: code that hangs cannot stop it."""

    def end() -> None:
        log.error("%s", ShutdownTooSlow(seconds=bound.total_seconds()))
        os._exit(1)

    timer = threading.Timer(bound.total_seconds(), end)
    timer.daemon = True
    timer.start()


async def _announce(worker: Worker, client: Client) -> None:
    """Log one line when the server has seen this worker poll."""
    while True:
        if await _polls(worker, client):
            break
        await asyncio.sleep(_LOOK.total_seconds())
    address = client.service_client.config.target_host
    log.info("worker polls %s at %s, namespace %s", worker.task_queue, address, client.namespace)


async def _polls(worker: Worker, client: Client) -> bool:
    try:
        return client.identity in await poller_identities(client, worker.task_queue)
    except RPCError:
        return False


@contextmanager
def _told_to_stop() -> Iterator[asyncio.Event]:
    """Set an event at the first signal; from then on signals have their usual, deadly meaning."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    signals = (signal.SIGTERM, signal.SIGINT)

    def first() -> None:
        stop.set()
        for number in signals:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)

    for number in signals:
        loop.add_signal_handler(number, first)
    try:
        yield stop
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
