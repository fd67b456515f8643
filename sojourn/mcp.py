"""MCP servers as sources of tools: `App(sources=[McpServer("time", command=["mcp-server-time"])])`.

Importing this loads no MCP library: opening an app that has a server does (extra `mcp`).
"""

from __future__ import annotations

from sojourn.adapters.mcp.secrets import FromEnv
from sojourn.adapters.mcp.server import McpServer

__all__ = ["FromEnv", "McpServer"]
