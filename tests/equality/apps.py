"""The app whose sessions are compared: functions, a source that comes and goes, and plugins."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from typing_extensions import override

from sojourn import Agent, App, Plugin, Residency, tool
from sojourn.hooks import TurnView
from sojourn.models import ModelSpec
from sojourn.plugins import PluginContext, PluginSession
from sojourn.ports import Probe, SilentProbe
from sojourn.testing import ScriptedModel
from sojourn.tools import AnyTool, FunctionSource
from tests.equality.scripts import OTHER, think


@tool(idempotent=True)
def add(first: int, second: int) -> int:
    """Add two numbers."""
    return first + second


@tool
def fail() -> str:
    """Fail, with reasons."""
    raise LookupError("nothing there")


@tool
def find_customer(name: str) -> str:
    """Find a customer."""
    return f"{name} lives in London"


class Notes(Plugin):
    """A tool that remembers, and instructions that tell what it remembers."""

    @override
    def session(self, context: PluginContext) -> PluginSession:
        return NotesSession()


class NotesSession(PluginSession):
    """One session's notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    @override
    def tools(self) -> Sequence[AnyTool]:
        @tool(idempotent=True)
        def note(text: str) -> int:
            """Remember a text."""
            self.notes.append(text)
            self.revision += 1
            return len(self.notes)

        return [note]

    @override
    def instructions(self) -> str:
        return f"Notes: {'; '.join(self.notes)}" if self.notes else ""

    @override
    def snapshot(self) -> Any:
        return self.notes

    @override
    def restore(self, state: Any) -> None:
        self.notes = list(state or [])


class Turns(Plugin):
    """Counts the turns, in what is committed with each."""

    version = "2"

    @override
    def session(self, context: PluginContext) -> PluginSession:
        return TurnsSession()


class TurnsSession(PluginSession):
    """One session's count."""

    count = 0

    @override
    def after_turn(self, view: TurnView) -> None:
        self.count += 1
        self.revision += 1

    @override
    def snapshot(self) -> Any:
        return {"count": self.count}

    @override
    def restore(self, state: Any) -> None:
        self.count = state["count"] if state else 0


def family(
    residency: Residency, store_url: str, probe: Probe | None = None, *, has_crm: bool = True
) -> App:
    """Return the app, with the residency to look at, and with or without the customers' source."""
    return App(
        agents=[Agent("clerk", model=ScriptedModel(think), instructions="Be brief.")],
        models=[ScriptedModel(think, ModelSpec(OTHER, context_window_tokens=100_000))],
        tools=[add, fail],
        sources=[FunctionSource("crm", [find_customer])] if has_crm else [],
        plugins=[Notes(), Turns()],
        store=store_url,
        residency=residency,
        probe=probe or SilentProbe(),
        heartbeat_timeout=timedelta(seconds=1),
    )


keep_all = partial(family, Residency.KEEP_ALL)
active_path_only = partial(family, Residency.ACTIVE_PATH_ONLY)
