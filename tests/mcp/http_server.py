"""An MCP server of the SDK's own making, over streamable HTTP on a loopback port.

It lets nobody in without the token, by a header or in the URL, and notes every request's port.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import uvicorn
from mcp.server.mcpserver import Context, Image, MCPServer
from starlette.types import ASGIApp, Receive, Scope, Send

FOLDER, PORT, TOKEN = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
# As the SDK for TypeScript says it, without an id.
FORGOTTEN = '{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: No valid session ID"}}'
PNG = b"\x89PNG and so on"

server = MCPServer("http")


@server.tool()
async def echo(text: str) -> str:
    """Say it again."""
    return text


@server.tool()
async def wait() -> str:
    """Wait for a file."""
    note("waiting")
    try:
        while not (FOLDER / "go").exists():
            await asyncio.sleep(0.01)
    except asyncio.CancelledError:
        note("cancelled")
        raise
    return "done"


@server.tool()
async def die() -> str:
    """End the process in mid-call."""
    note("written")
    os._exit(9)


@server.tool()
async def picture() -> Image:
    """Draw."""
    return Image(data=PNG, format="png")


@server.tool()
async def table() -> dict[str, int]:
    """Count."""
    return {"a": 1}


@server.tool()
async def learn(ctx: Context) -> str:
    """Have one tool more from now on."""
    server.add_tool(echo, name="taught")
    await ctx.session.send_tool_list_changed()
    return "learnt"


def note(name: str) -> None:
    """Add a line to a file of the folder."""
    with (FOLDER / name).open("a") as out:
        out.write(f"{os.getpid()}\n")


class Guarded:
    """Refuses whoever does not know the token, and is ill when a file says so."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._seen: set[bytes] = set()
        self._forgotten: set[bytes] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer it."""
        headers = dict(scope.get("headers", []))
        given = headers.get(b"authorization", b"") + scope.get("query_string", b"")
        if scope["type"] == "http" and TOKEN.encode() not in given:
            await refuse(send, 401)
        elif scope["type"] == "http" and (FOLDER / "ill").exists():
            await refuse(send, int((FOLDER / "ill").read_text()))
        elif (FOLDER / "babble").exists() and scope["method"] == "POST":
            await refuse(send, 200, "{]")
        elif self._is_forgotten(headers.get(b"mcp-session-id", b"")):
            await refuse(send, 400, FORGOTTEN)
        else:
            await self._app(scope, receive, send)

    def _is_forgotten(self, session: bytes) -> bool:
        if (FOLDER / "forget").exists():
            (FOLDER / "forget").unlink()
            self._forgotten |= self._seen
        self._seen.add(session)
        return session in self._forgotten - {b""}


async def refuse(send: Send, status: int, body: str = f"go away, {TOKEN}") -> None:
    """Answer with a status."""
    headers = [(b"content-type", b"application/json" if body[0] == "{" else b"text/plain")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body.encode()})


note("pids")
uvicorn.run(
    Guarded(server.streamable_http_app()), host="127.0.0.1", port=PORT, log_level="critical"
)
