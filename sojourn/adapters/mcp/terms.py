"""The terms that a host sets for a server's tools: which, under which names, and how they run."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sojourn.adapters.mcp.arguments import binder_of
from sojourn.adapters.mcp.remote import Called, RemoteTool, matches, shown_names, tool_id
from sojourn.errors import InvalidInput
from sojourn.models import ToolSpec
from sojourn.tool_call import ToolContext, ToolOptions
from sojourn.tool_function import AnyTool, Tool

_PREFIX = re.compile(r"[A-Za-z0-9_-]{0,40}")

Run = Callable[[Called, dict[str, Any], ToolContext], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Terms:
    """See `McpServer`, whose attributes these are.

    Raises:
        InvalidInput: no model could use a name with the prefix, or a limit is not above zero.
    """

    server: str
    allow: Sequence[str]
    deny: Sequence[str]
    prefix: str
    idempotent: Sequence[str]
    approval: Sequence[str]
    is_trusted: bool
    timeout: timedelta
    attempts: int
    max_result_bytes: int

    def __post_init__(self) -> None:
        if not _PREFIX.fullmatch(self.prefix):
            reason = f"{self.prefix!r} cannot be a prefix: use up to 40 letters, digits, _ or -"
            raise InvalidInput(reason=reason)
        self._options(RemoteTool(""))

    def admitted(self, tools: Sequence[RemoteTool]) -> list[RemoteTool]:
        """Return those that are allowed and not denied, sorted by the server's names."""
        return sorted(
            (
                each
                for each in tools
                if matches(each.name, self.allow) and not matches(each.name, self.deny)
            ),
            key=lambda each: each.name,
        )

    def made(self, tools: Sequence[RemoteTool], run: Run) -> tuple[AnyTool, ...]:
        """Return tools that a session can have: each name once, each id once."""
        shown = shown_names(self.prefix, (each.name for each in tools))
        made: dict[str, AnyTool] = {}
        for each in tools:
            made.setdefault(shown[each.name], self._tool(each, shown[each.name], run))
        return tuple(made.values())

    def _tool(self, remote: RemoteTool, shown: str, run: Run) -> AnyTool:
        called = Called(remote.name, shown)

        async def call(arguments: Mapping[str, Any], context: ToolContext) -> Any:
            return await run(called, dict(arguments), context)

        spec = ToolSpec(shown, remote.description, remote.input_schema)
        key = tool_id(self.server, remote.name)
        binder = binder_of(shown, remote.input_schema)
        return Tool(call, tool_id=key, spec=spec, options=self._options(remote), binder=binder)

    def _options(self, remote: RemoteTool) -> ToolOptions:
        return ToolOptions(
            idempotent=matches(remote.name, self.idempotent)
            or (self.is_trusted and remote.is_repeatable),
            timeout=self.timeout,
            max_attempts=self.attempts,
            approval=matches(remote.name, self.approval),
            max_result_bytes=self.max_result_bytes,
        )
