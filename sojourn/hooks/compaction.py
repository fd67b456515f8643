"""What a compactor is told of the conversation that it is to make short."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sojourn.messages import Message
from sojourn.usage import ModelPrice, Usage


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


@dataclass(frozen=True, slots=True)
class Condensed:
    """What a compactor makes of a conversation by a model of its own, and what that was paid.

    The ledger has it under `plugin/<plugin id>`.

    Attributes:
        messages: the seed of the new frame, at least one message.
        model: the model, as its provider calls it.
        usage: the tokens, of all that it was asked.
        price: the model's price, if it is known.
    """

    messages: Sequence[Message]
    model: str
    usage: Usage
    price: ModelPrice | None = None
