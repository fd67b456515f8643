"""Places where a model or a tool stands still until the test lets it go on."""

from __future__ import annotations

import asyncio

PATIENCE = 20.0


class Gate:
    """Tells when somebody stands at it, and holds everybody until it is opened."""

    def __init__(self) -> None:
        self._opened = asyncio.Event()
        self._arrivals = asyncio.Semaphore(0)
        self.passed = 0

    async def enter(self) -> None:
        """Stand still until the gate is open."""
        self._arrivals.release()
        await self._opened.wait()
        self.passed += 1

    async def reached(self, times: int = 1) -> None:
        """Wait until so many more have come."""
        async with asyncio.timeout(PATIENCE):
            for _ in range(times):
                await self._arrivals.acquire()

    def open(self) -> None:
        """Let everybody pass, now and later."""
        self._opened.set()
