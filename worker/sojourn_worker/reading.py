"""Reading sessions: from the store where there is one, else through a worker."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Protocol

from temporalio.client import ActivityFailureError, Client
from temporalio.exceptions import ApplicationError

from sojourn import ids
from sojourn.errors import InvalidInput, NoWorker
from sojourn.host import SessionHost
from sojourn.outcome import TurnOutcome
from sojourn.ports import SessionStore
from sojourn.turns import answer_text
from sojourn.view import SessionView, view_session
from sojourn_activities.failures import from_failure
from sojourn_activities.reading import ReadReply, ReadRequest, receipt_of

READ_TIMEOUT = timedelta(seconds=30)


class SessionReader(Protocol):
    """How a client reads what histories do not hold."""

    async def outcome(self, session_id: str, turn_id: str) -> TurnOutcome | None:
        """Return how a turn ended, however long ago; None if it has not."""
        ...

    async def text(self, session_id: str, outcome: TurnOutcome) -> str:
        """Return the text of a turn's answer."""
        ...

    async def view(self, session_id: str) -> SessionView:
        """Return the whole session."""
        ...

    async def fork(self, session_id: str, new_session_id: str, at: str | None) -> None:
        """Make a session that stands on a node of another."""
        ...

    async def store(self) -> SessionStore:
        """Return the store, to watch it."""
        ...


class StoreReader:
    """Reads straight from the store."""

    def __init__(self, host: Callable[[], Awaitable[SessionHost]]) -> None:
        self._host = host

    async def outcome(self, session_id: str, turn_id: str) -> TurnOutcome | None:
        """Return how a turn ended, by its receipt."""
        return await receipt_of(await self._host(), session_id, turn_id)

    async def text(self, session_id: str, outcome: TurnOutcome) -> str:
        """Return the text of a turn's answer."""
        return await answer_text(await self._host(), session_id, outcome)

    async def view(self, session_id: str) -> SessionView:
        """Return the whole session."""
        return await view_session((await self._host()).store, session_id)

    async def fork(self, session_id: str, new_session_id: str, at: str | None) -> None:
        """Make a session that stands on a node of another, or on its leaf."""
        store = (await self._host()).store
        at = at or (await view_session(store, session_id)).leaf or ""
        await store.fork(session_id, at, ids.checked("session", new_session_id))

    async def store(self) -> SessionStore:
        """Return the store."""
        return (await self._host()).store


class WorkerReader:
    """Reads through an activity of its own, on any worker that has the app."""

    def __init__(self, client: Client, task_queue: str) -> None:
        self._client = client
        self._task_queue = task_queue

    async def outcome(self, session_id: str, turn_id: str) -> TurnOutcome | None:
        """Return how a turn ended, by its receipt."""
        return (await self._read(ReadRequest(session_id=session_id, turn_id=turn_id))).outcome

    async def text(self, session_id: str, outcome: TurnOutcome) -> str:
        """Return the text of a turn's answer."""
        if outcome.answer_node is None:
            return ""
        return (await self._read(ReadRequest(session_id=session_id, outcome=outcome))).text

    async def view(self, session_id: str) -> SessionView:
        """Return the whole session."""
        reply = await self._read(ReadRequest(session_id=session_id))
        if reply.view is None:
            raise InvalidInput(reason="the worker gave no view of the session")
        return reply.view

    async def fork(self, session_id: str, new_session_id: str, at: str | None) -> None:
        """Refuse: a fork is a write.

        Raises:
            InvalidInput: always.
        """
        del session_id, new_session_id, at
        raise InvalidInput(reason="a fork needs the store: SessionClient(client, store=...)")

    async def store(self) -> SessionStore:
        """Refuse: there is none here.

        Raises:
            InvalidInput: always.
        """
        raise InvalidInput(reason="events need the store: SessionClient(client, store=...)")

    async def _read(self, request: ReadRequest) -> ReadReply:
        try:
            reply: ReadReply = await self._client.execute_activity(
                "session.read",
                request,
                id=ids.mint("read"),
                task_queue=self._task_queue,
                result_type=ReadReply,
                schedule_to_close_timeout=READ_TIMEOUT,
            )
        except ActivityFailureError as error:
            if isinstance(error.cause, ApplicationError):
                raise from_failure(error.cause) from error
            raise NoWorker(task_queue=self._task_queue) from error
        return reply
