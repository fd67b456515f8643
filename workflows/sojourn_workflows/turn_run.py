"""One turn inside the session workflow: the machine's moves, made through activities."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

from sojourn import turn as machine
from sojourn.errors import StoreError, UnknownCall
from sojourn.operations import COMPACTION_ATTEMPTS, CompactTurn
from sojourn.outcome import Fault, TurnOutcome
from sojourn.requests import (
    CallTool,
    CommitTurnRequest,
    StepTurn,
    ToolEnded,
    TurnBegun,
    TurnRef,
)
from sojourn.turn import CallModel, CallTools, CommitTurn, Finished, ToolCallRef, TurnState
from sojourn_activities.session import SessionActivities
from sojourn_workflows import options
from sojourn_workflows.contract import SessionStatus
from sojourn_workflows.storing import stored

# A tool call that fails for these cannot be settled either: the turn ends.
FATAL = {kind.__name__ for kind in (*StoreError.__subclasses__(), UnknownCall)}


class TurnRun:
    """Drives one open turn to its commit.

    A cancel sets the state at once and stops the work that is under way. If that work was the
    commit, the first of the two wins, and the outcome tells which.
    """

    def __init__(self, session_id: str, turn_id: str, begun: TurnBegun) -> None:
        self.ref = TurnRef(
            session_id=session_id,
            agent=begun.agent,
            turn_id=turn_id,
            fencing_token=begun.fencing_token,
            head_revision=begun.head_revision,
        )
        self.state: TurnState = machine.begin(turn_id, begun.limits.max_steps)
        self.approvals: dict[str, str] = {}
        self._limits = begun.limits
        self._compact_due = begun.compact_due
        self._decisions: dict[str, bool] = {}
        self._work: asyncio.Task[None] | None = None
        self._outcome: TurnOutcome | None = None
        self._slots = asyncio.Semaphore(options.MAX_PARALLEL_CALLS)

    def status(self, queued: tuple[str, ...]) -> SessionStatus:
        """Tell what the turn is doing."""
        return SessionStatus(
            turn_id=self.state.turn_id,
            phase=self._phase(),
            step=self.state.step,
            calls=tuple(call.name for call in self.state.calls),
            approvals=dict(self.approvals),
            queued=queued,
        )

    def _phase(self) -> str:
        if self.approvals:
            return "approval"
        return "compact" if self._compact_due else self.state.phase.value

    def cancel(self) -> None:
        """Cancel the turn unless it is being committed; its outcome tells whether that won."""
        if not machine.is_cancellable(self.state):
            return
        self.state = machine.cancelled(self.state)
        self.approvals.clear()
        if self._work is not None:
            self._work.cancel()

    def decide(self, call_id: str, *, approved: bool) -> None:
        """Let a waiting call run, or refuse it."""
        self.approvals.pop(call_id, None)
        self._decisions[call_id] = approved

    async def run(self) -> TurnOutcome:
        """Make moves until the turn is committed.

        Raises:
            SojournError: the turn could not be committed.
        """
        await self._compacted()
        while True:
            if workflow.info().get_current_history_length() >= options.MAX_TURN_EVENTS:
                self.state = machine.limited(self.state)
            match machine.decide(self.state):
                case CallModel(step):
                    await self._guarded(self._step(step))
                case CallTools(step, calls):
                    await self._guarded(self._call_all(step, calls))
                case CommitTurn() as move:
                    self._outcome = await self._commit(move)
                case Finished():
                    break
        if self._outcome is None:
            raise AssertionError(self.state)
        return self._outcome

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """Do work that a cancel may stop; what fails becomes the turn's fault."""
        self._work = asyncio.create_task(work)
        try:
            await self._work
        except asyncio.CancelledError:
            if machine.is_cancellable(self.state):
                raise  # not the turn was cancelled, but the whole workflow
        except ActivityError as error:
            if machine.is_cancellable(self.state) and is_cancelled_exception(error):
                raise
            self.state = machine.failed(self.state, fault_of(error))
        finally:
            self._work = None

    async def _compacted(self) -> None:
        if self._compact_due and machine.is_cancellable(self.state):
            await self._guarded(self._compact())
        self._compact_due = False

    async def _compact(self) -> None:
        """Compact the session; whatever comes of it, the turn goes on."""
        request = CompactTurn(turn=self.ref, max_attempts=COMPACTION_ATTEMPTS)
        try:
            opened = await workflow.execute_activity_method(
                SessionActivities.compact, request, **options.compaction(self._limits)
            )
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            workflow.logger.warning("goes on uncompacted: %s", fault_of(error).message)
            return
        self.ref = self.ref.model_copy(update={"head_revision": opened.head_revision})

    async def _step(self, step: int) -> None:
        answer = await workflow.execute_activity_method(
            SessionActivities.step,
            StepTurn(turn=self.ref, step=step, commits=True),
            **options.model_step(self._limits),
        )
        self._outcome = answer.outcome
        self.state = machine.answered(self.state, answer)

    async def _call_all(self, step: int, calls: tuple[ToolCallRef, ...]) -> None:
        # All of them end before the next move, so that no call runs on beside the commit.
        ended = await asyncio.gather(
            *(self._call(step, call) for call in calls), return_exceptions=True
        )
        for error in ended:
            if isinstance(error, BaseException):
                raise error
        aborts = [each.abort for each in ended if isinstance(each, ToolEnded)]
        self.state = machine.tools_ended(self.state, aborts)

    async def _call(self, step: int, call: ToolCallRef) -> ToolEnded:
        denied = call.approval and not await self._approved(call)
        request = CallTool(
            turn=self.ref,
            step=step,
            call_id=call.call_id,
            max_attempts=call.max_attempts,
            denied=denied,
        )
        async with self._slots:
            try:
                return await workflow.execute_activity_method(
                    SessionActivities.call, request, **options.tool_call(call, self._limits)
                )
            except ActivityError as error:
                if is_cancelled_exception(error) or fault_of(error).type in FATAL:
                    raise
                return await self._settle(request)

    async def _settle(self, request: CallTool) -> ToolEnded:
        return await workflow.execute_activity_method(
            SessionActivities.call,
            request.model_copy(update={"settle": True}),
            **options.tool_settle(self._limits),
        )

    async def _approved(self, call: ToolCallRef) -> bool:
        # Models use call ids again: an answer to an earlier call must not let this one run.
        self._decisions.pop(call.call_id, None)
        self.approvals[call.call_id] = call.name
        await workflow.wait_condition(lambda: call.call_id in self._decisions)
        return self._decisions.pop(call.call_id)

    async def _commit(self, move: CommitTurn) -> TurnOutcome:
        request = CommitTurnRequest(turn=self.ref, status=move.status, fault=move.fault)
        outcome = await stored(SessionActivities.commit, request)
        self.state = machine.committed(self.state)
        return outcome


def fault_of(error: ActivityError) -> Fault:
    """Describe why an activity failed, by the innermost failure that has a type."""
    cause = error.cause
    if isinstance(cause, ApplicationError):
        return Fault(type=cause.type or "ApplicationError", message=cause.message)
    name = type(cause).__name__ if cause is not None else "ActivityError"
    return Fault(type=name, message=f"{error.activity_type}: {cause or error}")
