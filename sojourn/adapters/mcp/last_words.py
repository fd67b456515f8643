"""What a started server writes to its standard error: the end of it, for whoever looks after it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TextIO

from typing_extensions import override

MAX_BYTES = 4_000
# What a server wrote last may still be in the pipe when it has ended.
LINGER_SECONDS = 0.2


class LastWords:
    """Keeps the last bytes that a server wrote, and never logs them."""

    def __init__(self) -> None:
        self._kept = b""

    @property
    def line(self) -> str:
        """The last line that has a word in it; none that began before what is kept."""
        lines = [each.strip() for each in self._kept.decode(errors="replace").splitlines()]
        whole = lines[1:] if len(self._kept) > MAX_BYTES else lines
        return next((each for each in reversed(whole) if each), "")

    def hear(self, data: bytes) -> None:
        """Take in more, and let go of what is older."""
        self._kept = (self._kept + data)[-MAX_BYTES - 1 :]

    @asynccontextmanager
    async def heard(self) -> AsyncIterator[TextIO]:
        """Yield the end of a pipe to write to, which is read for as long as the block lasts."""
        self._kept = b""
        source, sink = os.pipe()
        loop = asyncio.get_running_loop()
        with os.fdopen(sink, "w") as written:
            transport, listening = await loop.connect_read_pipe(
                lambda: _Listening(self), os.fdopen(source, "rb", buffering=0)
            )
            try:
                yield written
            finally:
                written.close()
                with suppress(TimeoutError):
                    await asyncio.wait_for(listening.ended.wait(), LINGER_SECONDS)
                transport.close()


class _Listening(asyncio.Protocol):
    def __init__(self, words: LastWords) -> None:
        self._words = words
        self.ended = asyncio.Event()

    @override
    def eof_received(self) -> None:
        self.ended.set()

    @override
    def data_received(self, data: bytes) -> None:
        self._words.hear(data)
