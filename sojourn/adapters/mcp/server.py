"""An MCP server as a source of tools."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from sojourn.adapters.mcp.address import Address
from sojourn.adapters.mcp.remote import Called, RemoteTool, digest_of
from sojourn.adapters.mcp.secrets import Given, Redactor
from sojourn.adapters.mcp.terms import Terms
from sojourn.errors import InvalidInput, MissingExtra, ToolFailure, ToolRetry
from sojourn.sources import SourceState
from sojourn.tool_call import DEFAULT_TIMEOUT, MAX_DETAIL_CHARS, MAX_RESULT_BYTES, ToolContext
from sojourn.tool_function import AnyTool

if TYPE_CHECKING:
    from sojourn.adapters.mcp.link import Link

EXTRA = "sojourn[mcp]"
PATIENCE = timedelta(seconds=10)
KEEPALIVE = timedelta(seconds=60)
# The longest that a host waits for a server when it opens; the link tries on without it.
LONGEST_WAIT = timedelta(seconds=10)
NOT_OPEN = "it is not open"
MAX_WORDS_CHARS = 200


@dataclass(eq=False)
class McpServer:
    """The tools of one MCP server, over one connection for all sessions of a host.

    It is connected when a host of its app opens, and kept connected. While it does not answer it
    has no tools: sessions go on, know them as orphaned, and get them back when it answers.

    Attributes:
        name: identifies the server for ever, in the ids of its tools.
        command: starts a server that speaks over its standard input and output; or
        url: where one runs that speaks streamable HTTP.
        env: variables for the command; it gets no others than `PATH`, `HOME` and the like.
        headers: sent with every request to the URL.
        cwd: where the command runs.
        allow: patterns of the tools to take, by the server's names; all by default.
        deny: patterns of the tools not to take; it wins over `allow`.
        prefix: stands before the names that a model sees.
        idempotent: patterns of the tools that may be run twice.
        approval: patterns of the tools that a person has to approve.
        trust_hints: believe the server's own word on which tools may be run twice.
        timeout: of one attempt at a call; a number means seconds.
        attempts: attempts in all, where one failed and another does no harm.
        max_result_bytes: the largest result, as JSON, that is kept.
        open_timeout: for a connection with its list of tools; a number means seconds.
        keepalive: how often a server that says nothing is looked at.

    Raises:
        InvalidInput: it has no name, not exactly one address, or what does not go with it.
    """

    name: str
    command: Sequence[str] = ()
    url: Given = ""
    env: Mapping[str, Given] = field(default_factory=dict[str, Given], repr=False)
    headers: Mapping[str, Given] = field(default_factory=dict[str, Given], repr=False)
    cwd: Path | str | None = None
    allow: Sequence[str] = ("*",)
    deny: Sequence[str] = ()
    prefix: str = ""
    idempotent: Sequence[str] = ()
    approval: Sequence[str] = ()
    trust_hints: bool = False
    timeout: timedelta | float = DEFAULT_TIMEOUT
    attempts: int = 3
    max_result_bytes: int = MAX_RESULT_BYTES
    open_timeout: timedelta | float = PATIENCE
    keepalive: timedelta | float = KEEPALIVE

    def __post_init__(self) -> None:
        self._address = Address(
            self.name, tuple(self.command), self.url, self.env, self.headers, self.cwd
        )
        self._terms = Terms(
            server=self.name,
            allow=self.allow,
            deny=self.deny,
            prefix=self.prefix,
            idempotent=self.idempotent,
            approval=self.approval,
            is_trusted=self.trust_hints,
            timeout=duration(self.timeout),
            attempts=self.attempts,
            max_result_bytes=self.max_result_bytes,
        )
        for waited in ("open_timeout", "keepalive"):
            if duration(getattr(self, waited)) <= timedelta(0):
                reason = f"MCP server {self.name!r}: {waited} must be above zero"
                raise InvalidInput(reason=reason)
        self._redactor = Redactor()
        self._link: Link | None = None
        self._users = 0
        self._revision = 0
        self._state = SourceState(is_connected=False, reason=NOT_OPEN)
        self._remote: tuple[RemoteTool, ...] = ()
        self._made: dict[str, AnyTool] = {}

    @override
    def __repr__(self) -> str:
        return f"McpServer({self.name!r}, {self._address.shown!r})"

    @property
    def source_id(self) -> str:
        """The source's identity within a catalogue."""
        return f"mcp:{self.name}"

    @property
    def revision(self) -> int:
        """A number that moves whenever the tools may be others than before."""
        return self._revision

    @property
    def state(self) -> SourceState:
        """Whether it is connected; if not, why not, and what a started server wrote last."""
        words = self._redactor.text(self._link.last_words)[:MAX_WORDS_CHARS] if self._link else ""
        if self._state.is_connected or not words:
            return self._state
        return replace(self._state, reason=f"{self._state.reason} (it wrote: {words})")

    def tools(self) -> Sequence[AnyTool]:
        """Return the tools that it has now: none while it is not connected."""
        return tuple(self._made.values()) if self._state.is_connected else ()

    def resolve(self, tool_id: str) -> AnyTool | None:
        """Return one of these tools by its id."""
        return self._made.get(tool_id) if self._state.is_connected else None

    async def open(self) -> None:
        """Connect, or share the connection that there is, and wait a while for the tools.

        Raises:
            MissingExtra: the MCP library is not installed.
            InvalidInput: a variable of the environment is not set, or another event loop has it.
        """
        self._users += 1
        try:
            link = self._link or await self._linked()
            link.check_loop()
            await link.settled(min(duration(self.open_timeout), LONGEST_WAIT))
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Let go of the connection; the last one ends it, and the server if it was started here."""
        self._users -= 1
        if self._users == 0 and self._link is not None:
            link, self._link = self._link, None
            await link.aclose()
            self._learn(NOT_OPEN)

    async def _call(self, called: Called, arguments: dict[str, Any], context: ToolContext) -> Any:
        if self._link is None:
            raise ToolRetry(reason=f"MCP server {self.name!r} is not connected: {NOT_OPEN}")
        try:
            value = await self._link.call(called, arguments, context.attachments)
        except ToolFailure as failure:
            # Cut only now: of a secret that was cut in two, neither half would be found.
            failure.detail = (
                failure.detail and self._redactor.text(failure.detail)[:MAX_DETAIL_CHARS]
            )
            raise
        return self._redactor.json(value)

    async def _linked(self) -> Link:
        connecting = await asyncio.to_thread(_library, self.name)  # it takes most of a second
        if self._link is not None:
            return self._link  # somebody else came first
        target = self._address.target()
        self._redactor = Redactor(self._address.secrets())
        times = connecting.LinkTimes(duration(self.open_timeout), duration(self.keepalive))
        link: Link = connecting.Link(self.name, target, times, self._learn)
        self._link = link
        self._learn("it is being connected")
        return link

    def _learn(self, told: Sequence[RemoteTool] | str) -> None:
        """Take in what the link says: the tools that the server has, or why it has none."""
        before = self.tools()
        if isinstance(told, str):
            self._state = replace(self._state, is_connected=False, reason=told)
        else:
            admitted = self._terms.admitted([each.redacted(self._redactor) for each in told])
            digest = digest_of(admitted)
            if digest != self._state.digest or not self._made:
                made = self._terms.made(admitted, self._call)
                self._made = {each.tool_id: each for each in made}
            self._state = SourceState(is_connected=True, digest=digest)
        self._revision += self.tools() != before


def duration(given: timedelta | float) -> timedelta:
    """Return a duration; a number means seconds."""
    return given if isinstance(given, timedelta) else timedelta(seconds=given)


def _library(name: str) -> ModuleType:
    try:
        from sojourn.adapters.mcp import link  # noqa: PLC0415 - optional, and slow to import
    except ImportError:
        raise MissingExtra(model=f"MCP server {name}", package=EXTRA) from None
    return link
