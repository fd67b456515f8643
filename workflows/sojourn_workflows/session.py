"""The session workflow: one driver coroutine, a queue of inputs, and nothing of their content kept.

The workflow owns identity and decisions. What is said stands in the session store; a run may end
at any time, and the next one goes on from there.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from sojourn import ids
    from sojourn.errors import (
        Diverged,
        RunEnded,
        SojournError,
        TooManyWaiters,
        TurnConflict,
        UnknownCall,
        UnknownTurn,
    )
    from sojourn.inputs import checked_text
    from sojourn.outcome import TurnOutcome
    from sojourn.requests import ParkSession
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
    from sojourn_workflows.errand_desk import ErrandDesk
    from sojourn_workflows.errands import Errand
    from sojourn_workflows.growth import continue_as_new, must_continue
    from sojourn_workflows.opening import committed, open_turn
    from sojourn_workflows.storing import stored
    from sojourn_workflows.turn_book import BookedTurn
    from sojourn_workflows.turn_run import TurnRun


@workflow.defn(name="Session", sandboxed=False, failure_exception_types=options.FAILURE_TYPES)
class SessionWorkflow(ErrandDesk):
    """One session's logical workflow: it serialises turns and owns the lease.

    Its owner is `temporal/<namespace>/<workflow id>`, its incarnation the first run id of the
    chain: the same over replay, worker loss, activity retry and continue-as-new; new after
    terminate and restart.
    """

    @workflow.init
    def __init__(self, config: SessionConfig) -> None:
        super().__init__(config)
        self._serving: BookedTurn | Errand[Any] | None = None
        self._run: TurnRun | None = None
        self._head_revision = 0
        self._turns = 0
        self._waiters = 0
        self._park_asked = False

    @workflow.run
    async def run(self, config: SessionConfig) -> SessionEnded:
        """Serve turns until the session is idle or must continue as new."""
        del config  # read in __init__, before the first handler
        idle = asyncio.create_task(self._watch_idle())
        try:
            while not await self._is_over():
                pass
        except (Exception, asyncio.CancelledError):
            await self._give_up()
            raise
        finally:
            idle.cancel()
        return SessionEnded(head_revision=self._head_revision, turns=self._turns)

    @workflow.update(name=contract.SUBMIT)
    async def submit(self, request: SubmitTurn) -> Submitted:
        """Queue a message, and wait for its outcome if asked to and the server's limits allow."""
        turn = self._book.book(request.turn_id, request.text)
        self._last_active = workflow.now()
        if request.wait and not self._has_many_waiters():
            outcome = await self._end_of(turn, request.nonce)
            return Submitted(outcome=outcome, nonce=request.nonce)
        return Submitted(input_digest=turn.digest, nonce=request.nonce)

    @submit.validator
    def _check_submit(self, request: SubmitTurn) -> None:
        try:
            checked_text(request.text)
            ids.checked("turn", request.turn_id)
            self._check_queue(request)
        except SojournError as error:
            raise to_failure(error) from None

    @workflow.update(name=contract.OUTCOME)
    async def outcome(self, request: TurnName) -> TurnOutcome:
        """Wait for a turn's end."""
        return await self._end_of(self._known(request.turn_id))

    @outcome.validator
    def _check_outcome(self, request: TurnName) -> None:
        if self._known(request.turn_id).ended is None and self._has_many_waiters():
            limit = options.MAX_WAITING_UPDATES
            raise to_failure(TooManyWaiters(session_id=self._config.session_id, limit=limit))

    @workflow.update(name=contract.CANCEL)
    async def cancel(self, request: TurnName) -> CancelReply:
        """Cancel exactly this turn, and tell whether that came before its commit.

        What is told stands: it is how the turn has ended. Only a turn that is queued behind
        another one is not waited for. The other one's lease keeps everybody from committing it,
        so that it is cancelled if it was not committed long ago.
        """
        turn = self._known(request.turn_id)
        turn.is_cancelled = True
        if self._run is not None and self._run.ref.turn_id == turn.turn_id:
            self._run.cancel()
        await workflow.wait_condition(lambda: turn.ended is not None or self._is_behind(turn))
        ended = turn.ended or await committed(self._config.session_id, turn.turn_id)
        if isinstance(ended, SojournError):
            raise to_failure(ended)
        return CancelReply(won=ended is None or ended.status == "cancelled")

    @cancel.validator
    def _check_cancel(self, request: TurnName) -> None:
        self._known(request.turn_id)

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
        if self._run is not None:
            return self._run.status(self._book.queued)
        if isinstance(self._serving, BookedTurn):
            turn_id = self._serving.turn_id
            return SessionStatus(turn_id=turn_id, phase="begin", queued=self._book.queued)
        return SessionStatus(queued=self._book.queued)

    async def _is_over(self) -> bool:
        """Wait for something to do and do it; tell whether the run may end."""
        await workflow.wait_condition(
            lambda: bool(self._book) or self._park_asked or must_continue(self._config)
        )
        if self._book:
            await self._serve(self._book.take())
            self._last_active = workflow.now()
            return False
        if not self._park_asked:
            await self._continue_as_new()
        await self._park()
        await workflow.wait_condition(lambda: bool(self._book) or workflow.all_handlers_finished())
        self._park_asked = False
        return not self._book

    async def _serve(self, turn: BookedTurn | Errand[Any]) -> None:
        """Run one turn or errand; whatever comes of it is told, and the session goes on."""
        self._serving = turn
        try:
            if isinstance(turn, Errand):
                await turn.run()
            else:
                await self._serve_turn(turn)
        finally:
            self._serving = self._run = None

    async def _serve_turn(self, turn: BookedTurn) -> None:
        try:
            self._book.settle(turn, await self._turn(turn))
        except Diverged as error:
            await self._give_up(error)
            raise to_failure(error) from None
        except SojournError as error:
            self._book.settle(turn, error)

    async def _give_up(self, why: SojournError | None = None) -> None:
        """Tell every waiter that this run ends without having served its turn."""
        self._is_closing = True
        session_id = self._config.session_id
        self._book.refuse_open(lambda turn: why or RunEnded(session_id=session_id, turn_id=turn))
        await workflow.wait_condition(workflow.all_handlers_finished)

    async def _turn(self, turn: BookedTurn) -> TurnOutcome:
        begun = await open_turn(self._config, turn, self._known_token)
        if begun.outcome is not None:
            return begun.outcome
        self._known_token = begun.fencing_token
        self._run = TurnRun(self._config.session_id, turn.turn_id, begun)
        if turn.is_cancelled:
            self._run.cancel()
        outcome = await self._run.run()
        self._turns += 1
        self._head_revision = outcome.head_revision
        return outcome

    async def _park(self) -> None:
        request = ParkSession(session_id=self._config.session_id, fencing_token=self._known_token)
        try:
            await stored(SessionActivities.park, request)
        except SojournError as error:
            # Nothing is lost: turns are committed, and the lease runs out by itself.
            workflow.logger.warning("session not parked: %s", error)

    async def _continue_as_new(self) -> None:
        self._is_closing = True
        await workflow.wait_condition(workflow.all_handlers_finished)
        continue_as_new(self._config, self._known_token)

    async def _watch_idle(self) -> None:
        """Ask for a park when nothing has happened for long: one timer, not one a turn."""
        idle = timedelta(seconds=self._config.idle_seconds)
        while idle:
            await workflow.wait_condition(lambda: not self._book and self._serving is None)
            due = self._last_active + idle - workflow.now()
            if due > timedelta(0):
                await workflow.sleep(due)
            else:
                self._park_asked = True
                await workflow.wait_condition(lambda: not self._park_asked)

    async def _end_of(self, turn: BookedTurn, nonce: str = "") -> TurnOutcome:
        self._waiters += 1
        try:
            await workflow.wait_condition(lambda: turn.ended is not None)
        finally:
            self._waiters -= 1
        if isinstance(turn.ended, TurnOutcome):
            return turn.ended
        raise to_failure(turn.ended or SojournError(), nonce=nonce)

    def _is_behind(self, turn: BookedTurn) -> bool:
        """Tell whether another turn is open, so that this one waits for its end."""
        return self._run is not None and self._run.ref.turn_id != turn.turn_id

    def _has_many_waiters(self) -> bool:
        return self._waiters >= options.MAX_WAITING_UPDATES

    def _check_queue(self, request: SubmitTurn) -> None:
        """Let a message pass that is known already, or that can be queued now."""
        session_id = self._config.session_id
        known = self._book.find(request.turn_id)
        if known is not None and not isinstance(known.ended, SojournError):
            if known.digest != ids.digest(request.text.encode()):
                raise TurnConflict(session_id=session_id, turn_id=request.turn_id)
        else:
            self._check_room()

    def _known(self, turn_id: str) -> BookedTurn:
        turn = self._book.find(turn_id)
        if turn is None:
            raise to_failure(UnknownTurn(session_id=self._config.session_id, turn_id=turn_id))
        return turn
