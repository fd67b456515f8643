"""A connection to a server, with the store if it can be read from here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from temporalio.client import Client
from temporalio.exceptions import ApplicationError, TemporalError
from temporalio.service import RPCError

from sojourn.adapters.open import opened_store
from sojourn.app import MEMORY
from sojourn.errors import NoWorker, ServerUnavailable, UnknownSession
from sojourn.ports import SessionStore
from sojourn_activities.failures import from_failure
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
class Talk:
    """A connection to a server, and the store if it can be read from here."""

    client: Client
    sessions: SessionClient
    task_queue: str
    store: SessionStore | None


@asynccontextmanager
async def talking(settings: Settings) -> AsyncIterator[Talk]:
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


async def require_worker(talk: Talk) -> None:
    """Wait for a worker, before anything is started that only a worker could end.

    Raises:
        NoWorker: none came.
    """
    for _ in range(WORKER_PATIENCE // _LOOK):
        if await poller_identities(talk.client, talk.task_queue):
            return
        await asyncio.sleep(_LOOK.total_seconds())
    raise NoWorker(task_queue=talk.task_queue)


async def known(talk: Talk, session_id: str) -> ClientSession:
    """Return a session's handle, if the store says that there is such a session.

    Raises:
        UnknownSession: the store says that there is none.
    """
    session = talk.sessions.session(session_id)
    if talk.store is not None and await talk.store.head(session_id) is None:
        raise UnknownSession(session_id=session_id)
    return session
