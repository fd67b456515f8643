"""Hooks on Temporal: what plugins decide reaches the workflow, and nothing of content does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from sojourn import TurnStatus, tool
from sojourn.hooks import AbortTurn, Deny, Enqueue, TurnView
from sojourn.messages import Message, user
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
