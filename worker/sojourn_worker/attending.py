"""Waiting for what a session's workflow answers, for as long as somebody may answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, TypeVar

from temporalio.client import (
    Client,
    WorkflowExecutionStatus,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from sojourn.errors import NoWorker, RunEnded, ServerUnavailable, SessionContinuing, SojournError
from sojourn_activities.failures import from_failure
from sojourn_worker.pollers import poller_identities
from sojourn_workflows import options

T = TypeVar("T")

# Meeting a run that ends or continues, or has its hands full: try again, for about ten seconds.
RETRY_DELAYS = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 4.0)
# The server's word for an update that a worker's task came back without, as under great load.
UNPROCESSED = "UnprocessedUpdate"
# The server's word for an update that was accepted by a run that has ended without answering it.
ABANDONED = "AcceptedUpdateCompletedWorkflow"
# How long to wait before asking whether there is any worker at all.
PATIENCE = timedelta(seconds=5)


class Attendant:
    """Waits for the answers of session workflows, with Temporal's errors made typed ones."""

    def __init__(self, client: Client, task_queue: str) -> None:
        self._client = client
        self._task_queue = task_queue

    async def retried(
        self,
        workflow_id: str,
        ask: Callable[[], Coroutine[Any, Any, T]],
        passing: frozenset[RPCStatusCode],
        turn_id: str,
    ) -> T:
        """Ask until there is an answer, past errors that pass.

        Raises:
            SojournError: the session's answer, typed.
            RunEnded: the run ended without an answer, which was about `turn_id`.
            NoWorker: nobody may answer.
        """
        for delay in RETRY_DELAYS:
            try:
                return await self._attended(workflow_id, ask(), turn_id)
            except (SessionContinuing, WorkflowUpdateRPCTimeoutOrCancelledError):
                await asyncio.sleep(delay)
            except RPCError as error:
                if error.status not in passing:
                    raise
                await asyncio.sleep(delay)
        return await self._attended(workflow_id, ask(), turn_id)

    async def _attended(self, workflow_id: str, work: Coroutine[Any, Any, T], turn_id: str) -> T:
        """Wait for an update as long as there is a worker that may answer it."""
        task = asyncio.create_task(work)
        try:
            while not (await asyncio.wait({task}, timeout=PATIENCE.total_seconds()))[0]:
                await self._require_worker(workflow_id)
            return task.result()
        except WorkflowUpdateFailedError as error:
            raise _typed(error, workflow_id, turn_id) from error
        finally:
            task.cancel()
            await asyncio.wait({task})
            if not task.cancelled():
                task.exception()  # else asyncio complains that nobody looked

    async def _require_worker(self, workflow_id: str) -> None:
        """Raise unless somebody polls the queue of the session's open run, which may be another.

        Raises:
            NoWorker: nobody does.
        """
        try:
            task_queue = await self._queue_of(workflow_id)
            if not await poller_identities(self._client, task_queue):
                raise NoWorker(task_queue=task_queue)
        except RPCError as error:
            raise self.unavailable(error) from error

    async def _queue_of(self, workflow_id: str) -> str:
        try:
            run = await self._client.get_workflow_handle(workflow_id).describe()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return self._task_queue
            raise
        return run.task_queue if run.status is WorkflowExecutionStatus.RUNNING else self._task_queue

    def unavailable(self, error: RPCError) -> SojournError:
        """Return the error of a server that cannot serve."""
        address = self._client.service_client.config.target_host
        return ServerUnavailable(address=address, reason=error.status.name)


def _typed(error: WorkflowUpdateFailedError, workflow_id: str, turn_id: str) -> SojournError:
    cause, session_id = error.cause, workflow_id.removeprefix(options.WORKFLOW_ID_PREFIX)
    if isinstance(cause, ApplicationError):
        if cause.type == UNPROCESSED:
            return SessionContinuing(session_id=session_id)
        if cause.type == ABANDONED:
            return RunEnded(session_id=session_id, turn_id=turn_id)
        return from_failure(cause)
    return SojournError(reason=type(cause).__name__)
