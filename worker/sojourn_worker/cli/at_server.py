"""The session commands that speak to the session's workflow."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from dataclasses import dataclass

import typer

from sojourn import ids
from sojourn.errors import (
    AssemblyError,
    InvalidInput,
    TurnPending,
)
from sojourn.inputs import checked_text
from sojourn.outcome import Fault, TurnResult, TurnStatus
from sojourn_worker.cli.live import watching
from sojourn_worker.cli.output import Answer
from sojourn_worker.cli.talking import Talk, known, require_worker, talking
from sojourn_worker.cli.texts import given_text
from sojourn_worker.client_session import ClientSession
from sojourn_worker.settings import Settings


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


async def send(settings: Settings, session_id: str, sending: Sending) -> Answer:
    """Send a message and wait for its turn's end.

    Raises:
        NoWorker: nobody polls the queue; then nothing was started.
        TurnPending: the turn goes on after the timeout.
    """
    ids.checked("session", session_id)
    text = checked_text(given_text(sending.text))
    turn_id = ids.checked("turn", sending.turn_id or ids.mint("turn"))
    async with talking(settings) as talk:
        await require_worker(talk)
        session = talk.sessions.session(session_id, sending.agent)
        with_line = watching(session, turn_id) if sending.is_watched else nullcontext()
        async with with_line:
            result = await _result(session, text, turn_id, sending.timeout_seconds)
        await _check_store(talk, result)
    if sending.is_watched and result.status != TurnStatus.COMPLETED:
        typer.echo(f"turn {turn_id} ended as {result.status}", err=True)
    data = result.model_dump(mode="json", exclude=_unsaid(result))
    return Answer(data, result.text, _fault(result))


def _unsaid(result: TurnResult) -> set[str]:
    """Name what is printed only where there is something to say."""
    facts = {
        "error": result.error,
        "cost": result.cost or None,
        "lost_attempts": result.lost_attempts or None,
    }
    return {name for name, fact in facts.items() if fact is None}


async def cancel(settings: Settings, session_id: str, turn_id: str) -> Answer:
    """Cancel a turn, and say whether that came before its commit."""
    async with talking(settings) as talk:
        won = await (await known(talk, session_id)).cancel(turn_id)
    data = {"session_id": session_id, "turn_id": turn_id, "cancelled": won}
    return Answer(data, f"{turn_id} {'cancelled' if won else 'was committed before'}")


async def decide(settings: Settings, session_id: str, call_id: str, *, approved: bool) -> Answer:
    """Answer a tool call that waits for a person."""
    async with talking(settings) as talk:
        session = await known(talk, session_id)
        await (session.approve(call_id) if approved else session.deny(call_id))
    data = {"session_id": session_id, "call_id": call_id, "approved": approved}
    return Answer(data, f"{call_id} {'approved' if approved else 'denied'}")


async def park(settings: Settings, session_id: str) -> Answer:
    """Let the queued turns end, and end the session's workflow."""
    async with talking(settings) as talk:
        await (await known(talk, session_id)).park()
    return Answer({"session_id": session_id, "parked": True}, f"{session_id} parked")


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


def _fault(result: TurnResult) -> Fault | None:
    if result.status != TurnStatus.FAILED:
        return None
    return result.error or Fault(type="TurnFailed", message=f"turn {result.turn_id} failed")
