"""A turn that was submitted to a session on Temporal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import TYPE_CHECKING

from sojourn.errors import RunEnded, SojournError, UnknownTurn
from sojourn.events import SessionEvent, follow_turn
from sojourn.outcome import TurnOutcome, TurnResult

if TYPE_CHECKING:
    from sojourn_worker.client_session import ClientSession


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
