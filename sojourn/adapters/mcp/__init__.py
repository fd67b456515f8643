"""MCP servers. Importing this package loads no MCP library: the first `McpServer.open` does."""

from __future__ import annotations

from sojourn.adapters.mcp.secrets import FromEnv
from sojourn.adapters.mcp.server import McpServer

__all__ = ["FromEnv", "McpServer"]
