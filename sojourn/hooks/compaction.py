"""What a compactor is told of the conversation that it is to make short."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sojourn.messages import Message


@dataclass(frozen=True, slots=True)
class CompactionView:
    """A conversation that became too long.

    Attributes:
        session_id: the session.
        messages: what the new frame no longer shows, with every tool call answered: the current
            one without its last turns, which stay verbatim.
        reason: why it is compacted, in a word.
    """

    session_id: str
    messages: Sequence[Message]
    reason: str = ""
