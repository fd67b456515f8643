"""Conversations both ways: `sojourn.messages` to and from pydantic-ai's messages.

What pydantic-ai adds of its own (timestamps, run ids, addresses) never comes back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_ai import messages as theirs

from sojourn.adapters.models.prompts import UnreadableError, described, from_request, to_request
from sojourn.messages import (
    Message,
    Origin,
    Part,
    ReasoningPart,
    Role,
    TextPart,
    ToolCallPart,
)

_ARGUMENTS = TypeAdapter(dict[str, Any])


def to_provider(messages: Sequence[Message]) -> list[theirs.ModelMessage]:
    """Convert a conversation; what stands between two answers becomes one request."""
    converted: list[theirs.ModelMessage] = []
    for is_answer, group in groupby(messages, key=lambda message: message.role is Role.ASSISTANT):
        if is_answer:
            converted.extend(to_response(message) for message in group if message.parts)
        else:
            converted.append(to_request(group))
    return converted


def from_provider(messages: Iterable[theirs.ModelMessage]) -> tuple[Message, ...]:
    """Convert a conversation back: one message a prompt, a tool result and an answer.

    Raises:
        UnreadableError: a part has no place in our messages, or is malformed.
    """
    converted: list[Message] = []
    for message in messages:
        if isinstance(message, theirs.ModelResponse):
            converted.append(from_response(message))
        else:
            converted.extend(from_request(message))
    return tuple(converted)


def to_response(message: Message) -> theirs.ModelResponse:
    """Convert an assistant's message; each part bears its own provider's marks."""
    return theirs.ModelResponse(parts=[_to_part(part) for part in message.parts])


def from_response(response: theirs.ModelResponse) -> Message:
    """Convert an answer; equal call ids within it are made distinct, in the model's order.

    Raises:
        UnreadableError: a part has no place in our messages, or is malformed.
    """
    taken: set[str] = set()
    parts = tuple(_from_part(part, taken) for part in response.parts)
    return Message(role=Role.ASSISTANT, parts=parts)


def _to_part(part: Part) -> theirs.ModelResponsePart:
    match part:
        case TextPart():
            return theirs.TextPart(part.content, **_to_origin(part.origin))
        case ReasoningPart():
            return theirs.ThinkingPart(
                part.content, signature=part.signature, **_to_origin(part.origin)
            )
        case ToolCallPart():
            return theirs.ToolCallPart(
                part.name, part.arguments, part.id, **_to_origin(part.origin)
            )
        case _:
            return theirs.TextPart(described(part))


def _from_part(part: theirs.ModelResponsePart, taken: set[str]) -> Part:
    match part:
        case theirs.TextPart():
            return TextPart(content=part.content, origin=_from_origin(part))
        case theirs.ThinkingPart():
            return ReasoningPart(
                content=part.content, signature=part.signature, origin=_from_origin(part)
            )
        case theirs.ToolCallPart():
            return ToolCallPart(
                id=_distinct(part.tool_call_id, taken),
                name=part.tool_name,
                arguments=_arguments(part.args),
                origin=_from_origin(part),
            )
        case _:
            raise UnreadableError(f"the answer has a part of kind {part.part_kind}")


def _to_origin(origin: Origin | None) -> dict[str, Any]:
    if origin is None:
        return {}
    details = origin.details
    return {"provider_name": origin.provider, "id": origin.id, "provider_details": details}


def _from_origin(
    part: theirs.TextPart | theirs.ThinkingPart | theirs.ToolCallPart,
) -> Origin | None:
    if part.provider_name is None:
        return None
    return Origin(provider=part.provider_name, id=part.id, details=part.provider_details)


def _distinct(call_id: str, taken: set[str]) -> str:
    fresh, count = call_id, 1
    while fresh in taken:
        count += 1
        fresh = f"{call_id}-{count}"
    taken.add(fresh)
    return fresh


def _arguments(written: object) -> dict[str, Any]:
    try:
        if isinstance(written, str) and written:
            return _ARGUMENTS.validate_json(written)
        return _ARGUMENTS.validate_python(written or {})
    except ValidationError:
        reason = "the arguments of a tool call are not a JSON object"
    raise UnreadableError(reason)
