"""The link to one server: kept up by a task of its own, shared by all who call."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import anyio
from mcp.client.session import ClientSession, IncomingMessage
from mcp_types import (
    CallToolRequest,
    CallToolRequestParams,
    CallToolResult,
    Implementation,
    ToolListChangedNotification,
)

from sojourn.adapters.mcp.failures import reason_of, truthful
from sojourn.adapters.mcp.last_words import LastWords
from sojourn.adapters.mcp.listing import introduced, listed
from sojourn.adapters.mcp.quiet import quiet
from sojourn.adapters.mcp.remote import Called, RemoteTool
from sojourn.adapters.mcp.results import value_of
from sojourn.adapters.mcp.target import Target
from sojourn.adapters.mcp.transports import dial
from sojourn.adapters.mcp.wire import Reading, Writing
from sojourn.attachments import SessionAttachments
from sojourn.backoff import growing
from sojourn.errors import InvalidInput, ToolRetry

log = logging.getLogger(__name__)

SHORTEST_PAUSE = timedelta(milliseconds=500)
LONGEST_PAUSE = timedelta(seconds=30)
# A connection that lasted for less counts as a failure, as far as the next pause is concerned.
STEADY = timedelta(seconds=10)
# A started server gets 2 s to end by itself, 2 more after SIGTERM, and is killed.
CLOSING = timedelta(seconds=10)
_INFO = Implementation(name="sojourn", version="0")


@dataclass(frozen=True, slots=True)
class LinkTimes:
    """How long a link waits.

    Attributes:
        patience: for a connection with its list of tools; and for a list that has changed.
        keepalive: between two looks at a server that says nothing.
    """

    patience: timedelta
    keepalive: timedelta


class Link:
    """Connects, lists, attends, and connects again with growing pauses, until it is closed.

    The SDK's contexts are entered and left by the link's own task alone. Callers only send.

    Args:
        name: the server, in messages.
        target: where it is.
        times: how long to wait.
        told: is given the tools whenever they are known anew, or the reason why there are none.
    """

    def __init__(
        self,
        name: str,
        target: Target,
        times: LinkTimes,
        told: Callable[[Sequence[RemoteTool] | str], None],
    ) -> None:
        self._name = name
        self._target = target
        self._times = times
        self._told = told
        self._session: ClientSession | None = None
        self._reason = "it is being connected"
        self._words = LastWords()
        self._news = asyncio.Event()
        self._settled = asyncio.Event()
        self._waiting = anyio.CancelScope()
        self._is_changed = self._is_ended = self._is_closing = False
        self._calls = 0
        self._failures = 0
        self._up_since: float | None = None
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._keep(), name=f"mcp {name}")

    @property
    def last_words(self) -> str:
        """The last line that a started server wrote to its standard error: it may hold content."""
        return self._words.line

    def check_loop(self) -> None:
        """Pass if the running event loop is the link's own.

        Raises:
            InvalidInput: it is another one.
        """
        if self._loop is not asyncio.get_running_loop():
            reason = f"MCP server {self._name!r} is open in another event loop: make one for each"
            raise InvalidInput(reason=reason)

    async def settled(self, wait: timedelta) -> None:
        """Wait until it is connected or has failed to be, but no longer than `wait`."""
        with anyio.move_on_after(wait.total_seconds()):
            await self._settled.wait()

    async def call(
        self, called: Called, arguments: dict[str, Any], attachments: SessionAttachments
    ) -> Any:
        """Have the server run a tool, and return its result; cancelling tells the server so.

        Raises:
            ToolRetry: nothing was sent.
            ToolLost: it was sent, and the connection broke: the tool may have run.
            ToolRefused: the server answered with an error.
            ResultUnserialisable: the tool ran, and what it answered is no result.
        """
        session = await self._connected()
        params = CallToolRequestParams(name=called.remote, arguments=arguments)
        self._calls += 1
        try:
            with quiet(), truthful(called.shown, self._name, doubted=self._doubt):
                answer = await session.send_request(CallToolRequest(params=params), CallToolResult)
        finally:
            self._calls -= 1
        return await value_of(answer, called.shown, attachments)

    async def aclose(self) -> None:
        """End the connection, and the server if it was started here."""
        self._is_closing = True
        self._news.set()
        self._waiting.cancel()
        _, unfinished = await asyncio.wait({self._task}, timeout=CLOSING.total_seconds())
        for task in unfinished:
            task.cancel()
            await asyncio.wait({task})

    async def _connected(self) -> ClientSession:
        if self._session is None:
            await self.settled(self._times.patience)
        if self._session is None:
            raise ToolRetry(reason=f"MCP server {self._name!r} is not connected: {self._reason}")
        return self._session

    async def _keep(self) -> None:
        with quiet():
            while not self._is_closing:
                self._up_since = None
                reason = await self._connect()
                self._suspend()
                if not self._is_closing:
                    await self._pause(reason)

    async def _connect(self) -> str:
        """Connect and attend to the connection until it ends; return why it did."""
        self._is_changed = self._is_ended = False
        try:
            async with dial(self._target, self._times.patience, self._words) as (read, write):
                watched = Reading(read, self._end)
                async with ClientSession(
                    watched, Writing(write), message_handler=self._hear, client_info=_INFO
                ) as session:
                    await self._list(session, is_new=True)
                    self._up_since = self._loop.time()
                    await self._attend(session)
        except Exception as error:  # noqa: BLE001 - the SDK, its transports and servers raise any
            return reason_of(error, self._times.patience)
        return "the connection ended"

    async def _list(self, session: ClientSession, *, is_new: bool = False) -> None:
        """Have calls use a session, once it has said which tools it has."""
        if self._is_closing:
            return
        self._waiting = anyio.CancelScope()
        with self._waiting, anyio.fail_after(self._times.patience.total_seconds()):
            if is_new:
                await introduced(session)
            tools = await listed(session)
            self._session, self._reason = session, ""
            self._told(tools)
            self._settled.set()
            log.log(
                logging.INFO if is_new else logging.DEBUG,
                "MCP server %s is connected: %d tools",
                self._name,
                len(tools),
            )

    async def _attend(self, session: ClientSession) -> None:
        while not self._is_closing and not self._is_ended:
            with anyio.move_on_after(self._times.keepalive.total_seconds()) as waiting:
                await self._news.wait()
            self._news.clear()
            is_due = waiting.cancelled_caught and not self._calls  # it may be too busy to answer
            if (self._is_changed or is_due) and not self._is_ended and not self._is_closing:
                was_told, self._is_changed = self._is_changed, False
                await self._list_again(session)
                if was_told:
                    await self._breathe()

    async def _list_again(self, session: ClientSession) -> None:
        try:
            await self._list(session)
        except TimeoutError:
            if not self._calls or self._session is None:
                raise
            self._is_changed = True  # a server that is busy with calls is asked again later

    async def _breathe(self) -> None:
        """Wait before the next list: a server may say with each that it has changed again."""
        is_news = self._news.is_set()
        with anyio.move_on_after(SHORTEST_PAUSE.total_seconds()):
            while self._session is not None and not self._is_closing:
                self._news.clear()
                await self._news.wait()
                is_news = True
        if is_news:
            self._news.set()

    async def _pause(self, reason: str) -> None:
        """Wait before the next attempt; the first one after a connection comes at once."""
        lasted = 0.0 if self._up_since is None else self._loop.time() - self._up_since
        self._failures = 0 if lasted >= STEADY.total_seconds() else self._failures + 1
        if self._up_since is not None and self._failures <= 1:
            return
        self._down(reason)
        longest = growing(SHORTEST_PAUSE, self._failures, LONGEST_PAUSE)
        pause = longest * random.uniform(0.5, 1)  # noqa: S311 - so that workers do not march in step
        with anyio.move_on_after(pause.total_seconds()):
            while not self._is_closing:
                self._news.clear()
                await self._news.wait()

    def _down(self, reason: str) -> None:
        if reason != self._reason:
            log.warning("MCP server %s is not connected: %s", self._name, reason)
        self._reason = reason
        self._told(reason)
        self._settled.set()

    async def _hear(self, message: IncomingMessage) -> None:
        if isinstance(message, ToolListChangedNotification):
            self._look()

    def _doubt(self) -> None:
        """Have the session show that it is still one."""
        self._suspend()
        self._look()

    def _suspend(self) -> None:
        """Have calls wait for what comes next."""
        self._session = None
        self._settled.clear()

    def _look(self) -> None:
        self._is_changed = True
        self._news.set()

    def _end(self) -> None:
        self._suspend()
        self._is_ended = True
        self._news.set()
