"""Opening a turn: the claim of its session, as the logical workflow that asks for it.

A turn that has not been opened may have ended all the same, in an earlier run: the store knows.
"""

from __future__ import annotations

import asyncio
import contextlib

from temporalio import workflow

from sojourn.errors import SessionHeld
from sojourn.outcome import TurnOutcome
from sojourn.requests import BeginTurn, TurnBegun
from sojourn_activities.reading import ReadActivities, ReadRequest
from sojourn_activities.session import SessionActivities
from sojourn_workflows.contract import SessionConfig
from sojourn_workflows.storing import stored
from sojourn_workflows.turn_book import BookedTurn


async def open_turn(config: SessionConfig, turn: BookedTurn, known_token: int) -> TurnBegun:
    """Open a turn; a session that somebody else holds is waited for, within bounds.

    Raises:
        SessionHeld: it was held for too long, or the turn was cancelled meanwhile.
        SojournError: the store or the app refuses the turn.
    """
    request = _request(config, turn, known_token)
    asked_at = workflow.now()
    while True:
        begun = await stored(SessionActivities.begin, request)
        if begun.holder is None:
            return begun
        waited = (workflow.now() - asked_at).total_seconds()
        left = config.held_seconds - waited
        if turn.is_cancelled or left <= 0:
            raise SessionHeld(
                session_id=config.session_id, holder=begun.holder.name, waited_seconds=waited
            )
        with contextlib.suppress(asyncio.TimeoutError):
            pause = min(left, begun.holder.retry_after_seconds)
            await workflow.wait_condition(lambda: turn.is_cancelled, timeout=pause)


async def committed(session_id: str, turn_id: str) -> TurnOutcome | None:
    """Return how a turn ended in an earlier run; None if it did not.

    Raises:
        SojournError: the store cannot tell.
    """
    request = ReadRequest(session_id=session_id, turn_id=turn_id)
    return (await stored(ReadActivities.read, request)).outcome


def _request(config: SessionConfig, turn: BookedTurn, known_token: int) -> BeginTurn:
    info = workflow.info()
    # Only a reset takes a run back in time. Any other knows all that it did but, when a worker
    # was lost, its newest claim.
    was_reset = info.run_id != info.original_execution_run_id
    return BeginTurn(
        session_id=config.session_id,
        agent=config.agent,
        turn_id=turn.turn_id,
        text=turn.text,
        owner_id=f"temporal/{info.namespace}/{info.workflow_id}",
        incarnation_id=info.first_execution_run_id,
        known_token=known_token if was_reset else None,
    )
