"""The activities of a session: each runs one part of a turn on the worker's session host."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from temporalio import activity

from sojourn.agent import Agent
from sojourn.backoff import growing
from sojourn.errors import ModelUnavailable
from sojourn.host import SessionHost
from sojourn.operations import CompactTurn, Configured, ConfigureSession, FrameOpened, OpenFrame
from sojourn.outcome import TurnOutcome
from sojourn.requests import (
    BeginTurn,
    CallTool,
    CommitTurnRequest,
    Parked,
    ParkSession,
    StepTurn,
    ToolEnded,
    TurnBegun,
)
from sojourn.turn import StepAnswer
from sojourn.turns import (
    begin_turn,
    call_tool,
    commit_if_last,
    commit_turn,
    compact_turn,
    configure_session,
    open_frame,
    park_session,
    step_turn,
)
from sojourn_activities.failures import translated, translating
from sojourn_activities.heartbeat import beating

# Between attempts at a model that does not answer.
PAUSE = timedelta(seconds=1)
LONGEST_PAUSE = timedelta(minutes=1)


class SessionActivities:
    """The parts of a turn as Temporal activities.

    Args:
        host: gives the worker's session host, opening it at the first call.
    """

    def __init__(self, host: Callable[[], Awaitable[SessionHost]]) -> None:
        self._host = host

    @activity.defn(name="turn.begin")
    @translated
    async def begin(self, request: BeginTurn) -> TurnBegun:
        """See `sojourn.turns.begin_turn`."""
        return await begin_turn(await self._host(), request)

    @activity.defn(name="turn.step")
    @translated
    async def step(self, request: StepTurn) -> StepAnswer:
        """See `sojourn.turns.step_turn`: the agent says how often and how long its model is asked.

        What a lost worker costs comes on top of that.
        """
        host = await self._host()
        agent = host.app.agent(request.turn.agent)
        attempt = activity.info().attempt
        is_last = attempt >= agent.model_attempts
        request = request.model_copy(update={"attempt": attempt})
        async with beating():
            with translating(is_last=is_last, pause=growing(PAUSE, attempt, LONGEST_PAUSE)):
                answer = await _in_time(host, request, agent)
                return await commit_if_last(host, request, answer)

    @activity.defn(name="tool.call")
    @translated
    async def call(self, request: CallTool) -> ToolEnded:
        """See `sojourn.turns.call_tool`."""
        attempt = activity.info().attempt
        async with beating():
            request = request.model_copy(update={"attempt": attempt})
            return await call_tool(await self._host(), request)

    @activity.defn(name="turn.commit")
    @translated
    async def commit(self, request: CommitTurnRequest) -> TurnOutcome:
        """See `sojourn.turns.commit_turn`."""
        return await commit_turn(await self._host(), request)

    @activity.defn(name="session.compact")
    @translated
    async def compact(self, request: CompactTurn) -> FrameOpened:
        """See `sojourn.turns.compact_turn`."""
        attempt = activity.info().attempt
        async with beating():
            with translating(pause=growing(PAUSE, attempt, LONGEST_PAUSE)):
                request = request.model_copy(update={"attempt": attempt})
                return await compact_turn(await self._host(), request)

    @activity.defn(name="session.open_frame")
    @translated
    async def open_frame(self, request: OpenFrame) -> FrameOpened:
        """See `sojourn.turns.open_frame`."""
        attempt = activity.info().attempt
        async with beating():
            with translating(pause=growing(PAUSE, attempt, LONGEST_PAUSE)):
                request = request.model_copy(update={"attempt": attempt})
                return await open_frame(await self._host(), request)

    @activity.defn(name="session.configure")
    @translated
    async def configure(self, request: ConfigureSession) -> Configured:
        """See `sojourn.turns.configure_session`."""
        async with beating():
            return await configure_session(await self._host(), request)

    @activity.defn(name="session.park")
    @translated
    async def park(self, request: ParkSession) -> Parked:
        """See `sojourn.turns.park_session`."""
        return await park_session(await self._host(), request)


async def _in_time(host: SessionHost, request: StepTurn, agent: Agent) -> StepAnswer:
    try:
        async with asyncio.timeout(agent.model_timeout.total_seconds()):
            return await step_turn(host, request)
    except TimeoutError:
        model = agent.spec.id if agent.spec else ""
        raise ModelUnavailable(model=model, reason="no answer in time") from None
