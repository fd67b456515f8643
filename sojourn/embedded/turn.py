"""A turn of an embedded session, as whoever submitted it has it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from sojourn.embedded.control import TurnControl
from sojourn.events import SessionEvent
from sojourn.outcome import TurnResult, TurnStatus

if TYPE_CHECKING:
    from sojourn.embedded.session import EmbeddedSession


class EmbeddedTurn:
    """A turn that was submitted: its id, and how to wait for it or cancel it.

    Attributes:
        id: the turn's id.
        text: the message.
        control: reaches it while it runs.
        task: runs it.
    """

    def __init__(
        self,
        session: EmbeddedSession,
        turn_id: str,
        text: str,
        control: TurnControl,
        task: asyncio.Task[TurnResult],
    ) -> None:
        self.id = turn_id
        self.text = text
        self.control = control
        self.task = task
        self._session = session

    async def result(self) -> TurnResult:
        """Wait for the turn's end; it goes on if nobody waits any more.

        Raises:
            SojournError: the turn could not be run.
        """
        return await asyncio.shield(self.task)

    async def cancel(self) -> bool:
        """Cancel the turn, and tell whether that won over its commit.

        Raises:
            SojournError: the turn could not be run.
        """
        if self.task.done():
            return self.task.result().status is TurnStatus.CANCELLED
        return await self._session.cancel(self.id)

    def events(self, after: str | None = None) -> AsyncGenerator[SessionEvent, None]:
        """Yield what happens in the turn, and end with it; see `sojourn.events.follow_turn`."""
        return self._session.events_of(self, after)
