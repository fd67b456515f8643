"""The worker's session host: opened at the first activity, closed with the last worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from sojourn.app import App
from sojourn.attachment_ports import BlobStore
from sojourn.host import SessionHost
from sojourn.metering import SilentMeter
from sojourn.ports import SessionStore
from sojourn_worker.metrics import spending_meter


class HostKeeper:
    """Opens a host once, however many ask, and only when one is needed.

    A worker that only replays histories never opens the store. An opening goes on when whoever
    asked for it gives up: an activity's timeout may be shorter than it takes, and would begin it
    anew for ever.
    """

    def __init__(
        self,
        app: App,
        store: str | SessionStore | None = None,
        blobs: str | BlobStore | None = None,
    ) -> None:
        self._app = app
        self._store = store
        self._blobs = blobs
        self._lock = asyncio.Lock()
        self._opening: asyncio.Task[SessionHost] | None = None
        self._stack = AsyncExitStack()
        self._users = 0

    async def get(self) -> SessionHost:
        """Return the host, opening the store if nobody has yet."""
        if self._opening is None:
            self._opening = asyncio.create_task(self._open())
            self._opening.add_done_callback(self._opened)
        return await asyncio.shield(self._opening)

    @asynccontextmanager
    async def used(self) -> AsyncIterator[None]:
        """Keep the host until the last user leaves."""
        self._users += 1
        try:
            yield
        finally:
            self._users -= 1
            if self._users == 0:
                await self.close()

    async def close_unless_used(self) -> None:
        """Close the host, unless somebody is still using it."""
        if self._users == 0:
            await self.close()

    async def close(self) -> None:
        """Close the host if it was opened; it may be opened again."""
        opening, self._opening = self._opening, None
        if opening is not None:
            opening.cancel()
            await asyncio.wait({opening})
        async with self._lock:
            await self._stack.aclose()

    async def _open(self) -> SessionHost:
        async with self._lock:
            opening = self._app.host(self._store, self._blobs)
            host = await self._stack.enter_async_context(opening)
            if type(host.meter) is SilentMeter:  # one of the app's own stays
                host.meter = spending_meter()
            return host

    def _opened(self, opening: asyncio.Task[SessionHost]) -> None:
        is_open = not opening.cancelled() and opening.exception() is None
        if not is_open and self._opening is opening:
            self._opening = None  # whoever asks next tries again
