"""Driving one turn in this process, by the same machine as the workflow."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import cast

from sojourn import turn as machine
from sojourn.embedded.control import TurnControl
from sojourn.embedded.retrying import asked, stored
from sojourn.errors import ModelUnavailable, SojournError, StoreError, ToolRetry, UnknownCall
from sojourn.host import SessionHost
from sojourn.journal import tool_key
from sojourn.keeper import stopped
from sojourn.operations import COMPACTION_ATTEMPTS, CompactTurn, FrameOpened
from sojourn.outcome import Fault, TurnOutcome, TurnStatus
from sojourn.raised import place_of
from sojourn.requests import CallTool, CommitTurnRequest, StepTurn, ToolEnded, TurnLimits, TurnRef
from sojourn.turn import CallModel, CallTools, CommitTurn, StepAnswer, ToolCallRef, TurnState
from sojourn.turns import call_tool, commit_turn, compact_turn, step_turn

log = logging.getLogger(__name__)

Move = Callable[[TurnState], Awaitable[TurnState]]


@dataclass(slots=True)
class TurnDriver:
    """Makes the moves of one open turn.

    Attributes:
        host: what runs the turn's parts.
        turn: the turn, and the fence to write it.
        limits: what bounds it.
        control: how others reach it.
    """

    host: SessionHost
    turn: TurnRef
    limits: TurnLimits
    control: TurnControl

    async def run(self, *, compact_due: bool = False) -> TurnOutcome:
        """Run the turn to its commit; a cancel that comes before makes it commit what it has.

        Whatever a model or a tool raises ends in a commit too; only the store can prevent that.

        Args:
            compact_due: whether the session is to be compacted first.

        Raises:
            SojournError: the turn could not be committed; its journal stays.
        """
        state = machine.begin(self.turn.turn_id, self.limits.max_steps)
        if compact_due:
            state = await self._guarded(self._compact, state)
        while True:
            match machine.decide(state):
                case CallModel(step):
                    state = await self._guarded(partial(self._step, step), state)
                case CallTools(step, calls):
                    state = await self._guarded(partial(self._call_all, step, calls), state)
                case CommitTurn(status, fault):
                    return await self._commit(status, fault)
                case _:
                    raise AssertionError(state.phase)

    async def _guarded(self, move: Move, state: TurnState) -> TurnState:
        """Make a move that a cancel may stop; what fails becomes the turn's fault."""
        if self.control.is_cancelled:
            return machine.cancelled(state)  # before anything is begun
        working = asyncio.ensure_future(move(state))
        cancelled = asyncio.ensure_future(self.control.cancelled())
        try:
            await asyncio.wait({working, cancelled}, return_when=asyncio.FIRST_COMPLETED)
            if self.control.is_cancelled:
                return machine.cancelled(state)
            return _came_to(working, state)
        finally:
            await stopped(working, cancelled)

    async def _compact(self, state: TurnState) -> TurnState:
        """Compact the session; whatever comes of it, the turn goes on."""
        attempts = count(1)

        async def ask() -> FrameOpened:
            request = CompactTurn(
                turn=self.turn, attempt=next(attempts), max_attempts=COMPACTION_ATTEMPTS
            )
            return await stored(partial(compact_turn, self.host, request))

        try:
            opened = await asked(ask, COMPACTION_ATTEMPTS)
        except SojournError as error:
            log.warning("session %s goes on uncompacted: %s", self.turn.session_id, error)
            return state
        self.turn = self.turn.model_copy(update={"head_revision": opened.head_revision})
        return state

    async def _step(self, step: int, state: TurnState) -> TurnState:
        answer = partial(self._answer, step, attempts=count(1))
        return machine.answered(state, await asked(answer, self.limits.model_attempts))

    async def _answer(self, step: int, attempts: Iterator[int]) -> StepAnswer:
        request = StepTurn(turn=self.turn, step=step, attempt=next(attempts))
        try:
            async with asyncio.timeout(self.limits.model_timeout_seconds):
                return await step_turn(self.host, request)
        except TimeoutError:
            spec = self.host.app.agent(self.turn.agent).spec
            model = spec.id if spec else ""
            raise ModelUnavailable(model=model, reason="no answer in time") from None

    async def _call_all(
        self, step: int, calls: tuple[ToolCallRef, ...], state: TurnState
    ) -> TurnState:
        async with asyncio.TaskGroup() as group:
            ending = [group.create_task(self._call(step, call)) for call in calls]
        return machine.tools_ended(state, [ended.result().abort for ended in ending])

    async def _call(self, step: int, call: ToolCallRef) -> ToolEnded:
        request = CallTool(
            turn=self.turn,
            step=step,
            call_id=call.call_id,
            max_attempts=call.max_attempts,
            denied=call.approval and not await self._is_approved(step, call),
        )
        try:
            return await self._attempts(request, call)
        except (StoreError, UnknownCall):
            raise  # it cannot be settled either
        except (Exception, asyncio.CancelledError) as error:
            if _is_being_cancelled():
                raise
            kind, place = type(error).__name__, place_of(error)
            log.error("the call of %s: %s at %s", call.tool_id, kind, place)  # noqa: TRY400 - a traceback shows content
            settle = request.model_copy(update={"settle": True})
            return await stored(partial(call_tool, self.host, settle))

    async def _attempts(self, request: CallTool, call: ToolCallRef) -> ToolEnded:
        delay = call.retry_initial_seconds
        while True:
            try:
                return await stored(partial(call_tool, self.host, request))
            except ToolRetry as again:
                await asyncio.sleep(again.after_seconds or delay)
                delay = min(delay * 2, call.retry_max_seconds)
                request = request.model_copy(update={"attempt": request.attempt + 1})

    async def _is_approved(self, step: int, call: ToolCallRef) -> bool:
        """Ask a person, unless the call has begun: then its journal says what comes of it."""
        turn = self.turn
        journal = await self.host.store.effects(turn.session_id, turn.turn_id)
        if any(effect.effect_key == tool_key(step, call.call_id) for effect in journal):
            return True
        return await self.control.approval(call.call_id)

    async def _commit(self, status: TurnStatus, fault: Fault | None) -> TurnOutcome:
        if self.control.close():
            status, fault = TurnStatus.CANCELLED, None
        request = CommitTurnRequest(turn=self.turn, status=status, fault=fault)
        return await stored(partial(commit_turn, self.host, request))


def _came_to(working: asyncio.Future[TurnState], state: TurnState) -> TurnState:
    if working.cancelled():
        # Nobody here has cancelled it: what it called did so to itself.
        return machine.failed(state, Fault.of(asyncio.CancelledError()))
    error = working.exception()
    if error is None:
        return working.result()
    if not isinstance(error, Exception):
        raise error
    first = _first(error)
    if not isinstance(first, SojournError):
        log.error("the turn failed: %s at %s", type(first).__name__, place_of(first))
    return machine.failed(state, Fault.of(first))


def _first(error: Exception) -> Exception:
    """Return `error`, or the first of a group."""
    while isinstance(error, ExceptionGroup):
        error = cast("ExceptionGroup[Exception]", error).exceptions[0]
    return error


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
