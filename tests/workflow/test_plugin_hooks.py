"""Hooks on Temporal: what plugins decide reaches the workflow, and nothing of content does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from typing_extensions import override

from sojourn import Plugin, TurnStatus, tool
from sojourn.hooks import AbortTurn, Deny, Enqueue, TurnView
from sojourn.messages import Message, user
from sojourn.plugins import PluginContext, PluginSession
from sojourn.reads import ReadScope
from sojourn.tools import AnyTool
from tests.plugins.making import Hooked, returning
from tests.support.scene import Scene, calling

pytestmark = pytest.mark.server

WORD = "SECRET-WORD"


@tool(idempotent=True)
def look(at: str) -> str:
    """Look."""
    return f"seen {at}"


def script(messages: Sequence[Message]) -> Any:
    """Look at what is said, and then end."""
    return calling(("look", {"at": WORD}))(messages)


async def test_a_turn_that_a_plugin_ends_over_a_call_is_committed(scene: Scene) -> None:
    """With its reason; the other calls and the next turn are served."""
    plugin = Hooked("judge", before_tool_call=returning(AbortTurn("enough", limit=True)))
    app = replace(scene.app(script, look), plugins=[plugin])
    async with scene.played_by(app) as session:
        result = await session.send("look")
        again = await session.send("look")

    assert (result.status, again.status) == (TurnStatus.LIMIT, TurnStatus.LIMIT)
    assert result.error is not None
    assert result.error.message == "Plugin 'judge' ended the turn: enough."
    assert (result.head_revision, again.head_revision) == (1, 2)


async def test_a_turn_goes_on_when_a_plugin_puts_something_behind_its_last_answer(
    scene: Scene,
) -> None:
    """The step does not commit it, and the workflow asks again."""
    seen: list[int] = []

    def once(view: TurnView) -> Enqueue | None:
        seen.append(view.step)
        return Enqueue([user(f"and {WORD}?")]) if view.step == 2 else None

    app = replace(scene.app(), plugins=[Hooked("asks", checkpoint=once)])
    async with scene.played_by(app) as session:
        result = await session.send("hello")
        view = await session.show()
        history = await scene.handle.fetch_history()

    assert seen == [2, 3]
    assert (result.status, result.text) == (TurnStatus.COMPLETED, f"you said and {WORD}?")
    assert [message.role for message in view.messages] == ["user", "assistant"] * 2
    assert WORD not in history.to_json()


async def test_a_denial_stays_out_of_history(scene: Scene) -> None:
    """The model is told the reason, which may be content."""
    plugin = Hooked(before_tool_call=returning(Deny(f"not {WORD}")))
    app = replace(scene.app(script, look), plugins=[plugin])
    async with scene.played_by(app) as session:
        result = await session.send("look")
        history = await scene.handle.fetch_history()

    assert WORD in result.text
    assert result.tool_calls[0].status.value == "denied"
    assert WORD not in history.to_json()


class Shared(Plugin):
    """Takes notes in one worker, when every worker has one to take."""

    def __init__(self, worker: str, together: asyncio.Barrier) -> None:
        self.worker = worker
        self.together = together

    @override
    def session(self, context: PluginContext) -> PluginSession:
        return SharedNotes(self)


class SharedNotes(PluginSession):
    """One session's notes."""

    def __init__(self, plugin: Shared) -> None:
        self._plugin = plugin
        self.notes: dict[str, str] = {}

    @override
    def tools(self) -> Sequence[AnyTool]:
        @tool
        async def note(text: str) -> str:
            """Take a note."""
            await self._plugin.together.wait()
            self.notes[text] = self._plugin.worker
            self.revision += 1
            return text

        return [note]

    @override
    def snapshot(self) -> Any:
        return self.notes

    @override
    def restore(self, state: Any) -> None:
        self.notes = dict(state or {})


async def test_what_tools_change_beside_each_other_on_two_workers_is_all_kept(
    scene: Scene,
) -> None:
    """Each worker runs one of two calls; whichever commits has the changes of both."""
    both = asyncio.Barrier(2)
    ask = calling(("note", {"text": "milk"}), ("note", {"text": "eggs"}))
    one, two = (replace(scene.app(ask), plugins=[Shared(name, both)]) for name in ("one", "two"))
    scene.worker_options["max_concurrent_activities"] = 1
    async with scene.played_by(one) as session, scene.played_by(two):
        result = await session.send("note both")

    read = await scene.store.load(scene.session_id, ReadScope.FULL_GRAPH)
    assert read is not None
    state = json.loads(read.plugin_state or b"{}")["Shared"]["state"]
    assert result.status is TurnStatus.COMPLETED
    assert state.keys() == {"milk", "eggs"}
    assert set(state.values()) == {"one", "two"}
