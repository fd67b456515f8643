"""Cancelling a turn: exactly that turn; the first of cancel and commit wins."""

from __future__ import annotations

import asyncio
import threading

import pytest

from sojourn import TurnStatus, tool
from sojourn.errors import UnknownTurn
from sojourn.testing import ScriptedModel
from tests.embedded.making import SESSION, GateAt, Slow, app_of, unanswered, user_texts
from tests.support.gate import Gate
from tests.support.scene import calling, echo


async def test_a_cancel_in_a_model_call_keeps_the_message_alone(store_url: str) -> None:
    """The turn commits what it has, and the next one works."""
    slow = Slow()
    async with app_of(store_url, slow).open(SESSION) as session:
        turn = await session.submit("wait", "t-1")
        await slow.gate.reached()
        assert await session.cancel("t-1") is True
        result = await turn.result()
        after = await session.send("next")
        view = await session.show()

    assert (result.status, result.text, result.head_revision) == (TurnStatus.CANCELLED, "", 1)
    assert (after.text, after.head_revision) == ("you said next", 2)
    assert user_texts(view) == ["wait", "next"]
    assert slow.gate.passed == 0


async def test_a_cancelled_turn_stays_cancelled(store_url: str) -> None:
    """The same turn id again returns that, after reopening too."""
    slow = Slow()
    app = app_of(store_url, slow)
    async with app.open(SESSION) as session:
        turn = await session.submit("wait", "t-1")
        await slow.gate.reached()
        await turn.cancel()
        result = await turn.result()
    slow.gate.open()
    async with app.open(SESSION) as session:
        assert await session.send("wait", "t-1") == result
        assert await session.cancel("t-1") is True


async def test_a_cancel_in_the_queue_keeps_the_turn_from_running(store_url: str) -> None:
    """It does not wait for the turns before it, and leaves them alone."""
    slow = Slow()
    model = ScriptedModel(slow)
    async with app_of(store_url, model).open(SESSION) as session:
        first = await session.submit("wait")
        await slow.gate.reached()
        second, third = await session.submit("never mind"), await session.submit("hello")
        assert await second.cancel() is True
        slow.gate.open()
        results = [await turn.result() for turn in (first, second, third)]

    assert [result.status.value for result in results] == ["completed", "cancelled", "completed"]
    assert results[1].usage.input_tokens == 0
    assert model.calls == 2


async def test_a_cancel_of_the_running_turn_leaves_the_queued_ones_alone(store_url: str) -> None:
    """Exactly the named turn is cancelled."""
    slow = Slow()
    async with app_of(store_url, slow).open(SESSION) as session:
        first, second = await session.submit("wait"), await session.submit("hello")
        await slow.gate.reached()
        assert await first.cancel() is True
        results = await first.result(), await second.result()

    assert [result.status.value for result in results] == ["cancelled", "completed"]


@pytest.mark.parametrize("idempotent", [True, False])
async def test_a_cancel_in_a_tool_says_that_its_outcome_is_unknown(
    store_url: str, *, idempotent: bool
) -> None:
    """The tool is stopped; the next turn's model is told what is not known."""
    gate, stopped = Gate(), asyncio.Event()

    @tool(idempotent=idempotent)
    async def dig() -> None:
        """Dig for ever."""
        try:
            await gate.enter()
        finally:
            stopped.set()

    async with app_of(store_url, calling(("dig", {})), dig).open(SESSION) as session:
        turn = await session.submit("go")
        await gate.reached()
        assert await turn.cancel() is True
        result = await turn.result()
        view = await session.show()

    assert stopped.is_set()
    assert result.status is TurnStatus.CANCELLED
    assert [(call.name, call.status.value) for call in result.tool_calls] == [("dig", "unknown")]
    assert unanswered(view) == set()


async def test_a_cancel_keeps_what_other_tools_have_done(store_url: str) -> None:
    """A result that was recorded stands beside the call that was stopped."""
    gate = Gate()
    # The probe lets the cancel wait until the quick one's result is recorded.
    recorded = GateAt("tool.recorded")
    recorded.gate.open()

    @tool
    async def dig() -> None:
        """Dig for ever."""
        await gate.enter()

    @tool
    async def look() -> str:
        """Look."""
        return "seen"

    app = app_of(store_url, calling(("dig", {}), ("look", {})), dig, look, probe=recorded)
    async with app.open(SESSION) as session:
        turn = await session.submit("go")
        await gate.reached()
        await recorded.gate.reached()
        await turn.cancel()
        result = await turn.result()
        view = await session.show()

    assert [call.status.value for call in result.tool_calls] == ["unknown", "done"]
    assert unanswered(view) == set()


