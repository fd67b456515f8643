"""Asking a server for its tools: all pages of them, and not for ever."""

from __future__ import annotations

from mcp.client.session import ClientSession
from mcp_types import PaginatedRequestParams, Tool

from sojourn.adapters.mcp.remote import RemoteTool

MAX_PAGES = 200


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
