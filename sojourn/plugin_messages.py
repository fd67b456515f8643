"""Messages that plugins make: what is checked before they are sent or stored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

from sojourn.messages import Message, Role
from sojourn.plugin_faults import Misbehaved, required


def messages_of(answer: object) -> list[Message]:
    """Return a hook's messages.

    Raises:
        Misbehaved: they are none.
    """
    if not isinstance(answer, Iterable):
        raise Misbehaved.by_returning(answer, "Sequence")
    return [required(Message, each) for each in cast("Iterable[object]", answer)]


def storable(answer: object) -> list[Message]:
    """Return a hook's messages, which are to be stored.

    Raises:
        Misbehaved: they are none.
        ValueError: one has text that is no Unicode.
    """
    messages = messages_of(answer)
    for message in messages:
        message.encode()
    return messages


def check_pairs(messages: Sequence[Message]) -> None:
    """Let messages pass in which every call is followed by its response, and no response is alone.

    Raises:
        Misbehaved: they are not such; no model would take them.
    """
    open_calls: set[str] = set()
    for message in messages:
        answered = {part.id for part in message.tool_responses}
        if answered - open_calls:
            raise Misbehaved("it left a response without its call")
        if open_calls and message.role is not Role.TOOL:
            raise Misbehaved("it left a call without its response")
        open_calls = (open_calls - answered) | {call.id for call in message.tool_calls}
    if open_calls:
        raise Misbehaved("it left a call without its response")
