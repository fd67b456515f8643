"""The client: sessions on Temporal, with the same methods as embedded ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from datetime import timedelta
from secrets import token_hex
from typing import Self

from temporalio.client import Client

from sojourn import ids
from sojourn.agent import Agent
from sojourn.app import App
from sojourn.errors import RunEnded, SojournError, UnknownTurn
from sojourn.events import SessionEvent, follow, follow_turn
from sojourn.inputs import checked_text
from sojourn.outcome import TurnOutcome, TurnResult
from sojourn.ports import SessionStore
from sojourn.view import SessionView
from sojourn_worker.converter import with_pydantic
from sojourn_worker.host_keeper import HostKeeper
from sojourn_worker.plugin import SojournPlugin
from sojourn_worker.reading import SessionReader, StoreReader, WorkerReader
from sojourn_worker.updates import Updates
from sojourn_workflows import options
from sojourn_workflows.contract import (
    Decision,
    SessionConfig,
    SessionStatus,
    SubmitTurn,
)

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


class ClientTurn:
    """A turn that was submitted: its id, and how to wait for it or cancel it."""

    def __init__(self, session: ClientSession, turn_id: str, outcome: TurnOutcome | None) -> None:
        self.id = turn_id
        self._session = session
        self._outcome = outcome

    async def result(self) -> TurnResult:
        """Wait for the turn's end.

        Raises:
            SojournError: the turn could not be run.
            RunEnded: the session's run was ended before the turn.
        """
        if self._outcome is None:
            try:
                self._outcome = await self._session.outcome(self.id)
            except UnknownTurn as unknown:
                # It was queued, or there would be no such object: it went with its run.
                raise RunEnded(session_id=self._session.session_id, turn_id=self.id) from unknown
        return await self._session.result(self._outcome)

    async def cancel(self) -> bool:
        """Cancel the turn, and tell whether that won over its commit."""
        return await self._session.cancel(self.id)

    async def events(self, after: str | None = None) -> AsyncGenerator[SessionEvent, None]:
        """Yield what happens in the turn, and end with it; see `sojourn.events.follow_turn`.

        Raises:
            InvalidInput: the client has no store.
        """
        store = await self._session.store()
        ended = asyncio.create_task(self._settled())
        try:
            async for event in follow_turn(store, self._session.session_id, self.id, ended, after):
                yield event
        finally:
            ended.cancel()
            await asyncio.wait({ended})

    async def _settled(self) -> None:
        """Wait for the turn's end; `result` tells what came of it."""
        with suppress(SojournError):
            self._outcome = self._outcome or await self._session.outcome(self.id)


class ClientSession:
    """One session on Temporal."""

    def __init__(self, config: SessionConfig, updates: Updates, reader: SessionReader) -> None:
        self.session_id = config.session_id
        self.workflow_id = options.WORKFLOW_ID_PREFIX + config.session_id
        self._config = config
        self._updates = updates
        self._reader = reader

    async def send(self, text: str, turn_id: str | None = None) -> TurnResult:
        """Send a message and wait for the turn's end; the same turn id again runs nothing.

        Raises:
            EmptyText: there is nothing to send.
            TextTooLarge: the text has more than 1,000,000 bytes.
            TurnConflict: the turn id was used for other text.
            SessionHeld: another owner kept the session.
            RunEnded: the session's run was ended before the turn; nothing is sent again by itself.
            ServerUnavailable: no server, or no worker, answers.
        """
        turn = await self._submit(text, turn_id, wait=True)
        return await turn.result()

    async def submit(self, text: str, turn_id: str | None = None) -> ClientTurn:
        """Queue a message and return its turn at once.

        Raises:
            SojournError: as `send`.
        """
        return await self._submit(text, turn_id, wait=False)

    async def cancel(self, turn_id: str) -> bool:
        """Cancel a turn by its id, and tell whether that won over its commit.

        It returns when the turn has ended, or at once if the turn is queued behind another.

        Raises:
            UnknownTurn: no such turn is open.
            SojournError: the turn was neither cancelled nor committed: it could not be run.
        """
        return await self._updates.cancel(self.workflow_id, turn_id)

    async def approve(self, call_id: str) -> None:
        """Let a waiting tool call run.

        Raises:
            UnknownCall: no such call waits.
        """
        await self._decide(call_id, approved=True)

    async def deny(self, call_id: str) -> None:
        """Refuse a waiting tool call; the model is told.

        Raises:
            UnknownCall: no such call waits.
        """
        await self._decide(call_id, approved=False)

    async def show(self) -> SessionView:
        """Read the session from its store.

        Raises:
            UnknownSession: nothing was ever sent.
        """
        return await self._reader.view(self.session_id)

    async def fork(self, new_session_id: str, at: str | None = None) -> str:
        """Make a session that stands on node `at` of this one (its leaf by default).

        No node is copied. Returns the new session's id.

        Raises:
            UnknownNode: this session has no such node.
            InvalidInput: the new id is taken, or the client has no store.
        """
        await self._reader.fork(self.session_id, new_session_id, at)
        return new_session_id

    async def events(self, after: str | None = None) -> AsyncGenerator[SessionEvent, None]:
        """Yield what happens in the session from now on; see `sojourn.events.follow`.

        Args:
            after: an event's cursor, to go on after it.

        Raises:
            InvalidInput: the client has no store.
        """
        async for event in follow(await self.store(), self.session_id, after):
            yield event

    async def store(self) -> SessionStore:
        """Return the store that this client reads.

        Raises:
            InvalidInput: the client has none.
        """
        return await self._reader.store()

    async def park(self) -> None:
        """Let the queued turns end, then end the workflow; the next message starts it again."""
        await self._updates.park(self.workflow_id)

    async def status(self) -> SessionStatus:
        """Tell what the session's workflow is doing; a parked one is idle."""
        return await self._updates.status(self.workflow_id) or SessionStatus()

    async def outcome(self, turn_id: str) -> TurnOutcome:
        """Wait for a turn's outcome, which has no text; one that ended long ago is in the store.

        Raises:
            UnknownTurn: the session knows no such turn.
            RunEnded: the session's run was ended before the turn.
        """
        try:
            return await self._updates.outcome(self.workflow_id, turn_id)
        except (UnknownTurn, RunEnded):
            outcome = await self._reader.outcome(self.session_id, turn_id)
            if outcome is None:
                raise
            return outcome

    async def result(self, outcome: TurnOutcome) -> TurnResult:
        """Join an outcome with its text."""
        text = await self._reader.text(self.session_id, outcome)
        return TurnResult.of(self.session_id, outcome, text)

    async def _submit(self, text: str, turn_id: str | None, *, wait: bool) -> ClientTurn:
        checked_text(text)
        turn_id = ids.checked("turn", turn_id) if turn_id is not None else ids.mint("turn")
        request = SubmitTurn(turn_id=turn_id, text=text, wait=wait, nonce=token_hex(4))
        outcome = await self._updates.submit(self._config, request)
        return ClientTurn(self, turn_id, outcome)

    async def _decide(self, call_id: str, *, approved: bool) -> None:
        decision = Decision(call_id=call_id, approved=approved)
        await self._updates.decide(self.workflow_id, self.session_id, decision)


def _keeper(store: str | SessionStore | None) -> HostKeeper | None:
    """Keep a store open for reading alone: no turn is ever run on this host."""
    return HostKeeper(App(agents=[Agent()], store=store)) if store is not None else None
