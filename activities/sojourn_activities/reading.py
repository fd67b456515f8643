"""Reading sessions as an activity: for clients without a store, and for workflows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from temporalio import activity

from sojourn.compact import Compact
from sojourn.host import SessionHost
from sojourn.outcome import TurnOutcome
from sojourn.turns import answer_text
from sojourn.view import SessionView, view_session
from sojourn_activities.failures import translated


class ReadRequest(Compact):
    """Ask for a turn's text (`outcome`), its outcome (`turn_id`), or the session's whole view."""

    session_id: str
    outcome: TurnOutcome | None = None
    turn_id: str = ""


class ReadReply(Compact):
    """What was asked for."""

    text: str = ""
    view: SessionView | None = None
    outcome: TurnOutcome | None = None


class ReadActivities:
    """Reads that write nothing; of these only a turn's outcome ever stands in a session's history.

    Args:
        host: gives the worker's session host.
    """

    def __init__(self, host: Callable[[], Awaitable[SessionHost]]) -> None:
        self._host = host

    @activity.defn(name="session.read")
    @translated
    async def read(self, request: ReadRequest) -> ReadReply:
        """Read one text, one outcome, or one session."""
        host = await self._host()
        if request.outcome is not None:
            return ReadReply(text=await answer_text(host, request.session_id, request.outcome))
        if request.turn_id:
            return ReadReply(outcome=await receipt_of(host, request.session_id, request.turn_id))
        return ReadReply(view=await view_session(host.store, request.session_id))


async def receipt_of(host: SessionHost, session_id: str, turn_id: str) -> TurnOutcome | None:
    """Return how a turn ended, however long ago; None if it was not committed."""
    receipt = await host.store.receipt(session_id, turn_id)
    return TurnOutcome.of(receipt) if receipt else None
