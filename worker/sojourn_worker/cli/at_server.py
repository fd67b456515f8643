"""The session commands that speak to the session's workflow."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta

import typer
from temporalio.client import Client
from temporalio.exceptions import ApplicationError, TemporalError
from temporalio.service import RPCError

from sojourn import ids
from sojourn.adapters.open import opened_store
from sojourn.app import MEMORY
from sojourn.errors import (
    AssemblyError,
    InvalidInput,
    NoWorker,
    ServerUnavailable,
    TurnPending,
    UnknownSession,
)
from sojourn.inputs import checked_text
from sojourn.outcome import Fault, TurnResult, TurnStatus
from sojourn.ports import SessionStore
from sojourn_activities.failures import from_failure
from sojourn_worker.cli.live import watching
from sojourn_worker.cli.output import Answer
from sojourn_worker.cli.stores import is_missing, store_of
from sojourn_worker.client import SessionClient
from sojourn_worker.client_session import ClientSession
from sojourn_worker.connect import connect
from sojourn_worker.pollers import poller_identities
from sojourn_worker.settings import Settings
from sojourn_workflows import options

WORKER_PATIENCE = timedelta(seconds=5)
_LOOK = timedelta(milliseconds=200)


@dataclass(frozen=True)
class Sending:
    """What `session send` was asked.

    Attributes:
        text: the message; `-` for what stands on standard input.
        turn_id: the turn, or None for a new one.
        agent: the app's agent, or None for the session's.
        timeout_seconds: how long to wait, or None for as long as it takes.
        is_watched: whether a person looks on.
    """

    text: str
    turn_id: str | None
    agent: str | None
    timeout_seconds: float | None
    is_watched: bool


@dataclass(frozen=True)
class Talk:
    """A connection to a server, and the store if it can be read from here."""

    client: Client
    sessions: SessionClient
    task_queue: str
    store: SessionStore | None


async def send(settings: Settings, session_id: str, sending: Sending) -> Answer:
    """Send a message and wait for its turn's end.

    Raises:
        NoWorker: nobody polls the queue; then nothing was started.
        TurnPending: the turn goes on after the timeout.
    """
    ids.checked("session", session_id)
    text = checked_text(_text(sending.text))
    turn_id = ids.checked("turn", sending.turn_id or ids.mint("turn"))
    async with _talking(settings) as talk:
        await _require_worker(talk)
        session = talk.sessions.session(session_id, sending.agent)
        with_line = watching(session, turn_id) if sending.is_watched else nullcontext()
        async with with_line:
            result = await _result(session, text, turn_id, sending.timeout_seconds)
        await _check_store(talk, result)
    if sending.is_watched and result.status != TurnStatus.COMPLETED:
        typer.echo(f"turn {turn_id} ended as {result.status}", err=True)
    left_out = {"error"} if result.error is None else None
    data = result.model_dump(mode="json", exclude=left_out)
    return Answer(data, result.text, _fault(result))


async def cancel(settings: Settings, session_id: str, turn_id: str) -> Answer:
    """Cancel a turn, and say whether that came before its commit."""
    async with _talking(settings) as talk:
        won = await (await _known(talk, session_id)).cancel(turn_id)
    data = {"session_id": session_id, "turn_id": turn_id, "cancelled": won}
    return Answer(data, f"{turn_id} {'cancelled' if won else 'was committed before'}")


async def decide(settings: Settings, session_id: str, call_id: str, *, approved: bool) -> Answer:
    """Answer a tool call that waits for a person."""
    async with _talking(settings) as talk:
        session = await _known(talk, session_id)
        await (session.approve(call_id) if approved else session.deny(call_id))
    data = {"session_id": session_id, "call_id": call_id, "approved": approved}
    return Answer(data, f"{call_id} {'approved' if approved else 'denied'}")


async def park(settings: Settings, session_id: str) -> Answer:
    """Let the queued turns end, and end the session's workflow."""
    async with _talking(settings) as talk:
        await (await _known(talk, session_id)).park()
    return Answer({"session_id": session_id, "parked": True}, f"{session_id} parked")


@asynccontextmanager
async def _talking(settings: Settings) -> AsyncIterator[Talk]:
    """Open the store if there is one to read, connect, and make Temporal's errors typed ones."""
    task_queue = settings.task_queue or options.TASK_QUEUE
    async with AsyncExitStack() as stack:
        named = _readable(settings)
        store = await stack.enter_async_context(opened_store(named)) if named else None
        client = await connect()
        sessions = SessionClient(client, task_queue=task_queue, store=store)
        stack.push_async_callback(sessions.close)
        try:
            yield Talk(client, sessions, task_queue, store)
        except RPCError as error:
            address = client.service_client.config.target_host
            raise ServerUnavailable(address=address, reason=error.status.name) from error
        except TemporalError as error:
            cause = getattr(error, "cause", None)
            if isinstance(cause, ApplicationError):
                raise from_failure(cause) from error
            raise


def _readable(settings: Settings) -> str | SessionStore | None:
    """Return the store, if it can be read from here: else texts come through a worker."""
    named = store_of(settings)
    return None if named is None or named == MEMORY or is_missing(named) else named


async def _result(
    session: ClientSession, text: str, turn_id: str, timeout_seconds: float | None
) -> TurnResult:
    try:
        async with asyncio.timeout(timeout_seconds):
            return await session.send(text, turn_id)
    except TimeoutError:
        raise TurnPending(
            session_id=session.session_id, turn_id=turn_id, seconds=timeout_seconds
        ) from None
    except asyncio.CancelledError:
        typer.echo(f"turn {turn_id} goes on: --turn-id waits for it again", err=True)
        raise
    except (InvalidInput, AssemblyError):
        # The workflow that was started for it would stay for a while, with what was wrong.
        await session.park()
        raise


async def _require_worker(talk: Talk) -> None:
    """Wait for a worker, before anything is started that only a worker could end.

    Raises:
        NoWorker: none came.
    """
    for _ in range(WORKER_PATIENCE // _LOOK):
        if await poller_identities(talk.client, talk.task_queue):
            return
        await asyncio.sleep(_LOOK.total_seconds())
    raise NoWorker(task_queue=talk.task_queue)


async def _check_store(talk: Talk, result: TurnResult) -> None:
    """Refuse to show an empty text that stands in another store.

    Raises:
        InvalidInput: the store that was named is not the one that the worker has written.
    """
    if talk.store is None:
        return
    if await talk.store.receipt(result.session_id, result.turn_id) is None:
        reason = f"turn {result.turn_id!r} ended as {result.status}, but not in this store"
        raise InvalidInput(reason=f"{reason}: give the worker's --store, or none")


async def _known(talk: Talk, session_id: str) -> ClientSession:
    """Return a session's handle, if the store says that there is such a session.

    Raises:
        UnknownSession: the store says that there is none.
    """
    session = talk.sessions.session(session_id)
    if talk.store is not None and await talk.store.head(session_id) is None:
        raise UnknownSession(session_id=session_id)
    return session


def _fault(result: TurnResult) -> Fault | None:
    if result.status != TurnStatus.FAILED:
        return None
    return result.error or Fault(type="TurnFailed", message=f"turn {result.turn_id} failed")


def _text(given: str) -> str:
    """Return the text, or standard input without its last line break.

    Raises:
        InvalidInput: standard input is closed, or not UTF-8.
    """
    if given != "-":
        return given
    if not sys.stdin:
        raise InvalidInput(reason="standard input is closed")
    try:
        return sys.stdin.buffer.read().decode().removesuffix("\n")
    except UnicodeDecodeError:
        raise InvalidInput(reason="standard input is not UTF-8 text") from None
