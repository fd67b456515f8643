"""Servers that other people wrote."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from sojourn.errors import ToolRefused
from sojourn.mcp import McpServer
from tests.mcp.making import call, connected, names, opened, tool_of

pytestmark = pytest.mark.timeout(180)

SAID = "the first commit of all"
EVERYTHING = os.environ.get("SOJOURN_TEST_MCP_EVERYTHING") or shutil.which("mcp-server-everything")


async def test_the_time_server_tells_the_time() -> None:
    """`mcp-server-time`: structure comes as it is, and an error in the server's own words."""
    source = McpServer("time", command=["mcp-server-time"], trust_hints=True, open_timeout=60)

    async with opened(source) as server:
        await connected(server)
        assert names(server) == ["convert_time", "get_current_time"]
        assert tool_of(server, "get_current_time").options.idempotent
        now = await call(server, "get_current_time", {"timezone": "Europe/Vienna"})
        wrong = await call(server, "get_current_time", {"timezone": "Europe/Atlantis"})

    assert now.value["timezone"] == "Europe/Vienna"
    assert isinstance(wrong.failure, ToolRefused)
    assert wrong.error is not None
    assert "Europe/Atlantis" in wrong.error


@pytest.fixture
def repository(tmp_path: Path) -> str:
    """A repository with one commit."""
    commit = ["-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "--allow-empty", "-qm", SAID]
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    subprocess.run(["git", "-C", str(tmp_path), *commit], check=True)
    return str(tmp_path)


async def test_the_git_server_reads_a_repository(repository: str) -> None:
    """`mcp-server-git`, of which the host takes what reads, and leaves what writes."""
    source = McpServer(
        "git",
        command=["mcp-server-git", "--repository", repository],
        allow=["git_*"],
        deny=["git_commit", "git_add", "git_reset", "git_checkout", "git_create_branch"],
        open_timeout=60,
    )

    async with opened(source) as server:
        await connected(server)
        assert "git_log" in names(server)
        assert "git_commit" not in names(server)
        log = await call(server, "git_log", {"repo_path": repository})

    assert SAID in str(log.value)


@pytest.mark.skipif(
    EVERYTHING is None,
    reason="npm i -g @modelcontextprotocol/server-everything, or SOJOURN_TEST_MCP_EVERYTHING=path",
)
async def test_the_everything_server_has_all_kinds_of_content() -> None:
    """`@modelcontextprotocol/server-everything`, of the SDK for TypeScript."""
    source = McpServer("everything", command=[EVERYTHING or ""], open_timeout=60)

    async with opened(source) as server:
        await connected(server)
        echoed = await call(server, "echo", {"message": "hello"})
        structured = await call(server, "get-structured-content", {"location": "Chicago"})
        image = await call(server, "get-tiny-image")
        links = await call(server, "get-resource-links", {"count": 1})

    assert echoed.value == "Echo: hello"
    assert "temperature" in structured.value
    assert image.value["content"][1].startswith("[image/png, ")
    assert links.value["content"][1]["uri"].startswith("demo://resource/")
