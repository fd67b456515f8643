"""Tools that wait for a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType

from sojourn import tool
from sojourn.errors import UnknownCall
from sojourn.messages import Message, Role, ToolCallPart, assistant
from sojourn.models import FinishReason, ModelAnswer
from sojourn.outcome import TurnStatus
from tests.support.scene import Scene, calling, echo, responses, until

pytestmark = pytest.mark.server


IDLE = timedelta(milliseconds=50)
LIVES = 3


async def test_an_approved_call_runs(scene: Scene) -> None:
    """It waits in the workflow, whatever else goes on, and then runs once."""
    paid: list[int] = []

    @tool(approval=True)
    def pay(amount: int) -> str:
        """Pay."""
        paid.append(amount)
        return "paid"

    async with scene.playing(calling(("pay", {"amount": 5})), pay) as session:
        turn = await session.submit("pay")
        call_id = await scene.waiting_call(session)
        status = await session.status()
        assert (status.phase, status.approvals) == ("approval", {call_id: "pay"})
        assert paid == []
        await session.approve(call_id)
        result = await turn.result()

    assert (result.text, paid) == ("['paid']", [5])


async def test_a_denied_call_does_not_run_and_the_model_is_told(scene: Scene) -> None:
    """The turn goes on with the refusal."""
    paid: list[int] = []

    @tool(approval=True)
    def pay() -> None:
        """Pay."""
        paid.append(1)

    async with scene.playing(calling(("pay", {})), pay) as session:
        turn = await session.submit("pay")
        await session.deny(await scene.waiting_call(session))
        result = await turn.result()

    assert result.status is TurnStatus.COMPLETED
    assert [call.status.value for call in result.tool_calls] == ["denied"]
    assert "refused this call" in result.text
    assert paid == []


async def test_a_call_is_decided_once(scene: Scene) -> None:
    """A second answer, and an answer to a call that does not wait, are refused."""

    @tool(approval=True)
    def pay() -> str:
        """Pay."""
        return "paid"

    async with scene.playing(calling(("pay", {})), pay) as session:
        with pytest.raises(UnknownCall):
            await session.approve("call-1")
        turn = await session.submit("pay")
        call_id = await scene.waiting_call(session)
        with pytest.raises(UnknownCall):
            await session.deny("another")
        await session.approve(call_id)
        with pytest.raises(UnknownCall):
            await session.deny(call_id)
        assert (await turn.result()).text == "['paid']"


async def test_an_answer_counts_for_one_call_alone(scene: Scene) -> None:
    """A model that uses a call id again in its next step has to be approved again."""
    paid: list[int] = []

    @tool(approval=True)
    def pay() -> str:
        """Pay."""
        paid.append(1)
        return "paid"

    def repeating(messages: Sequence[Message]) -> ModelAnswer:
        if len(responses(messages)) == 2:
            return ModelAnswer(assistant("done"), FinishReason.STOP)
        call = ToolCallPart(id="call_0", name="pay", arguments={})
        return ModelAnswer(assistant("", call), FinishReason.TOOL_CALLS)

    async with scene.playing(repeating, pay) as session:
        turn = await session.submit("pay")
        await session.approve(await scene.waiting_call(session))

        async def next_step() -> bool:
            return (await session.status()).step == 2

        await until(next_step)
        await session.deny(await scene.waiting_call(session))
        result = await turn.result()

    assert [call.status.value for call in result.tool_calls] == ["done", "denied"]
    assert paid == [1]


async def test_a_cancel_ends_the_wait_for_a_person(scene: Scene) -> None:
    """The call was never run, and says so."""

    @tool(approval=True)
    def pay() -> str:
        """Pay."""
        return "paid"

    async with scene.playing(calling(("pay", {})), pay) as session:
        turn = await session.submit("pay")
        call_id = await scene.waiting_call(session)
        assert await turn.cancel() is True
        result = await turn.result()
        with pytest.raises(UnknownCall):
            await session.approve(call_id)

    assert result.status is TurnStatus.CANCELLED
    assert [call.status.value for call in result.tool_calls] == ["cancelled"]
    assert [m.role for m in (await scene.view()).messages] == [
        Role.USER,
        Role.ASSISTANT,
        Role.TOOL,
    ]


async def test_a_long_wait_for_a_person_costs_no_history(scene: Scene) -> None:
    """No timer ticks while a turn waits, however short the session's patience with silence is."""
    scene.bounds["idle"] = IDLE
    neighbour = replace(scene, session_id=f"{scene.session_id}-neighbour")
    paying = calling(("pay", {}))

    @tool(approval=True)
    def pay() -> str:
        """Pay."""
        return "paid"

    def clerk(messages: Sequence[Message]) -> Any:
        return paying(messages) if messages[0].text == "pay" else echo(messages)

    async with scene.playing(clerk, pay) as session:
        turn = await session.submit("pay")
        call_id = await scene.waiting_call(session)
        beside = await neighbour.from_afar()
        for _ in range(LIVES):
            await beside.send("hello")
            await neighbour.handle.result()  # it was silent for so long that it has parked
        await session.approve(call_id)
        await turn.result()

    fired = [e for e in await scene.events() if e.event_type == EventType.EVENT_TYPE_TIMER_FIRED]
    assert len(fired) <= 2
