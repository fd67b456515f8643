"""A workflow that is reset behind the store's head: told, never a second history."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, ResetReapplyExcludeType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest

from sojourn.errors import Diverged
from sojourn.messages import Message
from sojourn.outcome import TurnResult, TurnStatus
from tests.support.gate import Gate
from tests.support.scene import QUICK, Scene, echo

pytestmark = pytest.mark.server

UPDATES = ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE
ACCEPTED = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED
TASK_ENDED = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED


async def reset(scene: Scene, before_turn: int, *exclude: ResetReapplyExcludeType.ValueType) -> str:
    """Reset the session's run to where its n-th turn came in; return the new run's id."""
    events = await scene.events()
    accepted = [event.event_id for event in events if event.event_type == ACCEPTED]
    point = max(
        event.event_id
        for event in events
        if event.event_type == TASK_ENDED and event.event_id < accepted[before_turn - 1] - 1
    )
    reply = await scene.client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace="default",
            workflow_execution=WorkflowExecution(
                workflow_id=scene.handle.id, run_id=await scene.run_id()
            ),
            reason="by the test",
            workflow_task_finish_event_id=point,
            request_id=str(uuid.uuid4()),
            reset_reapply_exclude_types=exclude,
        )
    )
    return reply.run_id


async def test_a_reset_run_that_forgot_its_turns_ends_diverged(scene: Scene) -> None:
    """The next message is refused and nothing is written; the one after goes on from the store."""
    scene.timings = QUICK
    async with scene.playing() as session:
        for n in range(1, 4):
            await session.send(f"message {n}")
        before = await scene.view()
        run_id = await reset(scene, 2, UPDATES)
        with pytest.raises(Diverged):
            await session.send("message 4")
        status = (await scene.handle.describe()).status
        assert await scene.run_id() == run_id
        assert (await scene.view()).messages == before.messages
        result = await session.send("message 5")

    assert status is not None
    assert status.name == "FAILED"
    assert (result.status, result.head_revision) == (TurnStatus.COMPLETED, 4)
    assert await scene.texts() == ["message 1", "message 2", "message 3", "message 5"]


async def test_every_message_that_meets_a_diverged_run_is_told(scene: Scene) -> None:
    """Each is refused, or served by the next run: nobody waits for ever."""
    scene.timings = QUICK
    async with scene.playing() as session:
        for n in range(1, 4):
            await session.send(f"message {n}")
        await reset(scene, 2, UPDATES)
        told = await asyncio.gather(
            *(session.send(f"late {n}") for n in range(4)), return_exceptions=True
        )

    diverged = [each for each in told if isinstance(each, Diverged)]
    served = [each for each in told if isinstance(each, TurnResult)]
    assert diverged
    assert len(diverged) + len(served) == len(told)
    assert len(await scene.texts()) == 3 + len(served)


async def test_a_reset_that_keeps_its_messages_serves_them_from_their_receipts(
    scene: Scene,
) -> None:
    """The server sends them again: each is the turn that it was, and the model is not asked."""
    asked: list[str] = []

    def counted(messages: Sequence[Message]) -> str:
        asked.append(messages[-1].text)
        return echo(messages)

    async with scene.playing(counted) as session:
        for n in range(1, 4):
            await session.send(f"message {n}", f"t-{n}")
        await reset(scene, 2)
        result = await session.send("message 3", "t-3")

    assert (result.text, result.head_revision) == ("you said message 3", 3)
    assert asked == ["message 1", "message 2", "message 3"]
    assert (await scene.view()).head_revision == 3


async def test_a_reset_in_mid_turn_goes_on_with_the_same_turn(scene: Scene) -> None:
    """The turn's journal is where it was: it is committed once."""
    gate = Gate()

    async def gated(messages: Sequence[Message]) -> str:
        if messages[-1].text == "message 2" and not gate.passed:
            await gate.enter()
        return echo(messages)

    async with scene.playing(gated) as session:
        await session.send("message 1")
        turn = await session.submit("message 2", "t-2")
        await gate.reached()
        await reset(scene, 2)
        gate.open()
        result = await session.send("message 2", "t-2")

    assert turn.id == "t-2"
    assert (result.status, result.head_revision) == (TurnStatus.COMPLETED, 2)
    assert await scene.texts() == ["message 1", "message 2"]
