"""Cancelling a turn: exactly that turn, and the first of cancel and commit wins."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from sojourn import tool
from sojourn.errors import SessionHeld, StoreUnusable, UnknownTurn
from sojourn.messages import Message
from sojourn.outcome import TurnStatus
from sojourn_workflows import options
from tests.support.gate import Gate
from tests.support.scene import Scene, calling, echo

pytestmark = pytest.mark.server

# While a turn is being begun, updates are served this often.
QUICK_TASK = timedelta(seconds=1)


class Slow:
    """A script that stands at its gate when it is told to wait, and echoes otherwise."""

    def __init__(self) -> None:
        self.gate = Gate()

    async def __call__(self, messages: Sequence[Message]) -> str:
        """Answer, or wait for ever."""
        if messages[-1].text == "wait":
            await self.gate.enter()
        return echo(messages)


class Standing:
    """A probe that stands at its gate when a point is passed for the n-th time."""

    def __init__(self, point: str, nth: int = 1) -> None:
        self.gate = Gate()
        self._point = point
        self._left = nth

    async def reached(self, point: str, session_id: str) -> None:  # noqa: ARG002 - a Probe
        """Wait if this is the time."""
        self._left -= point == self._point
        if point == self._point and self._left == 0:
            await self.gate.enter()


class Refusing:
    """A probe that lets no commit pass while it is broken."""

    is_broken = True

    async def reached(self, point: str, session_id: str) -> None:  # noqa: ARG002 - a Probe
        """Raise before a commit."""
        if point == "commit.before" and self.is_broken:
            raise StoreUnusable(url="store", reason="broken")


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
    """Nothing was begun, so nothing is kept: both callers are told who holds the session."""
    async with scene.embedded() as holder, scene.playing() as session:
        await holder.send("mine")
        turn = await session.submit("hello")
        with pytest.raises(SessionHeld, match="embedded"):
            await turn.cancel()
        with pytest.raises(SessionHeld, match="embedded"):
            await turn.result()

    assert await scene.texts() == ["mine"]


async def test_a_cancel_of_a_queued_turn_that_ended_long_ago_is_told_that_it_lost(
    scene: Scene,
) -> None:
    """An earlier run has committed it: the answer comes at once, while the other turn runs."""
    slow = Slow()
    async with scene.playing(slow) as session:
        first = await session.send("hello", "t-1")
        await session.park()
        running = await session.submit("wait")
        await slow.gate.reached()
        again = await session.submit("hello", "t-1")
        assert await again.cancel() is False
        slow.gate.open()
        assert (await running.result()).status is TurnStatus.COMPLETED
        assert await again.result() == first


async def test_a_cancel_of_a_turn_that_is_being_begun_is_answered_by_its_end(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it was committed long ago is known when it has begun, and not before."""
    monkeypatch.setattr(options, "TASK_TIMEOUT", QUICK_TASK)
    probe = Standing("claim.before", 2)
    async with scene.played_by(replace(scene.app(), probe=probe)) as session:
        first = await (await session.submit("hello", "t-1")).result()
        await session.park()
        again = await session.submit("hello", "t-1")
        await probe.gate.reached()
        cancelling = asyncio.create_task(again.cancel())
        after = await session.submit("next", "t-2")
        probe.gate.open()
        assert await cancelling is False
        assert await again.result() == first
        assert (await after.result()).status is TurnStatus.COMPLETED


async def test_a_cancel_behind_a_turn_that_is_being_begun_waits_for_that(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until then somebody else may hold the session and commit the turn; then nobody can."""
    monkeypatch.setattr(options, "TASK_TIMEOUT", QUICK_TASK)
    slow, probe = Slow(), Standing("claim.before")
    async with scene.played_by(replace(scene.app(slow), probe=probe)) as session:
        first = await session.submit("wait")
        await probe.gate.reached()
        second = await session.submit("never mind")
        cancelling = asyncio.create_task(second.cancel())
        third = await session.submit("next")
        assert not cancelling.done()
        probe.gate.open()
        assert await cancelling is True
        slow.gate.open()
        results = [await turn.result() for turn in (first, second, third)]

    assert [result.status.value for result in results] == ["completed", "cancelled", "completed"]


async def test_a_cancel_that_the_store_cannot_answer_for_is_told_why(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No guess is made: the turn is not run, and its own end tells the rest."""
    slow = Slow()

    async def broken(*_: object) -> None:
        raise StoreUnusable(url="store", reason="broken")

    async with scene.playing(slow) as session:
        first = await session.submit("wait")
        await slow.gate.reached()
        second = await session.submit("never mind")
        with monkeypatch.context() as patched:
            patched.setattr(scene.store, "receipt", broken)
            with pytest.raises(StoreUnusable):
                await second.cancel()
        slow.gate.open()
        results = await first.result(), await second.result()

    assert [result.status for result in results] == [TurnStatus.COMPLETED, TurnStatus.CANCELLED]


async def test_a_cancelled_turn_that_cannot_be_committed_is_told_as_such(scene: Scene) -> None:
    """The cancel has not lost to a commit: there is none, and both callers are told why."""
    slow, probe = Slow(), Refusing()
    async with scene.played_by(replace(scene.app(slow), probe=probe)) as session:
        turn = await session.submit("wait", "t-1")
        await slow.gate.reached()
        with pytest.raises(StoreUnusable):
            await turn.cancel()
        with pytest.raises(StoreUnusable):
            await turn.result()
        probe.is_broken = False
        slow.gate.open()
        assert (await session.send("wait", "t-1")).status is TurnStatus.COMPLETED
