"""The client: opens sessions on Temporal."""

from __future__ import annotations

from datetime import timedelta
from typing import Self

from temporalio.client import Client

from sojourn import ids
from sojourn.agent import Agent
from sojourn.app import App
from sojourn.ports import SessionStore
from sojourn_worker.client_session import ClientSession
from sojourn_worker.converter import with_pydantic
from sojourn_worker.host_keeper import HostKeeper
from sojourn_worker.plugin import SojournPlugin
from sojourn_worker.reading import SessionReader, StoreReader, WorkerReader
from sojourn_worker.updates import Updates
from sojourn_workflows import options
from sojourn_workflows.contract import SessionConfig

DEFAULT_IDLE = timedelta(seconds=10)
DEFAULT_HELD = timedelta(seconds=60)


class SessionClient:
    """Opens sessions that run on a Temporal server.

    Args:
        client: any client; its data converter gets pydantic payloads if it lacks them.
        task_queue: the queue that the workers poll.
        store: where to read texts from. By default the store of the client's `SojournPlugin`;
            without one, reads go through a worker.
        idle: how long a session stays open without a message before it parks; zero is for ever.
        held: how long a message waits for a session that another owner holds.
        continue_after_events: the length of history after which a session moves to a fresh run,
            or zero for the default.
    """

    def __init__(
        self,
        client: Client,
        *,
        task_queue: str = options.TASK_QUEUE,
        store: str | SessionStore | None = None,
        idle: timedelta = DEFAULT_IDLE,
        held: timedelta = DEFAULT_HELD,
        continue_after_events: int = 0,
    ) -> None:
        config = client.config(active_config=True)
        config["data_converter"] = with_pydantic(config["data_converter"])
        plugins, config["plugins"] = config["plugins"], []
        self._client = Client(**config)
        self._updates = Updates(self._client, task_queue)
        self._bounds = SessionConfig(
            session_id="",
            idle_seconds=idle.total_seconds(),
            held_seconds=held.total_seconds(),
            continue_after_events=continue_after_events,
        )
        shared = next((p.keeper for p in plugins if isinstance(p, SojournPlugin)), None)
        self._keeper = _keeper(store) or shared
        self._reader: SessionReader = (
            StoreReader(self._keeper.get)
            if self._keeper
            else WorkerReader(self._client, task_queue)
        )

    def session(self, session_id: str, agent: str | None = None) -> ClientSession:
        """Return a handle of a session, which its first message makes.

        Raises:
            InvalidId: `session_id` cannot be an id.
        """
        names = {"session_id": ids.checked("session", session_id), "agent": agent or ""}
        config = self._bounds.model_copy(update=names)
        return ClientSession(config, self._updates, self._reader)

    async def close(self) -> None:
        """Close the store, unless a worker of the same plugin is using it."""
        if self._keeper is not None:
            await self._keeper.close_unless_used()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _keeper(store: str | SessionStore | None) -> HostKeeper | None:
    """Keep a store open for reading alone: no turn is ever run on this host."""
    return HostKeeper(App(agents=[Agent()], store=store)) if store is not None else None
