"""Getting to know a server: its protocol, and all pages of its tools, but not for ever."""

from __future__ import annotations

from mcp.client.session import ClientSession
from mcp.shared.exceptions import MCPError
from mcp_types import (
    METHOD_NOT_FOUND,
    UNSUPPORTED_PROTOCOL_VERSION,
    PaginatedRequestParams,
    Tool,
)

from sojourn.adapters.mcp.http import REFUSED
from sojourn.adapters.mcp.remote import RemoteTool

MAX_PAGES = 200
# How a server says that it knows no handshake.
_NO_HANDSHAKE = frozenset({METHOD_NOT_FOUND, UNSUPPORTED_PROTOCOL_VERSION, REFUSED})


async def introduced(session: ClientSession) -> None:
    """Agree with the server on a protocol: by the handshake, or without where it knows none.

    Raises:
        MCPError: it knows neither.
    """
    try:
        await session.initialize()
    except MCPError as error:
        if error.code not in _NO_HANDSHAKE:
            raise
        await session.discover()


async def listed(session: ClientSession) -> tuple[RemoteTool, ...]:
    """Return what the server lists; of two tools with one name the first."""
    capabilities = session.server_capabilities
    if capabilities is None or capabilities.tools is None:
        return ()
    tools: dict[str, RemoteTool] = {}
    cursor: str | None = None
    for _ in range(MAX_PAGES):
        page = await session.list_tools(params=PaginatedRequestParams(cursor=cursor))
        for tool in page.tools:
            tools.setdefault(tool.name, _remote(tool))
        if not page.next_cursor or page.next_cursor == cursor:
            break
        cursor = page.next_cursor
    return tuple(tools.values())


def _remote(tool: Tool) -> RemoteTool:
    hints = tool.annotations
    is_repeatable = hints is not None and bool(hints.read_only_hint or hints.idempotent_hint)
    return RemoteTool(tool.name, tool.description or "", dict(tool.input_schema), is_repeatable)
