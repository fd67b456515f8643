"""A turn as plugins see it, and what they may do to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sojourn.messages import Message
from sojourn.outcome import TurnStatus
from sojourn.usage import Usage


@dataclass(frozen=True, slots=True)
class TurnView:
    """Where a turn stands.

    Attributes:
        session_id: the session.
        turn_id: the turn.
        agent: the agent's name.
        step: the model step that comes next; after the turn, the one that would have come.
        messages: the current frame and the turn so far.
        usage: the tokens of the turn so far.
        status: how the turn ended, or None while it runs.
    """

    session_id: str
    turn_id: str
    agent: str
    step: int
    messages: Sequence[Message]
    usage: Usage
    status: TurnStatus | None = None


@dataclass(frozen=True, slots=True)
class AbortTurn:
    """End the turn with what it has, as `failed`, or as `limit` if it has used up what it may.

    `reason` stands in the turn's outcome and in workflow history: it holds no content. Of its
    first line, 200 characters are kept.
    """

    reason: str
    limit: bool = False


@dataclass(frozen=True, slots=True)
class Enqueue:
    """Put messages of users or of the system behind what the turn has so far."""

    messages: Sequence[Message]
