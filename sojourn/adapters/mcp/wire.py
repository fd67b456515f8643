"""The two ends of a connection, watched: when it ends, what was sent, and what errors say."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, cast

import anyio
from mcp.client._transport import ReadStream, WriteStream  # pyright: ignore[reportPrivateImportUsage]
from mcp.shared.message import SessionMessage
from mcp_types import ErrorData, JSONRPCError

# What a server says in an error: kept from the SDK, which would put it into spans.
TOLD = "told"


@dataclass(slots=True)
class Sending:
    """Whether the request of a block has left.

    Attributes:
        has_left: the transport has taken it; from here on the server may have it.
    """

    has_left: bool = False


sending: ContextVar[Sending | None] = ContextVar("sending", default=None)


class Reading:
    """What comes from a server; tells when nothing more can come."""

    def __init__(
        self, inner: ReadStream[SessionMessage | Exception], ended: Callable[[], None]
    ) -> None:
        self._inner = inner
        self._ended = ended

    @property
    def last_context(self) -> Any:
        """The context of whoever sent the last item, where the transport knows it."""
        return getattr(self._inner, "last_context", None)

    async def receive(self) -> SessionMessage | Exception:
        """Return the next item; of an error only the code stands where the SDK looks."""
        try:
            return _discreet(await self._inner.receive())
        except (anyio.EndOfStream, anyio.ClosedResourceError, anyio.BrokenResourceError):
            self._ended()
            raise

    async def aclose(self) -> None:
        """Close it."""
        await self._inner.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        await self.aclose()


class Writing:
    """What goes to a server; notes what has left."""

    def __init__(self, inner: WriteStream[SessionMessage]) -> None:
        self._inner = inner

    async def send(self, item: SessionMessage, /) -> None:
        """Hand over one message."""
        own = sending.get()
        if own is not None:
            own.has_left = True  # before it is: a cancelled hand-over may have happened
        try:
            await self._inner.send(item)
        except (anyio.ClosedResourceError, anyio.BrokenResourceError):
            if own is not None:
                own.has_left = False
            raise

    async def aclose(self) -> None:
        """Close it."""
        await self._inner.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        await self.aclose()


def _discreet(item: SessionMessage | Exception) -> SessionMessage | Exception:
    if not isinstance(item, SessionMessage) or not isinstance(item.message, JSONRPCError):
        return item
    told = item.message.error
    data = dict(cast("dict[str, object]", told.data)) if isinstance(told.data, dict) else {}
    data[TOLD] = told.message
    error = ErrorData(code=told.code, message=f"MCP error {told.code}", data=data)
    message = item.message.model_copy(update={"error": error})
    return SessionMessage(message, metadata=item.metadata)
