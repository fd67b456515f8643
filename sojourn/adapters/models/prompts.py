"""The side of a conversation that is said to the model: system, users and tool results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Literal

from pydantic_ai import messages as theirs

from sojourn.messages import (
    CallStatus,
    FilePart,
    Message,
    Part,
    Role,
    TextPart,
    ToolResponsePart,
    UriPart,
)

_Outcome = Literal["success", "failed", "denied", "interrupted"]
_Url = theirs.ImageUrl | theirs.AudioUrl | theirs.VideoUrl | theirs.DocumentUrl
_OUTCOMES: dict[CallStatus, _Outcome] = {
    CallStatus.DONE: "success",
    CallStatus.FAILED: "failed",
    CallStatus.DENIED: "denied",
    CallStatus.UNKNOWN: "interrupted",
    CallStatus.CANCELLED: "interrupted",
}
_STATUSES = {
    "success": CallStatus.DONE,
    "denied": CallStatus.DENIED,
    "interrupted": CallStatus.UNKNOWN,
}
_URLS: dict[str, type[_Url]] = {
    "image": theirs.ImageUrl,
    "audio": theirs.AudioUrl,
    "video": theirs.VideoUrl,
    "document": theirs.DocumentUrl,
}


class UnreadableError(Exception):
    """A message has no place in the other form; says why, and quotes nothing."""


def to_request(messages: Iterable[Message]) -> theirs.ModelRequest:
    """Merge messages into one request, tool results first: they must follow their calls."""
    parts = [part for message in messages for part in _to_parts(message)]
    parts.sort(key=lambda part: not isinstance(part, theirs.ToolReturnPart))
    return theirs.ModelRequest(parts=parts)


def from_request(request: theirs.ModelRequest) -> Iterator[Message]:
    """Split a request into one message a prompt or tool result."""
    for part in request.parts:
        match part:
            case theirs.SystemPromptPart():
                yield Message(role=Role.SYSTEM, parts=(TextPart(content=part.content),))
            case theirs.UserPromptPart():
                yield Message(role=Role.USER, parts=tuple(_from_prompt(part.content)))
            case theirs.ToolReturnPart():
                yield Message(role=Role.TOOL, parts=(_from_return(part),))
            case _:
                raise UnreadableError(f"the request has a part of kind {part.part_kind}")


def described(part: Part) -> str:
    """Name in words what cannot be sent as it is."""
    match part:
        case FilePart():
            return f"[attached {part.modality} {part.file_id}]"
        case UriPart():
            return f"[{part.modality} {part.uri}]"
        case _:
            return f"[{part.type}]"


def _to_parts(message: Message) -> Iterator[theirs.ModelRequestPart]:
    yield from (_to_return(part) for part in message.tool_responses)
    spoken = [part for part in message.parts if not isinstance(part, ToolResponsePart)]
    if not spoken:
        return
    if message.role is Role.SYSTEM:
        yield theirs.SystemPromptPart(message.text)
        return
    content = [_to_content(part) for part in spoken]
    alone = content[0] if len(content) == 1 else None
    yield theirs.UserPromptPart(alone if isinstance(alone, str) else content)


def _to_content(part: Part) -> theirs.UserContent:
    if isinstance(part, TextPart):
        return part.content
    if isinstance(part, UriPart) and part.modality in _URLS:
        return _URLS[part.modality](part.uri, media_type=part.mime_type)
    return described(part)


def _from_prompt(content: str | Sequence[theirs.UserContent]) -> Iterator[Part]:
    for item in [content] if isinstance(content, str) else content:
        match item:
            case str():
                yield TextPart(content=item)
            case theirs.TextContent():
                yield TextPart(content=item.content)
            case theirs.FileUrl():
                yield _from_url(item)
            case theirs.CachePoint():
                continue
            case _:
                raise UnreadableError(f"the prompt has content of kind {type(item).__name__}")


def _from_url(url: theirs.FileUrl) -> UriPart:
    modality = next(name for name, kind in _URLS.items() if isinstance(url, kind))
    mime_type = None
    with suppress(ValueError):
        mime_type = url.media_type
    return UriPart(modality=modality, uri=url.url, mime_type=mime_type)


def _to_return(part: ToolResponsePart) -> theirs.ToolReturnPart:
    failed = part.status is CallStatus.FAILED
    return theirs.ToolReturnPart(
        part.name,
        _unwrapped(part.response) if failed else part.response,
        part.id,
        outcome=_OUTCOMES[part.status],
        metadata=str(part.status),
    )


def _unwrapped(response: Any) -> Any:
    # A failed outcome brings its own {"error": ...}.
    match response:
        case {"error": str() as reason, **others} if not others:
            return reason
        case _:
            return response


def _from_return(part: theirs.ToolReturnPart) -> ToolResponsePart:
    status = _STATUSES.get(part.outcome, CallStatus.FAILED)
    if part.metadata == CallStatus.CANCELLED:
        status = CallStatus.CANCELLED
    content = part.content
    if status is CallStatus.FAILED and isinstance(content, str):
        content = {"error": content}
    return ToolResponsePart(
        id=part.tool_call_id, name=part.tool_name, response=content, status=status
    )
