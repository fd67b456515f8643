"""Heartbeats that do not wait for the work: a worker that lives says so, whatever it does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio import activity

BEATS_PER_TIMEOUT = 4


@asynccontextmanager
async def beating() -> AsyncIterator[None]:
    """Heartbeat in the background while the block runs, four times in each heartbeat timeout.

    Without heartbeats an activity neither learns of its cancellation nor is missed when its
    worker dies.
    """
    timeout = activity.info().heartbeat_timeout
    if timeout is None:
        yield
        return
    task = asyncio.create_task(_beat(timeout.total_seconds() / BEATS_PER_TIMEOUT))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def _beat(interval_seconds: float) -> None:
    while True:
        # The server counts from the start of the attempt: a short one needs no call at all.
        await asyncio.sleep(interval_seconds)
        activity.heartbeat()
