"""Two processes' worth of session hosts in one, over one file, and probes that hold them up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from sojourn import Agent, App
from sojourn.host import SessionHost
from sojourn.messages import Message
from sojourn.outcome import TurnOutcome, TurnStatus
from sojourn.ports import Probe, SessionStore, SilentProbe
from sojourn.requests import BeginTurn, CallTool, CommitTurnRequest, StepTurn, TurnRef
from sojourn.testing import ScriptedModel
from sojourn.tools import AnyTool
from sojourn.turn import StepAnswer
from sojourn.turns import begin_turn, call_tool, commit_if_last, commit_turn, step_turn
from tests.support.transcripts import transcript_of

SESSION = "chat-1"
OWNER = "temporal/default/session/chat-1"
Script = Callable[[Sequence[Message]], Any]


@dataclass
class Gate:
    """A probe that holds up whoever passes a point, until it is opened."""

    point: str
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)

    async def reached(self, point: str, session_id: str) -> None:  # noqa: ARG002 - a Probe
        """Wait here, if it is the point."""
        if point == self.point:
            self.arrived.set()
            await self.opened.wait()

    async def passed_after(self, held: Awaitable[Any], first: Awaitable[Any]) -> list[Any]:
        """Let `held` come to the gate, do `first` meanwhile, then let `held` go on."""
        holding = asyncio.ensure_future(held)
        await self.arrived.wait()
        before = await first
        self.opened.set()
        return [before, await holding]


class Meeting:
    """A probe that lets two go on together from a point."""

    def __init__(self, point: str) -> None:
        self._point = point
        self._both = asyncio.Barrier(2)

    async def reached(self, point: str, session_id: str) -> None:  # noqa: ARG002 - a Probe
        """Wait for the other one, if it is the point."""
        if point == self._point:
            await self._both.wait()


@dataclass
class Worker:
    """What a worker process does of a turn, as its activities would."""

    host: SessionHost

    @classmethod
    @asynccontextmanager
    async def running(
        cls,
        store: str | SessionStore,
        script: Script,
        *tools: AnyTool,
        probe: Probe | None = None,
    ) -> AsyncIterator[Worker]:
        """Open the store as a process of its own would."""
        agent = Agent("clerk", model=ScriptedModel(script))
        app = App(agents=[agent], tools=tools, store=store, probe=probe or SilentProbe())
        async with app.host() as host:
            yield cls(host)

    async def begin(
        self, turn_id: str = "turn-1", text: str = "hello", incarnation: str = "run-1"
    ) -> TurnRef:
        """Begin a turn, or begin it again."""
        begun = await begin_turn(
            self.host,
            BeginTurn(
                session_id=SESSION,
                turn_id=turn_id,
                text=text,
                owner_id=OWNER,
                incarnation_id=incarnation,
                known_token=1_000,
            ),
        )
        assert begun.fencing_token
        return TurnRef(
            session_id=SESSION,
            agent=begun.agent,
            turn_id=turn_id,
            fencing_token=begun.fencing_token,
            head_revision=begun.head_revision,
        )

    async def step(self, turn: TurnRef, step: int = 1) -> StepAnswer:
        """Make a model step."""
        return await step_turn(self.host, StepTurn(turn=turn, step=step))

    async def last_step(self, turn: TurnRef, attempt: int = 1) -> StepAnswer:
        """Make a model step that commits the turn if it is the last."""
        request = StepTurn(turn=turn, commits=True, attempt=attempt)
        return await commit_if_last(self.host, request, await step_turn(self.host, request))

    async def call(self, turn: TurnRef, call_id: str, step: int = 1) -> str:
        """Run a tool call, and return how it ended."""
        request = CallTool(turn=turn, step=step, call_id=call_id)
        return (await call_tool(self.host, request)).status

    async def commit(self, turn: TurnRef) -> TurnOutcome:
        """Commit what the turn has."""
        request = CommitTurnRequest(turn=turn, status=TurnStatus.COMPLETED)
        return await commit_turn(self.host, request)

    async def transcript(self) -> list[str]:
        """Return what was said in the session."""
        return await transcript_of(self.host.store, SESSION)
