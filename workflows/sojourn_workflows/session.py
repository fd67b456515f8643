"""The session workflow: one driver coroutine, a queue of inputs, and nothing of their content kept.

The workflow owns identity and decisions. What is said stands in the session store; a run may end
at any time, and the next one goes on from there.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from sojourn import ids
    from sojourn.errors import (
        Diverged,
        QueueFull,
        SessionContinuing,
        SessionHeld,
        SojournError,
        TurnConflict,
        UnknownCall,
        UnknownTurn,
    )
    from sojourn.inputs import checked_text
    from sojourn.outcome import TurnOutcome
    from sojourn.requests import BeginTurn, ParkSession, TurnBegun
    from sojourn_activities.failures import to_failure
    from sojourn_activities.session import SessionActivities
    from sojourn_workflows import contract, options
    from sojourn_workflows.contract import (
        CancelReply,
        Decision,
        Done,
        SessionConfig,
        SessionEnded,
        SessionStatus,
        Submitted,
        SubmitTurn,
        TurnName,
    )
    from sojourn_workflows.turn_run import TurnRun, typed

MAX_REMEMBERED = 20


@dataclass
class _Waiting:
    """A queued input, until its turn begins."""

    request: SubmitTurn
    digest: str
    is_cancelled: bool = False


@workflow.defn(name="Session", failure_exception_types=options.FAILURE_TYPES)
class SessionWorkflow:
    """One session's logical workflow: it serialises turns and owns the lease.

    Its owner is `temporal/<namespace>/<workflow id>`, its incarnation the first run id of the
    chain: the same over replay, worker loss, activity retry and continue-as-new; new after
    terminate and restart.
    """

    @workflow.init
    def __init__(self, config: SessionConfig) -> None:
        self._config = config
        self._queue: deque[_Waiting] = deque()
        self._beginning: _Waiting | None = None
        self._run: TurnRun | None = None
        self._ended: dict[str, TurnOutcome | SojournError] = {}
        self._digests: dict[str, str] = {}
        self._known_token = config.known_token
        self._head_revision = 0
        self._turns = 0
        self._waiters = 0
        self._park_asked = False
        self._continuing = False
        self._last_active = workflow.now()

    @workflow.run
    async def run(self, config: SessionConfig) -> SessionEnded:
        """Serve turns until the session is idle or must continue as new."""
        del config  # read in __init__, before the first handler
        idle = asyncio.create_task(self._watch_idle())
        try:
            while not await self._is_over():
                pass
        finally:
            idle.cancel()
        return SessionEnded(head_revision=self._head_revision, turns=self._turns)

    @workflow.update(name=contract.SUBMIT)
    async def submit(self, request: SubmitTurn) -> Submitted:
        """Queue a message, and wait for its outcome if asked to and the server's limits allow."""
        digest = self._enqueue(request)
        if not request.wait or self._waiters >= options.MAX_WAITING_UPDATES:
            return Submitted(input_digest=digest)
        return Submitted(outcome=await self._outcome_of(request.turn_id))

    @submit.validator
    def _check_submit(self, request: SubmitTurn) -> None:
        session_id = self._config.session_id
        try:
            checked_text(request.text)
            ids.checked("turn", request.turn_id)
            known = self._digests.get(request.turn_id)
            if known is not None and known != ids.digest(request.text.encode()):
                raise TurnConflict(session_id=session_id, turn_id=request.turn_id)
            if self._continuing and known is None:
                raise SessionContinuing(session_id=session_id)
            if len(self._queue) >= options.MAX_QUEUED_TURNS:
                raise QueueFull(session_id=session_id, limit=options.MAX_QUEUED_TURNS)
        except SojournError as error:
            raise to_failure(error) from None

    @workflow.update(name=contract.OUTCOME)
    async def outcome(self, request: TurnName) -> TurnOutcome:
        """Wait for a turn's end."""
        return await self._outcome_of(request.turn_id)

    @outcome.validator
    def _check_outcome(self, request: TurnName) -> None:
        self._require_turn(request.turn_id)

    @workflow.update(name=contract.CANCEL)
    async def cancel(self, request: TurnName) -> CancelReply:
        """Cancel exactly this turn: in the queue, in a model call, or in its tools."""
        for waiting in (*self._queue, *([self._beginning] if self._beginning else [])):
            if waiting.request.turn_id == request.turn_id:
                waiting.is_cancelled = True
                return CancelReply(won=True)
        if self._run is not None and self._run.ref.turn_id == request.turn_id:
            return CancelReply(won=self._run.cancel())
        ended = self._ended.get(request.turn_id)
        return CancelReply(won=isinstance(ended, TurnOutcome) and ended.status == "cancelled")

    @cancel.validator
    def _check_cancel(self, request: TurnName) -> None:
        self._require_turn(request.turn_id)

    @workflow.update(name=contract.DECIDE)
    async def decide(self, request: Decision) -> Done:
        """Answer a tool call that waits for approval."""
        if self._run is not None:
            self._run.decide(request.call_id, approved=request.approved)
        return Done()

    @decide.validator
    def _check_decide(self, request: Decision) -> None:
        if self._run is None or request.call_id not in self._run.approvals:
            raise to_failure(
                UnknownCall(session_id=self._config.session_id, call_id=request.call_id)
            )

    @workflow.update(name=contract.PARK)
    async def park(self, request: Done) -> Done:
        """Park when the turns that are queued have ended; the run ends then."""
        del request  # there is nothing to say
        self._park_asked = True
        return Done()

    @workflow.query(name=contract.STATUS)
    def status(self) -> SessionStatus:
        """Tell what the session is doing."""
        queued = tuple(waiting.request.turn_id for waiting in self._queue)
        if self._run is not None:
            state = self._run.state
            return SessionStatus(
                turn_id=state.turn_id,
                phase="approval" if self._run.approvals else state.phase.value,
                step=state.step,
                calls=tuple(call.name for call in state.calls),
                approvals=dict(self._run.approvals),
                queued=queued,
            )
        if self._beginning is not None:
            return SessionStatus(
                turn_id=self._beginning.request.turn_id, phase="begin", queued=queued
            )
        return SessionStatus(queued=queued)

    async def _is_over(self) -> bool:
        """Wait for something to do and do it; tell whether the run may end."""
        await workflow.wait_condition(lambda: bool(self._queue) or self._should_stop())
        if self._queue:
            await self._serve(self._queue.popleft())
            self._continuing = self._continuing or self._must_continue()
            self._last_active = workflow.now()
            return False
        if self._continuing and not self._park_asked:
            await self._continue_as_new()
        await self._park()
        await workflow.wait_condition(lambda: bool(self._queue) or workflow.all_handlers_finished())
        self._park_asked = False
        return not self._queue

    async def _serve(self, waiting: _Waiting) -> None:
        """Run one turn; whatever comes of it, its waiters are told and the session goes on."""
        turn_id = waiting.request.turn_id
        self._beginning = waiting
        try:
            ended: TurnOutcome | SojournError = await self._turn(waiting)
        except Diverged as error:
            await self._give_up(turn_id, error)
            raise to_failure(error) from None
        except SojournError as error:
            ended = error
        finally:
            self._beginning = self._run = None
        self._remember(turn_id, ended)

    async def _give_up(self, turn_id: str, error: SojournError) -> None:
        """Tell every waiter that this run ends without having served it."""
        self._continuing = True
        for unserved in (turn_id, *(waiting.request.turn_id for waiting in self._queue)):
            self._remember(unserved, error)
        self._queue.clear()
        await workflow.wait_condition(workflow.all_handlers_finished)

    async def _turn(self, waiting: _Waiting) -> TurnOutcome:
        begun = await self._begin(waiting.request)
        if begun.outcome is not None:
            return begun.outcome
        self._known_token = begun.fencing_token
        self._run = TurnRun(self._config.session_id, waiting.request.turn_id, begun)
        self._beginning = None
        if waiting.is_cancelled:
            self._run.cancel()
        outcome = await self._run.run()
        self._turns += 1
        self._head_revision = outcome.head_revision
        return outcome

    async def _begin(self, request: SubmitTurn) -> TurnBegun:
        """Open the turn; a session that somebody else holds is waited for, within bounds."""
        asked_at = workflow.now()
        while True:
            try:
                begun: TurnBegun = await workflow.execute_local_activity_method(
                    SessionActivities.begin, self._begin_request(request), **options.STORE
                )
            except ActivityError as error:
                raise typed(error) from error
            if begun.holder is None:
                return begun
            waited = (workflow.now() - asked_at).total_seconds()
            if waited >= self._config.held_seconds:
                raise SessionHeld(
                    session_id=self._config.session_id,
                    holder=begun.holder.name,
                    waited_seconds=waited,
                )
            await workflow.sleep(begun.holder.retry_after_seconds)

    def _begin_request(self, request: SubmitTurn) -> BeginTurn:
        info = workflow.info()
        return BeginTurn(
            session_id=self._config.session_id,
            agent=self._config.agent,
            turn_id=request.turn_id,
            text=request.text,
            owner_id=f"temporal/{info.namespace}/{info.workflow_id}",
            incarnation_id=info.first_execution_run_id,
            known_token=self._known_token,
        )

    async def _park(self) -> None:
        request = ParkSession(session_id=self._config.session_id, fencing_token=self._known_token)
        try:
            await workflow.execute_local_activity_method(
                SessionActivities.park, request, **options.STORE
            )
        except ActivityError as error:
            # Nothing is lost: turns are committed, and the lease runs out by itself.
            workflow.logger.warning("session not parked: %s", typed(error))

    async def _continue_as_new(self) -> None:
        await workflow.wait_condition(workflow.all_handlers_finished)
        workflow.continue_as_new(self._config.model_copy(update={"known_token": self._known_token}))

    def _should_stop(self) -> bool:
        return self._park_asked or self._continuing

    def _must_continue(self) -> bool:
        info = workflow.info()
        limit = self._config.continue_after_events or options.CONTINUE_AFTER_EVENTS
        return (
            info.is_continue_as_new_suggested()
            or info.get_current_history_length() >= limit
            or info.is_target_worker_deployment_version_changed()
        )

    async def _watch_idle(self) -> None:
        """Ask for a park when nothing has happened for long: one timer, not one a turn."""
        idle = timedelta(seconds=self._config.idle_seconds)
        while idle:
            due = self._last_active + idle - workflow.now()
            if due > timedelta(0):
                await workflow.sleep(due)
            elif self._queue or self._run or self._beginning:
                await workflow.sleep(idle)
            else:
                self._park_asked = True
                await workflow.wait_condition(lambda: not self._park_asked)

    def _enqueue(self, request: SubmitTurn) -> str:
        """Queue a turn once; the same turn id again joins the one that is known."""
        digest = ids.digest(request.text.encode())
        if request.turn_id not in self._digests:
            self._digests[request.turn_id] = digest
            self._queue.append(_Waiting(request, digest))
            self._last_active = workflow.now()
        return digest

    async def _outcome_of(self, turn_id: str) -> TurnOutcome:
        self._waiters += 1
        try:
            await workflow.wait_condition(lambda: turn_id in self._ended)
        finally:
            self._waiters -= 1
        ended = self._ended[turn_id]
        if isinstance(ended, SojournError):
            raise to_failure(ended)
        return ended

    def _remember(self, turn_id: str, ended: TurnOutcome | SojournError) -> None:
        self._ended[turn_id] = ended
        if isinstance(ended, SojournError):
            self._digests.pop(turn_id, None)
        while len(self._ended) > MAX_REMEMBERED:
            oldest = next(iter(self._ended))
            del self._ended[oldest]
            self._digests.pop(oldest, None)

    def _require_turn(self, turn_id: str) -> None:
        if turn_id not in self._digests and turn_id not in self._ended:
            raise to_failure(UnknownTurn(session_id=self._config.session_id, turn_id=turn_id))
