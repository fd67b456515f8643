"""Work that stands still before each call of a store, until it is told to go on."""

from __future__ import annotations

import asyncio
import inspect
import math
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, TypeVar, cast

T = TypeVar("T")


class Stepped:
    """One piece of work, done step by step.

    Attributes:
        begun: when it began; what has no such time may take for ever.
    """

    def __init__(self, begun: float = math.inf) -> None:
        self.begun = begun
        self._stands = asyncio.Event()
        self._goes = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self, work: Callable[[], Awaitable[None]]) -> None:
        """Begin the work, once it is told to go on."""

        async def run() -> None:
            await self.pause()
            await work()

        self._task = asyncio.ensure_future(run())

    async def pause(self) -> None:
        """Stand still."""
        self._stands.set()
        await self._goes.wait()
        self._goes.clear()

    async def step(self) -> bool:
        """Let it go on to its next stop; tell whether it has ended.

        Raises:
            Exception: what the work has raised.
        """
        assert self._task is not None
        stands = asyncio.ensure_future(self._stands.wait())
        await asyncio.wait({self._task, stands}, return_when=asyncio.FIRST_COMPLETED)
        if not self._task.done():
            self._stands.clear()
            self._goes.set()
            stands = asyncio.ensure_future(self._stands.wait())
            await asyncio.wait({self._task, stands}, return_when=asyncio.FIRST_COMPLETED)
        stands.cancel()
        if self._task.done():
            self._task.result()
        return self._task.done()

    async def kill(self) -> None:
        """End it where it stands."""
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait({self._task})

    def on(self, target: T) -> T:
        """Return `target`, with a stop before each of its calls and after each page."""
        return cast("T", _Stopping(target, self.pause))


class _Stopping:
    def __init__(self, target: Any, pause: Callable[[], Awaitable[None]]) -> None:
        self._target = target
        self._pause = pause

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        return self._pages(found) if inspect.isasyncgenfunction(found) else self._call(found)

    def _call(self, found: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def call(*args: Any) -> Any:
            await self._pause()
            return await found(*args)

        return call

    def _pages(
        self, found: Callable[..., AsyncGenerator[Any, None]]
    ) -> Callable[..., AsyncGenerator[Any, None]]:
        async def pages(*args: Any) -> AsyncGenerator[Any, None]:
            await self._pause()
            async for page in found(*args):
                yield page
                await self._pause()

        return pages
