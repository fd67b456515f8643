"""What the client asks of session workflows, with Temporal's errors made typed ones."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from functools import partial
from typing import NoReturn, TypeVar

from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowFailureError,
    WorkflowUpdateHandle,
    WorkflowUpdateStage,
)
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.service import RPCError, RPCStatusCode

from sojourn import ids
from sojourn.compact import Compact
from sojourn.errors import (
    RunEnded,
    SojournError,
    TooManyWaiters,
    TurnConflict,
    UnknownCall,
    UnknownTurn,
)
from sojourn.operations import ConfigureSession, OpenFrame
from sojourn.outcome import TurnOutcome
from sojourn_worker.attending import Attendant
from sojourn_worker.visibility import Visibility
from sojourn_workflows import options
from sojourn_workflows.contract import (
    CANCEL,
    DECIDE,
    OUTCOME,
    PARK,
    SUBMIT,
    CancelReply,
    Decision,
    Done,
    SessionConfig,
    SessionStatus,
    Submitted,
    SubmitTurn,
    TurnName,
)
from sojourn_workflows.session import SessionWorkflow

T = TypeVar("T")
Errand = OpenFrame | ConfigureSession

BUSY = frozenset({RPCStatusCode.ABORTED, RPCStatusCode.RESOURCE_EXHAUSTED})
ENDING = BUSY | {RPCStatusCode.NOT_FOUND}
# Waiting for an outcome when the server lets nobody else wait: ask again, for as long as it takes.
BUSY_DELAYS = (0.1, 0.2, 0.4, 0.8)


class Updates:
    """Talks to session workflows on one task queue."""

    def __init__(self, client: Client, task_queue: str) -> None:
        self._client = client
        self._task_queue = task_queue
        self._visibility = Visibility(client)
        self._attendant = Attendant(client, task_queue)

    async def submit(self, config: SessionConfig, request: SubmitTurn) -> TurnOutcome | None:
        """Start the session's workflow if need be and queue a turn, never twice.

        The server remembers what it told an earlier call with the same update id, even when the
        run has ended. Of that only an outcome counts: a refusal may be out of date, and a queued
        turn lost with its run. Then the session itself is asked.

        Raises:
            SojournError: the session's answer, typed.
            RunEnded: the run was terminated, or failed, before it could answer.
            NoWorker: nobody polls the task queue.
        """
        try:
            submitted = await self._submit(config, request, request.turn_id)
            if submitted.outcome is not None or submitted.nonce == request.nonce:
                return submitted.outcome
        except SojournError as refusal:
            if refusal.facts.get("nonce", request.nonce) == request.nonce:
                raise
        return (await self._submit(config, request, f"{request.turn_id}/{request.nonce}")).outcome

    async def errand(self, config: SessionConfig, update: str, wish: Errand, reply: type[T]) -> T:
        """Start the session's workflow if need be, and wait until it has done an errand, once.

        Raises:
            SojournError: the session's answer, typed.
            NoWorker: nobody polls the task queue.
        """
        for update_id in (wish.operation_id, f"{wish.operation_id}/again"):
            try:
                return await self._attendant.retried(
                    options.WORKFLOW_ID_PREFIX + config.session_id,
                    partial(self._start, config, update, wish, update_id, reply),
                    ENDING,
                    "",
                )
            except RunEnded:
                continue  # the operation is the same, whichever run does it
            except RPCError as error:
                raise self._attendant.unavailable(error) from error
        raise RunEnded(session_id=config.session_id, turn_id=wish.operation_id)

    async def call(
        self, workflow_id: str, update: str, argument: Compact, reply: type[T]
    ) -> T | None:
        """Send an update to a session that is open; None if it is parked.

        Raises:
            SojournError: the session's answer, typed.
            RunEnded: the update was about a turn, and its run ended first.
        """
        asked = await self._asked(workflow_id, update, argument, reply)
        return await asked.result() if asked else None

    async def outcome(self, workflow_id: str, turn_id: str) -> TurnOutcome:
        """Wait for a turn's end.

        Raises:
            UnknownTurn: no open run knows the turn.
            SojournError: the turn was refused.
            RunEnded: its run ended first.
        """
        name = TurnName(turn_id=turn_id)
        for delay in itertools.chain(BUSY_DELAYS, itertools.repeat(BUSY_DELAYS[-1])):
            try:
                outcome = await self.call(workflow_id, OUTCOME, name, TurnOutcome)
            except TooManyWaiters:
                await asyncio.sleep(delay)
            else:
                return outcome or _unknown(workflow_id, turn_id)
        raise AssertionError

    async def cancel(self, workflow_id: str, turn_id: str) -> bool:
        """Cancel a turn, and tell whether that came before its commit.

        Raises:
            UnknownTurn: no open run knows the turn.
            SojournError: the turn could not be run.
            RunEnded: its run ended first.
        """
        reply = await self.call(workflow_id, CANCEL, TurnName(turn_id=turn_id), CancelReply)
        return (reply or _unknown(workflow_id, turn_id)).won

    async def decide(self, workflow_id: str, session_id: str, decision: Decision) -> None:
        """Answer a call that waits for approval.

        Raises:
            UnknownCall: no such call waits.
        """
        if await self.call(workflow_id, DECIDE, decision, Done) is None:
            raise UnknownCall(session_id=session_id, call_id=decision.call_id)

    async def park(self, workflow_id: str) -> None:
        """Ask the session to park, and wait until its run has ended."""
        asked = await self._asked(workflow_id, PARK, Done(), Done)
        if asked is None:
            return
        # Another message may start the next run meanwhile: that one is not waited for.
        run = self._client.get_workflow_handle(workflow_id, run_id=asked.workflow_run_id)
        try:
            await run.result(follow_runs=False)
        except WorkflowFailureError:
            return  # it ended, which is what was asked
        except RPCError as error:
            raise self._attendant.unavailable(error) from error

    async def status(self, workflow_id: str) -> SessionStatus | None:
        """Ask a session's workflow what it is doing; None if there is no run to ask."""
        handle = self._client.get_workflow_handle(workflow_id)
        try:
            return await handle.query(SessionWorkflow.status)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise self._attendant.unavailable(error) from error

    async def _asked(
        self, workflow_id: str, update: str, argument: Compact, reply: type[T]
    ) -> WorkflowUpdateHandle[T] | None:
        """Send an update until it is answered, always as the same; None if no run is open."""
        handle = self._client.get_workflow_handle(workflow_id)
        update_id = ids.mint("ask")
        turn_id = argument.turn_id if isinstance(argument, TurnName) else ""

        async def ask() -> WorkflowUpdateHandle[T]:
            asked: WorkflowUpdateHandle[T] = await handle.start_update(
                update,
                argument,
                id=update_id,
                wait_for_stage=WorkflowUpdateStage.COMPLETED,
                result_type=reply,
            )
            await asked.result()
            return asked

        try:
            return await self._attendant.retried(workflow_id, ask, BUSY, turn_id)
        except RunEnded:
            if turn_id:
                raise
            return None
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise self._attendant.unavailable(error) from error

    async def _submit(
        self, config: SessionConfig, request: SubmitTurn, update_id: str
    ) -> Submitted:
        try:
            submitted = await self._attendant.retried(
                options.WORKFLOW_ID_PREFIX + config.session_id,
                lambda: self._start(config, SUBMIT, request, update_id, Submitted),
                ENDING,
                request.turn_id,
            )
        except RPCError as error:
            raise self._attendant.unavailable(error) from error
        outcome = submitted.outcome
        said = outcome.input_digest if outcome else submitted.input_digest
        if said and said != ids.digest(request.text.encode()):
            raise TurnConflict(session_id=config.session_id, turn_id=request.turn_id)
        return submitted

    async def _start(
        self, config: SessionConfig, update: str, request: Compact, update_id: str, reply: type[T]
    ) -> T:
        start = WithStartWorkflowOperation(
            SessionWorkflow.run,
            config,
            id=options.WORKFLOW_ID_PREFIX + config.session_id,
            task_queue=self._task_queue,
            task_timeout=options.TASK_TIMEOUT,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            search_attributes=await self._visibility.of(config.session_id, config.agent),
        )
        try:
            answer: T = await self._client.execute_update_with_start_workflow(
                update,
                request,
                start_workflow_operation=start,
                id=update_id,
                result_type=reply,
            )
        except BaseException:
            with contextlib.suppress(Exception, asyncio.CancelledError):
                # The operation keeps the error too, and asyncio complains if nobody looks.
                await asyncio.wait_for(start.workflow_handle(), 0.1)
            raise
        return answer


def _unknown(workflow_id: str, turn_id: str) -> NoReturn:
    session_id = workflow_id.removeprefix(options.WORKFLOW_ID_PREFIX)
    raise UnknownTurn(session_id=session_id, turn_id=turn_id)