async def test_a_cancel_does_not_wait_for_a_tool_in_a_thread(store_url: str) -> None:
    """The thread goes on to its end; the turn does not."""
    entered, end = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    @tool
    def grind() -> None:
        """Grind in a thread."""
        loop.call_soon_threadsafe(entered.set)
        end.wait()

    async with app_of(store_url, calling(("grind", {})), grind).open(SESSION) as session:
        turn = await session.submit("go")
        await entered.wait()
        await turn.cancel()
        result = await turn.result()
        end.set()

    assert [call.status.value for call in result.tool_calls] == ["unknown"]


async def test_a_cancel_while_a_person_is_asked_leaves_the_call_unrun(store_url: str) -> None:
    """The call says that it was not run, and nobody is asked any more."""
    asked: list[int] = []

    @tool(approval=True)
    def pay() -> None:
        """Pay."""
        asked.append(1)

    async with app_of(store_url, calling(("pay", {})), pay).open(SESSION) as session:
        turn = await session.submit("go")
        while not session.waiting_approvals():
            await asyncio.sleep(0)
        assert await turn.cancel() is True
        result = await turn.result()
        assert session.waiting_approvals() == []
        view = await session.show()

    assert [call.status.value for call in result.tool_calls] == ["cancelled"]
    assert asked == []
    assert unanswered(view) == set()


async def test_a_cancel_after_the_answer_and_before_the_commit_wins(store_url: str) -> None:
    """What was answered is kept."""
    probe = GateAt("model.recorded")
    async with app_of(store_url, probe=probe).open(SESSION) as session:
        turn = await session.submit("hello")
        await probe.gate.reached()
        assert await turn.cancel() is True
        result = await turn.result()

    assert (result.status, result.text) == (TurnStatus.CANCELLED, "you said hello")


async def test_a_cancel_during_the_commit_is_told_that_it_lost(store_url: str) -> None:
    """The commit goes on, and the turn is what it was to be."""
    probe = GateAt("commit.before")
    async with app_of(store_url, probe=probe).open(SESSION) as session:
        turn = await session.submit("hello")
        await probe.gate.reached()
        cancelling = asyncio.create_task(turn.cancel())
        probe.gate.open()
        assert await cancelling is False
        assert (await turn.result()).status is TurnStatus.COMPLETED


async def test_a_cancel_after_the_end_is_told_that_it_lost(store_url: str) -> None:
    """By the turn itself, by its id, and after reopening."""
    app = app_of(store_url)
    async with app.open(SESSION) as session:
        turn = await session.submit("hello", "t-1")
        first = await turn.result()
        assert await turn.cancel() is False
        assert await session.cancel("t-1") is False
    async with app.open(SESSION) as session:
        assert await session.cancel("t-1") is False
        assert await session.send("hello", "t-1") == first


async def test_a_cancel_of_a_turn_that_is_only_sent_again_is_told_that_it_lost(
    store_url: str,
) -> None:
    """It ended long ago, though it waits in the queue for its turn to say so."""
    slow = Slow()
    async with app_of(store_url, slow).open(SESSION) as session:
        await session.send("hello", "t-1")
        running = await session.submit("wait")
        await slow.gate.reached()
        again = await session.submit("hello", "t-1")
        assert await again.cancel() is False
        slow.gate.open()
        await running.result()
        assert (await again.result()).status is TurnStatus.COMPLETED


async def test_a_second_cancel_is_told_that_the_turn_is_cancelled(store_url: str) -> None:
    """Cancelling twice is harmless, at once and later."""
    slow = Slow()
    async with app_of(store_url, slow).open(SESSION) as session:
        turn = await session.submit("wait")
        await slow.gate.reached()
        assert all(await asyncio.gather(turn.cancel(), turn.cancel()))
        await turn.result()
        assert await turn.cancel() is True


async def test_a_cancel_of_an_unknown_turn_is_refused(store_url: str) -> None:
    """Whether the session is there or not."""
    async with app_of(store_url).open(SESSION) as session:
        with pytest.raises(UnknownTurn):
            await session.cancel("t-1")
        await session.send("hello")
        with pytest.raises(UnknownTurn):
            await session.cancel("t-1")


async def test_a_cancel_at_the_instant_of_submission_is_obeyed(store_url: str) -> None:
    """A turn that was cancelled before it began asks no model."""
    model = ScriptedModel(echo)
    async with app_of(store_url, model).open(SESSION) as session:
        turn = await session.submit("hello")
        assert await turn.cancel() is True
        result = await turn.result()

    assert result.status is TurnStatus.CANCELLED
    assert model.calls == 0
