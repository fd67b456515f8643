"""What the laws of MCP servers are told with."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sojourn.mcp import McpServer
from sojourn.tool_call import ToolContext, ToolResult
from sojourn.tool_function import AnyTool
from tests.support.polling import until

RAW = Path(__file__).parent / "raw_server.py"
TOKEN = "s3cr3t-t0k3n-of-the-server"  # noqa: S105 - it is what must not be found
PNG_ID = hashlib.sha256(b"\x89PNG and so on").hexdigest()


@dataclass
class Raw:
    """The raw server, and the folder through which a test speaks to it."""

    folder: Path

    def server(self, **options: Any) -> McpServer:
        """Return it as a source."""
        return McpServer("raw", command=[sys.executable, str(RAW), str(self.folder)], **options)

    def flag(self, name: str, text: str = "") -> None:
        """Tell it something by a file."""
        (self.folder / name).write_text(text)

    def unflag(self, name: str) -> None:
        """Take a file away again."""
        (self.folder / name).unlink()

    def lines(self, name: str) -> list[str]:
        """Return what it noted in a file."""
        path = self.folder / name
        return path.read_text().split() if path.exists() else []

    async def noted(self, name: str, count: int = 1) -> list[str]:
        """Wait until it has noted so many lines."""

        async def look() -> list[str]:
            lines = self.lines(name)
            return lines if len(lines) >= count else []

        return await until(look)

    @property
    def pid(self) -> int:
        """The process that was started last."""
        return int(self.lines("pids")[-1])

    def kill(self) -> None:
        """Kill it."""
        os.kill(self.pid, signal.SIGKILL)


@asynccontextmanager
async def opened(server: McpServer) -> AsyncIterator[McpServer]:
    """Open a source for the length of a block."""
    await server.open()
    try:
        yield server
    finally:
        await server.aclose()


def context(call_id: str = "call-1", **more: Any) -> ToolContext:
    """Return what a tool is told."""
    return ToolContext("chat-1", "turn-1", call_id, **more)


def tool_of(server: McpServer, name: str) -> AnyTool:
    """Return the tool that a model calls so."""
    return next(each for each in server.tools() if each.name == name)


async def call(server: McpServer, name: str, arguments: Mapping[str, Any] = {}) -> ToolResult:
    """Make one attempt at a call."""
    return await tool_of(server, name).call(arguments, context())


def names(server: McpServer) -> list[str]:
    """Return what a model can call."""
    return [each.name for each in server.tools()]


async def connected(server: McpServer) -> None:
    """Wait until it has tools."""

    async def look() -> bool:
        return server.state.is_connected

    await until(look)


async def disconnected(server: McpServer, reason: str = "") -> None:
    """Wait until it has none, for this reason or any."""

    async def look() -> bool:
        return not server.state.is_connected and server.state.reason.startswith(reason)

    await until(look)


def is_running(pid: int) -> bool:
    """Tell whether a process is there; one that nobody has reaped is."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def moved(server: McpServer, revision: int) -> None:
    """Wait until its tools may be others than at a revision."""

    async def look() -> bool:
        return server.revision != revision

    await asyncio.wait_for(until(look), 20)
