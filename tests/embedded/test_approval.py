"""Tools that wait for a person."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence

import pytest

from sojourn import TurnStatus, tool
from sojourn.adapters.memory import MemoryStore
from sojourn.clock import ManualClock
from sojourn.embedded.control import TurnControl
from sojourn.embedded.session import EmbeddedSession
from sojourn.errors import UnknownCall
from sojourn.lease import LeaseTimings
from sojourn.messages import Message, ToolCallPart, assistant
from sojourn.models import FinishReason, ModelAnswer
from tests.embedded.making import SESSION, app_of
from tests.support.gate import PATIENCE, Gate
from tests.support.scene import calling, responses


class Person:
    """Somebody who is told when calls wait."""

    def __init__(self) -> None:
        self._asked = asyncio.Semaphore(0)

    def ask(self) -> None:
        """Tell of one call more."""
        self._asked.release()

    async def asked(self, session: EmbeddedSession, count: int = 1) -> list[str]:
        """Wait for so many calls more, and return the ids of all that wait."""
        async with asyncio.timeout(PATIENCE):
            for _ in range(count):
                await self._asked.acquire()
        return session.waiting_approvals()


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> Person:
    """The person that every session asks."""
    person, approval = Person(), TurnControl.approval

    def noted(control: TurnControl, call_id: str) -> Awaitable[bool]:
        person.ask()
        return approval(control, call_id)

    monkeypatch.setattr(TurnControl, "approval", noted)
    return person


class Till:
    """A tool that asks, and what was paid by it."""

    def __init__(self) -> None:
        self.paid: list[int] = []

        @tool(approval=True)
        def pay(amount: int) -> str:
            """Pay."""
            self.paid.append(amount)
            return f"paid {amount}"

        self.pay = pay


async def test_an_approved_call_runs_once(store_url: str, person: Person) -> None:
    """And not before."""
    till = Till()
    app = app_of(store_url, calling(("pay", {"amount": 5})), till.pay)
    async with app.open(SESSION) as session:
        turn = await session.submit("pay")
        [call_id] = await person.asked(session)
        assert till.paid == []
        await session.approve(call_id)
        result = await turn.result()

    assert (result.text, till.paid) == ("['paid 5']", [5])


async def test_a_denied_call_does_not_run_and_the_model_is_told(
    store_url: str, person: Person
) -> None:
    """The turn goes on with the refusal."""
    till = Till()
    app = app_of(store_url, calling(("pay", {"amount": 5})), till.pay)
    async with app.open(SESSION) as session:
        turn = await session.submit("pay")
        await session.deny((await person.asked(session))[0])
        result = await turn.result()

    assert result.status is TurnStatus.COMPLETED
    assert [call.status.value for call in result.tool_calls] == ["denied"]
    assert "refused this call" in result.text
    assert till.paid == []


async def test_calls_that_wait_together_are_decided_apart(store_url: str, person: Person) -> None:
    """Each answer is for its own call."""
    till = Till()
    script = calling(("pay", {"amount": 1}), ("pay", {"amount": 2}))
    async with app_of(store_url, script, till.pay).open(SESSION) as session:
        turn = await session.submit("pay")
        first, second = await person.asked(session, 2)
        await session.approve(second)
        await session.deny(first)
        result = await turn.result()

    assert [call.status.value for call in result.tool_calls] == ["denied", "done"]
    assert till.paid == [2]


async def test_a_call_that_waits_does_not_hold_the_others(store_url: str, person: Person) -> None:
    """What needs no person runs beside it."""
    till, gate = Till(), Gate()

    @tool
    async def look() -> str:
        """Look."""
        await gate.enter()
        return "seen"

    script = calling(("pay", {"amount": 1}), ("look", {}))
    async with app_of(store_url, script, till.pay, look).open(SESSION) as session:
        turn = await session.submit("pay")
        [call_id] = await person.asked(session)
        await gate.reached()
        gate.open()
        await session.approve(call_id)
        assert (await turn.result()).status is TurnStatus.COMPLETED


async def test_a_call_is_decided_once(store_url: str, person: Person) -> None:
    """A second answer, and an answer to a call that does not wait, are refused."""
    till = Till()
    app = app_of(store_url, calling(("pay", {"amount": 5})), till.pay)
    async with app.open(SESSION) as session:
        with pytest.raises(UnknownCall):
            await session.approve("call-1")
        turn = await session.submit("pay")
        [call_id] = await person.asked(session)
        with pytest.raises(UnknownCall):
            await session.deny("another")
        await session.approve(call_id)
        with pytest.raises(UnknownCall):
            await session.deny(call_id)
        await turn.result()
        with pytest.raises(UnknownCall):
            await session.approve(call_id)

    assert till.paid == [5]


async def test_an_answer_counts_for_one_call_alone(store_url: str, person: Person) -> None:
    """A model that uses a call id again in its next step has to be approved again."""
    till = Till()

    def repeating(messages: Sequence[Message]) -> ModelAnswer:
        answered = len(responses(messages))
        if answered == 2:
            return ModelAnswer(assistant("done"), FinishReason.STOP)
        call = ToolCallPart(id="call_0", name="pay", arguments={"amount": answered})
        return ModelAnswer(assistant("", call), FinishReason.TOOL_CALLS)

    async with app_of(store_url, repeating, till.pay).open(SESSION) as session:
        turn = await session.submit("pay")
        await session.approve((await person.asked(session))[0])
        assert await person.asked(session) == ["call_0"]
        await session.deny("call_0")
        result = await turn.result()

    assert [call.status.value for call in result.tool_calls] == ["done", "denied"]
    assert till.paid == [0]


async def test_a_person_is_not_asked_again_of_what_has_been_done(person: Person) -> None:
    """A turn that is gone on with asks only for the calls that never began."""
    till, clock = Till(), ManualClock()
    app = app_of(
        MemoryStore(clock),
        calling(("pay", {"amount": 1}), ("pay", {"amount": 2})),
        till.pay,
        clock=clock,
    )
    async with app.open(SESSION) as dying:
        turn = await dying.submit("pay", "t-1")
        done, open_call = await person.asked(dying, 2)
        await dying.approve(done)
        await _recorded(dying)
        turn.task.cancel()  # as its process's death would do it: nothing is committed
        clock.advance(LeaseTimings().ttl)
        async with app.open(SESSION) as session:
            again = await session.submit("pay", "t-1")
            assert await person.asked(session) == [open_call]
            await session.approve(open_call)
            result = await again.result()

    assert [call.status.value for call in result.tool_calls] == ["done", "done"]
    assert till.paid == [1, 2]


async def _recorded(session: EmbeddedSession) -> None:
    events = session.events()
    async for event in events:
        if event.kind == "tool_ended":
            return
