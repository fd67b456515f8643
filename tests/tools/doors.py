"""A source that is opened, under a test's control."""

from __future__ import annotations

import asyncio

from sojourn.sources import SourceState
from tests.tools.sources import Shelf


class Door(Shelf):
    """A source that counts how often it is open, and opens when its gate does."""

    state = SourceState(is_connected=True)

    def __init__(self, source_id: str, error: Exception | None = None) -> None:
        super().__init__(source_id)
        self.gate = asyncio.Event()
        self.knocked = asyncio.Event()
        self.knocks = 0
        self.opened = 0
        self._error = error

    async def open(self) -> None:
        """Wait at the gate."""
        self.knocks += 1
        self.knocked.set()
        await self.gate.wait()
        if self._error is not None:
            raise self._error
        self.opened += 1

    async def aclose(self) -> None:
        """Count down."""
        self.opened -= 1
