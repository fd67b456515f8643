"""Cancelling a turn: exactly that turn, and the first of cancel and commit wins."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from sojourn import tool
from sojourn.errors import SessionHeld, UnknownTurn
from sojourn.messages import Message
from sojourn.outcome import TurnStatus
from tests.support.gate import Gate
from tests.support.scene import Scene, calling, echo

pytestmark = pytest.mark.server


class Slow:
    """A script that stands at its gate when it is told to wait, and echoes otherwise."""

    def __init__(self) -> None:
        self.gate = Gate()

    async def __call__(self, messages: Sequence[Message]) -> str:
        """Answer, or wait for ever."""
        if messages[-1].text == "wait":
            await self.gate.enter()
        return echo(messages)


async def test_a_cancel_in_a_model_call_keeps_the_message_alone(scene: Scene) -> None:
    """The turn commits what it has, and the next one works."""
    slow = Slow()
    async with scene.playing(slow) as session:
        turn = await session.submit("wait")
        await slow.gate.reached()
        assert await turn.cancel() is True
        result = await turn.result()
        after = await session.send("next")

    assert (result.status, result.text) == (TurnStatus.CANCELLED, "")
    assert (after.text, after.head_revision) == ("you said next", 2)
    assert await scene.texts() == ["wait", "next"]
    assert slow.gate.passed == 0


async def test_a_cancel_in_a_tool_closes_its_call(scene: Scene) -> None:
    """The tool is stopped; the model is told that its outcome is unknown."""
    gate = Gate()
    stopped = asyncio.Event()

    @tool
    async def dig() -> None:
        """Dig for ever."""
        try:
            await gate.enter()
        finally:
            stopped.set()

    async with scene.playing(calling(("dig", {})), dig) as session:
        turn = await session.submit("go")
        await gate.reached()
        assert await turn.cancel() is True
        result = await turn.result()

    assert stopped.is_set()
    assert result.status is TurnStatus.CANCELLED
    assert [(call.name, call.status.value) for call in result.tool_calls] == [("dig", "unknown")]


async def test_a_cancel_before_the_start_keeps_the_turn_from_running(scene: Scene) -> None:
    """A turn that waits for another is cancelled without a model ever seeing it."""
    slow = Slow()
    async with scene.playing(slow) as session:
        first = await session.submit("wait")
        await slow.gate.reached()
        second = await session.submit("never mind")
        assert await second.cancel() is True
        slow.gate.open()
        results = await first.result(), await second.result()

    assert [result.status for result in results] == [TurnStatus.COMPLETED, TurnStatus.CANCELLED]
    assert results[1].tool_calls == ()
    assert results[1].usage.input_tokens == 0


async def test_a_cancel_of_a_waiting_turn_leaves_the_running_one_alone(scene: Scene) -> None:
    """Exactly the named turn is cancelled."""
    slow = Slow()
    async with scene.playing(slow) as session:
        first = await session.submit("wait")
        await slow.gate.reached()
        second = await session.submit("hello")
        assert await first.cancel() is True
        results = await first.result(), await second.result()

    assert [result.status for result in results] == [TurnStatus.CANCELLED, TurnStatus.COMPLETED]


async def test_a_cancel_after_the_end_is_told_that_it_lost(scene: Scene) -> None:
    """The commit came first: the result stays as it is."""
    async with scene.playing() as session:
        first = await session.send("hello", "t-1")
        assert await session.cancel("t-1") is False
        assert await session.send("hello", "t-1") == first


async def test_a_second_cancel_is_told_that_the_turn_is_cancelled(scene: Scene) -> None:
    """Cancelling twice is harmless."""
    slow = Slow()
    async with scene.playing(slow) as session:
        turn = await session.submit("wait")
        await slow.gate.reached()
        assert all(await asyncio.gather(turn.cancel(), turn.cancel()))
        await turn.result()
        assert await turn.cancel() is True


async def test_a_cancel_of_an_unknown_turn_is_refused(scene: Scene) -> None:
    """Whether the session is open, parked, or was never there."""
    async with scene.playing() as session:
        with pytest.raises(UnknownTurn):
            await session.cancel("t-1")
        await session.send("hello")
        with pytest.raises(UnknownTurn):
            await session.cancel("t-1")
        await session.park()
        with pytest.raises(UnknownTurn):
            await session.cancel("t-1")


async def test_a_cancel_while_another_owner_holds_the_session_ends_the_wait(scene: Scene) -> None:
    """Nothing was begun, so nothing is kept: the caller is told who holds the session."""
    async with scene.embedded() as holder, scene.playing() as session:
        await holder.send("mine")
        turn = await session.submit("hello")
        assert await turn.cancel() is True
        with pytest.raises(SessionHeld, match="embedded"):
            await turn.result()

    assert await scene.texts() == ["mine"]
