"""An app of plugins for workers that are killed: each process signs what its plugins say."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from typing_extensions import override

from examples.plugins.redaction import Redaction
from examples.plugins.token_budget import TokenBudget
from sojourn import Agent, App, Plugin, tool
from sojourn.hooks import Enqueue, ReplaceResult, ToolCallView, ToolResultView, TurnView
from sojourn.messages import Message, Role, TextPart
from sojourn.plugins import PluginContext, PluginSession
from sojourn.ports import Probe
from sojourn.testing import ScriptedModel
from sojourn.tools import AnyTool
from tests.support.crash_apps import HEARTBEAT, Ledger

SECRET = "sk-abcdefghijklmnop1234"  # noqa: S105 - it only looks like one


class Diary(Plugin):
    """Takes notes by a tool, greets each turn, and signs each result."""

    @override
    def session(self, context: PluginContext) -> PluginSession:
        return _Diary()


class _Diary(PluginSession):
    def __init__(self) -> None:
        self.notes: list[str] = []

    @override
    def tools(self) -> Sequence[AnyTool]:
        @tool
        def note(text: str) -> str:
            """Take a note."""
            self.notes.append(f"{text} by {os.getpid()}")
            self.revision += 1
            return text

        return [note]

    @override
    def before_turn(self, view: TurnView) -> Enqueue:
        text = TextPart(content=f"greeted by {os.getpid()}")
        return Enqueue([Message(role=Role.SYSTEM, parts=(text,))])

    @override
    def after_tool_call(self, call: ToolCallView, result: ToolResultView) -> ReplaceResult | None:
        if not isinstance(result.response, str) or "signed" in result.response:
            return None
        return ReplaceResult(f"{result.response} signed by {os.getpid()}")

    @override
    def snapshot(self) -> Any:
        return {"notes": self.notes}

    @override
    def restore(self, state: Any) -> None:
        self.notes = list(state["notes"]) if state else []


def diary(store_url: str, probe: Probe) -> App:
    """Return an app whose model notes the user's words, and then says what it was told."""

    def answer(messages: Sequence[Message]) -> str | list[tuple[str, dict[str, Any]]]:
        Ledger.beside(store_url).write(f"model {len(messages)}")
        if messages[-1].role is not Role.TOOL:
            return [("note", {"text": "milk"})]
        return f"{messages[-1].tool_responses[0].response}, with {SECRET}"

    return App(
        agents=[Agent("clerk", model=ScriptedModel(answer))],
        plugins=[Redaction(), TokenBudget(session=100_000), Diary()],
        store=store_url,
        probe=probe,
        heartbeat_timeout=HEARTBEAT,
    )
