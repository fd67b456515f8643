"""What `sojourn tools list` tells: an app's sources, and their tools."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer
from rich.console import Group

from sojourn.app import App
from sojourn.outcome import Fault
from sojourn.sources import OpenedSource, SourceState, opened_sources
from sojourn.tools import AnyTool, ToolSource
from sojourn_worker.cli.output import Answer, harmless, table
from sojourn_worker.loading import load_app
from sojourn_worker.settings import Settings

CONNECTED, NOT_CONNECTED = "connected", "not connected"
ALWAYS = SourceState(is_connected=True)  # of functions, which need no connection


async def listed(settings: Settings) -> Answer:
    """Open the app's sources and read them.

    Raises:
        BadParameter: nothing names an app.
    """
    if settings.app is None:
        raise typer.BadParameter("none is named: give it, or set SOJOURN_APP", param_hint="--app")
    app = load_app(settings.app)
    async with opened_sources(app.sources):
        opened = [each for each in app.sources if isinstance(each, OpenedSource)]
        states = {each.source_id: each.state for each in opened}
        sources = [_source(each, states.get(each.source_id, ALWAYS)) for each in _sources(app)]
        tools = [_tool(source, each) for source in _sources(app) for each in source.tools()]
    return Answer({"sources": sources, "tools": tools}, _shown(sources, tools), _fault(sources))


def _sources(app: App) -> Sequence[ToolSource]:
    """Return the sources of all agents, each once."""
    environments = app.environments().values()
    every = [source for environment in environments for source in environment.sources]
    return list({source.source_id: source for source in every}.values())


def _source(source: ToolSource, state: SourceState) -> dict[str, Any]:
    return {
        "source": source.source_id,
        "tools": len(source.tools()),
        "state": CONNECTED if state.is_connected else NOT_CONNECTED,
        "reason": state.reason,
        "digest": state.digest,
    }


def _tool(source: ToolSource, tool: AnyTool) -> dict[str, Any]:
    return {
        "source": source.source_id,
        "tool_id": tool.tool_id,
        "name": tool.name,
        "description": tool.description,
        "idempotent": tool.options.idempotent,
        "approval": tool.options.approval,
        "hidden": tool.options.hidden,
        "timeout_seconds": tool.options.timeout.total_seconds(),
    }


def _shown(sources: Sequence[dict[str, Any]], tools: Sequence[dict[str, Any]]) -> Group:
    above, below = table("SOURCE", "TOOLS", "STATE"), table("SOURCE", "TOOL", "NAME", "TERMS")
    for each in sources:
        state = ": ".join(filter(None, (each["state"], harmless(each["reason"]))))
        above.add_row(each["source"], str(each["tools"]), state)
    for each in tools:
        terms = [term for term in ("idempotent", "approval", "hidden") if each[term]]
        below.add_row(each["source"], each["tool_id"], each["name"], ", ".join(terms))
    return Group(above, "", below)


def _fault(sources: Sequence[dict[str, Any]]) -> Fault | None:
    down = [each["source"] for each in sources if each["state"] != CONNECTED]
    if not down:
        return None
    return Fault(type="NotConnected", message=f"not connected: {', '.join(down)}")
