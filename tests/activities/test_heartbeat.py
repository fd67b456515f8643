"""Heartbeats: as long as the work goes on, and no longer."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from temporalio.testing import ActivityEnvironment

from sojourn_activities.heartbeat import BEATS_PER_TIMEOUT, beating

TIMEOUT = timedelta(milliseconds=40)


class Monitor:
    """Hears the heartbeats of one activity."""

    def __init__(self, timeout: timedelta | None) -> None:
        self.environment = ActivityEnvironment()
        self.environment.info = dataclasses.replace(
            ActivityEnvironment.default_info(), heartbeat_timeout=timeout
        )
        self.environment.on_heartbeat = self._hear
        self.beats = 0
        self._heard = asyncio.Event()
        self._wanted = 0

    def _hear(self, *details: Any) -> None:
        assert details == ()
        self.beats += 1
        if self.beats >= self._wanted:
            self._heard.set()

    async def heard(self, times: int) -> None:
        """Wait for so many beats."""
        self._wanted = times
        await self._heard.wait()

    async def run(self, work: Callable[[], Any]) -> Any:
        """Run an activity that works under heartbeats."""

        async def activity() -> Any:
            async with beating():
                return await work()

        return await self.environment.run(activity)


def beaters() -> list[asyncio.Task[Any]]:
    """Return the tasks that beat."""
    return [t for t in asyncio.all_tasks() if getattr(t.get_coro(), "__name__", "") == "_beat"]


async def test_the_activity_beats_while_its_work_goes_on() -> None:
    """The work itself says nothing, as long as it takes."""
    monitor = Monitor(TIMEOUT)
    await monitor.run(lambda: monitor.heard(2 * BEATS_PER_TIMEOUT))

    assert monitor.beats >= 2 * BEATS_PER_TIMEOUT


async def test_the_beats_end_with_the_work() -> None:
    """Nothing is left that beats for an activity that is over, however it ended."""
    monitor = Monitor(TIMEOUT)

    async def fail() -> None:
        await monitor.heard(1)
        assert len(beaters()) == 1
        raise KeyError

    with pytest.raises(KeyError):
        await monitor.run(fail)
    assert beaters() == []


async def test_an_activity_without_a_heartbeat_timeout_does_not_beat() -> None:
    """Local activities have none."""
    monitor = Monitor(None)

    async def work() -> str:
        assert beaters() == []
        return "done"

    assert await monitor.run(work) == "done"
    assert monitor.beats == 0


async def test_a_cancel_reaches_the_work() -> None:
    """It is not swallowed by the heartbeats."""
    monitor = Monitor(TIMEOUT)
    cancelled = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    running = asyncio.create_task(monitor.run(work))
    await monitor.heard(1)
    monitor.environment.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert cancelled.is_set()
