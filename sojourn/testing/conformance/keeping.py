"""A store that stays open between steps which are no coroutines."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from sojourn.clock import Clock
from sojourn.ports import SessionStore
from sojourn.testing.conformance.suite import StoreOpener


class KeptOpen:
    """Enters and leaves a store's context in one task, as contexts may demand."""

    def __init__(self, open_store: StoreOpener, clock: Clock, folder: Path) -> None:
        self.runner = asyncio.Runner()
        self._context = (open_store, clock, folder)
        self._leave: asyncio.Event
        self._task: asyncio.Task[None]

    def open(self) -> SessionStore:
        """Return the store, open."""
        return self.runner.run(self._opened())

    def close(self) -> None:
        """Leave the context."""
        self.runner.run(self._left())

    def end(self) -> None:
        """Close the store and the event loop."""
        self.close()
        self.runner.close()

    async def _opened(self) -> SessionStore:
        store: asyncio.Future[SessionStore] = asyncio.get_running_loop().create_future()
        self._leave = asyncio.Event()
        self._task = asyncio.create_task(self._keep(store))
        either: list[asyncio.Future[Any]] = [store, self._task]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if self._task.done():
            self._task.result()
        return store.result()

    async def _left(self) -> None:
        self._leave.set()
        await self._task

    async def _keep(self, opened: asyncio.Future[SessionStore]) -> None:
        open_store, clock, folder = self._context
        async with open_store(clock, folder) as store:
            opened.set_result(store)
            await self._leave.wait()
