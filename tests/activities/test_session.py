"""The activities of a turn, each run by itself on a real host."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from sojourn import Agent, App, tool
from sojourn.errors import ModelUnavailable
from sojourn.host import SessionHost
from sojourn.messages import CallStatus, Message
from sojourn.outcome import TurnStatus
from sojourn.requests import (
    BeginTurn,
    CallTool,
    CommitTurnRequest,
    ParkSession,
    StepTurn,
    TurnRef,
)
from sojourn.testing import ScriptedModel
from sojourn_activities.session import SessionActivities

ATTEMPTS = 3
seen: list[int] = []


@tool(idempotent=True, retry=2)
def flaky() -> str:
    """Fail."""
    seen.append(1)
    raise OSError("away")


async def script(messages: Sequence[Message]) -> Any:
    """Do what the message says."""
    match messages[-1].text:
        case "away":
            raise ModelUnavailable(model="m", reason="away")
        case "hang":
            await asyncio.Event().wait()
        case "call":
            return [("flaky", {})]
    return "fine"


@pytest.fixture
async def host() -> AsyncIterator[SessionHost]:
    """A host of one agent, in memory."""
    agent = Agent(
        "clerk",
        model=ScriptedModel(script),
        model_attempts=ATTEMPTS,
        model_timeout=timedelta(milliseconds=50),
    )
    async with App(agents=[agent], tools=[flaky], store="memory://").host() as host:
        yield host


@pytest.fixture
def activities(host: SessionHost) -> SessionActivities:
    """The activities on that host."""

    async def opened() -> SessionHost:
        return host

    return SessionActivities(opened)


async def run(activity: Any, request: Any, attempt: int = 1) -> Any:
    """Run one attempt of an activity."""
    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(
        ActivityEnvironment.default_info(),
        attempt=attempt,
        heartbeat_timeout=timedelta(seconds=1),
    )
    return await environment.run(activity, request)


async def begun(activities: SessionActivities, text: str) -> TurnRef:
    """Open a turn."""
    request = BeginTurn(
        session_id="chat-1", turn_id="t-1", text=text, owner_id="owner", incarnation_id="life"
    )
    answer = await run(activities.begin, request)
    return TurnRef(
        session_id="chat-1",
        agent=answer.agent,
        turn_id="t-1",
        fencing_token=answer.fencing_token,
        head_revision=answer.head_revision,
    )


async def test_a_turn_goes_through_its_activities(activities: SessionActivities) -> None:
    """Each gives what the next one needs, and each may be repeated."""
    turn = await begun(activities, "hello")
    for attempt in (1, 2):
        answer = await run(activities.step, StepTurn(turn=turn), attempt)
        assert answer.finish == "stop"
    for attempt in (1, 2):
        outcome = await run(activities.commit, CommitTurnRequest(turn=turn), attempt)
        assert (outcome.status, outcome.head_revision) == (TurnStatus.COMPLETED, 1)
    for attempt in (1, 2):
        request = ParkSession(session_id="chat-1", fencing_token=turn.fencing_token)
        assert (await run(activities.park, request, attempt)).head_revision == 1


@pytest.mark.parametrize("text", ["away", "hang"])
@pytest.mark.parametrize(("attempt", "is_last"), [(1, False), (2, False), (3, True), (4, True)])
async def test_the_agent_says_how_often_its_model_is_asked(
    activities: SessionActivities, text: str, attempt: int, *, is_last: bool
) -> None:
    """Temporal's own policy has more attempts, for workers that are lost."""
    turn = await begun(activities, text)
    with pytest.raises(ApplicationError) as raised:
        await run(activities.step, StepTurn(turn=turn), attempt)

    assert (raised.value.type, raised.value.non_retryable) == ("ModelUnavailable", is_last)
    assert raised.value.next_retry_delay is not None


async def test_a_tool_is_given_up_at_its_own_last_attempt(activities: SessionActivities) -> None:
    """The attempt is Temporal's count; the failure before goes up to be tried again."""
    turn = await begun(activities, "call")
    (call,) = (await run(activities.step, StepTurn(turn=turn))).calls
    request = CallTool(turn=turn, step=1, call_id=call.call_id, max_attempts=call.max_attempts)
    seen.clear()
    with pytest.raises(ApplicationError) as raised:
        await run(activities.call, request, attempt=1)
    ended = await run(activities.call, request, attempt=2)
    again = await run(activities.call, request, attempt=3)

    assert (raised.value.type, raised.value.non_retryable) == ("ToolRetry", False)
    assert ended.status is again.status is CallStatus.FAILED
    assert len(seen) == 2


async def test_an_agent_that_the_worker_does_not_have_is_refused(
    activities: SessionActivities,
) -> None:
    """Another worker may have it, but this one cannot know: the turn is not run."""
    turn = (await begun(activities, "hello")).model_copy(update={"agent": "robot"})
    with pytest.raises(ApplicationError) as raised:
        await run(activities.step, StepTurn(turn=turn))

    assert (raised.value.type, raised.value.non_retryable) == ("UnknownAgent", True)
