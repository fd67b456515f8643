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
        messages: the current frame, with every tool call answered.
        reason: why it is compacted, in a word.
    """

    session_id: str
    messages: Sequence[Message]
    reason: str = ""
