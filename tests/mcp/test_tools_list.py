"""`sojourn tools list`: what can be called, from where, and which server is down."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.cli.conftest import SOJOURN, Ended, environment
from tests.mcp.making import TOKEN, Raw
from tests.support.worker_process import ROOT

APP = """
from pathlib import Path

from sojourn import Agent, App, tool
from sojourn.mcp import FromEnv, McpServer
from tests.mcp.making import Raw


@tool
def own() -> None:
    '''Do nothing.'''


raw = Raw(Path({folder!r}))
app = App(
    agents=[Agent("clerk", tools=[own]), Agent("cook")],
    sources=[
        raw.server(env={{"TOKEN": FromEnv("CRM_TOKEN")}}, prefix="raw_", approval=["crash"]),
        McpServer("nowhere", command=["/there/is/no/such/command"]),
    ],
)
up = App(agents=[Agent("clerk")], sources=[raw.server()])
"""


def tools_list(folder: Path, raw: Raw, app: str, *flags: str) -> Ended:
    """Run the command on an app in a folder."""
    (folder / "shop.py").write_text(APP.format(folder=str(raw.folder)))
    path = os.pathsep.join([environment()["PYTHONPATH"], str(ROOT)])
    done = subprocess.run(
        [*SOJOURN, "tools", "list", "--app", f"shop:{app}", *flags],
        cwd=folder,
        env=environment(CRM_TOKEN=TOKEN, PYTHONPATH=path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert sys.executable in SOJOURN[0]
    return Ended(done.returncode, done.stdout, done.stderr)


def test_every_source_and_tool_is_listed_with_its_state(tmp_path: Path, raw: Raw) -> None:
    """A server that is down is named with its reason, and the exit code says so too."""
    ended = tools_list(tmp_path, raw, "app", "--json")

    states = {each["source"]: (each["state"], each["reason"]) for each in ended.json["sources"]}
    tools = {each["tool_id"]: each for each in ended.json["tools"]}
    assert ended.code == 1
    assert ended.error == ("NotConnected", "not connected: mcp:nowhere")
    assert states["mcp:raw"] == ("connected", "")
    assert states["mcp:nowhere"] == (
        "not connected",
        "there is no such command, or no such folder to run it in",
    )
    assert tools["own"]["source"] == "agent:clerk"
    assert (tools["raw/echo"]["name"], tools["raw/echo"]["source"]) == ("raw_echo", "mcp:raw")
    assert tools["raw/crash"]["approval"]
    assert TOKEN not in ended.out + ended.err


def test_people_get_tables(tmp_path: Path, raw: Raw) -> None:
    """One line a source and one line a tool, and nothing goes wrong when all are connected."""
    ended = tools_list(tmp_path, raw, "up")

    lines = [line.split() for line in ended.out.splitlines() if line.strip()]
    assert (ended.code, ended.err) == (0, "")
    assert ["mcp:raw", "10", "connected"] in lines
    assert ["mcp:raw", "raw/echo", "echo"] in lines
