"""The MCP library is an extra, and slow to import: nothing of it is loaded before it is needed."""

from __future__ import annotations

import subprocess
import sys

OPENING = """
import asyncio, sys
sys.modules["mcp"] = None
from sojourn import Agent, App
from sojourn.mcp import McpServer

async def main():
    app = App(agents=[Agent("a")], store="memory://", sources=[McpServer("crm", command=["x"])])
    try:
        async with app.host():
            print("open")
    except Exception as error:
        print(type(error).__name__, "|", error)

asyncio.run(main())
"""
NAMING = """
import sys
from sojourn.mcp import McpServer
McpServer("crm", url="https://crm.example/mcp")
print(sorted({"mcp", "mcp_types", "httpx2", "anyio"} & set(sys.modules)))
"""


def said(program: str) -> str:
    """Run a program in a process of its own."""
    command = [sys.executable, "-W", "error", "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_a_missing_library_is_named_with_its_cure() -> None:
    """One line, when the app is opened."""
    kind, _, message = said(OPENING).partition(" | ")

    assert kind == "MissingExtra"
    assert message.startswith("Run `pip install sojourn[mcp]` first: ")
    assert "'MCP server crm'" in message


def test_naming_a_server_loads_no_library() -> None:
    """An app is imported by commands and clients that never open it."""
    assert said(NAMING) == "[]"
