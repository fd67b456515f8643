"""The app of the worker processes: a session with the tools of the raw server."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from sojourn import Agent, App
from sojourn.messages import Message, Role
from sojourn.ports import Probe
from sojourn.testing import ScriptedModel
from tests.mcp.making import Raw

FOLDER = "TESTS_MCP_FOLDER"


def answer(messages: Sequence[Message]) -> str | list[tuple[str, dict[str, str]]]:
    """Call `echo` at every message, and say how that ended."""
    last = messages[-1]
    if last.role is Role.TOOL:
        return str(last.tool_responses[0].status)
    return [("echo", {"text": last.text})]


def made(store: str, probe: Probe) -> App:
    """Return the app, on the server whose folder the environment names."""
    source = Raw(Path(os.environ[FOLDER])).server()
    agents = [Agent("clerk", model=ScriptedModel(answer))]
    return App(agents=agents, store=store, sources=[source], probe=probe)
