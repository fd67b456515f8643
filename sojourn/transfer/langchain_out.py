"""Messages as LangChain's; what came from such messages goes back as it came."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from sojourn.messages import (
    CallStatus,
    FilePart,
    Message,
    Origin,
    Part,
    Role,
    TextPart,
    ToolCallPart,
    ToolResponsePart,
    UriPart,
)
from sojourn.transfer.langchain_in import ERROR, PROVIDER

KINDS = {Role.USER: "human", Role.SYSTEM: "system", Role.ASSISTANT: "ai"}


def items(message: Message) -> Iterator[dict[str, Any] | str]:
    """Yield a message as `messages_from_dict` takes it, and as a text what it cannot say."""
    if message.role is Role.TOOL:
        for part in message.parts:
            yield _tool(part) if isinstance(part, ToolResponsePart) else _named(part)
        return
    spoken = [part for part in message.parts if not isinstance(part, ToolCallPart)]
    details = _details(spoken[0]) if spoken else {}
    data = {**details.get("data", {}), "content": _content(spoken, details)}
    if message.role is Role.ASSISTANT:
        data |= _calls(message.tool_calls)
    kind = KINDS[message.role]
    yield {"type": kind, "data": {"type": kind, **data}}
    for part in spoken:
        if not isinstance(part, TextPart | UriPart | FilePart):
            yield _named(part)


def _tool(part: ToolResponsePart) -> dict[str, Any]:
    rest: dict[str, Any] | None = _details(part).get("data")
    content = part.response
    if rest is None and not isinstance(content, str):
        content = json.dumps(content, ensure_ascii=False)
    data: dict[str, Any] = {
        "type": "tool",
        **({"name": part.name} if rest is None else rest),
        "content": content,
        "tool_call_id": part.id,
        "status": "success" if part.status is CallStatus.DONE else ERROR,
    }
    return {"type": "tool", "data": data}


def _calls(calls: tuple[ToolCallPart, ...]) -> dict[str, Any]:
    sound = [call for call in calls if "invalid" not in _details(call)]
    invalid = [_details(call)["invalid"] for call in calls if "invalid" in _details(call)]
    told = [
        {"name": call.name, "args": call.arguments, "id": call.id, "type": "tool_call"}
        for call in sound
    ]
    return {"tool_calls": told, "invalid_tool_calls": invalid}


def _content(parts: Sequence[Part], details: dict[str, Any]) -> str | list[Any]:
    if "content" in details:
        kept: list[Any] = details["content"]
        return kept
    is_text = all(isinstance(part, TextPart) for part in parts)
    if is_text and not details.get("is_list"):
        return "".join(part.content for part in parts if isinstance(part, TextPart))
    return [each for part in parts for each in _block(part, details)]


def _block(part: Part, whole: dict[str, Any]) -> Iterator[Any]:
    details = _details(part)
    if isinstance(part, TextPart):
        # An empty text stands for content that has no block at all.
        if part.content or details is not whole:
            text = {"type": "text", "text": part.content, **details.get("block", {})}
            yield part.content if details.get("is_text") else text
    elif isinstance(part, UriPart) and part.modality == "image":
        yield {"type": "image_url", "image_url": {"url": part.uri, **details.get("image", {})}}
    elif isinstance(part, UriPart):
        yield {"type": "file", "url": part.uri}
    elif isinstance(part, FilePart):
        yield {"type": "text", "text": f"[attachment {part.file_id}, {part.mime_type}]"}


def _named(part: Part) -> str:
    return f"a part of type {part.type}"


def _details(part: Part) -> dict[str, Any]:
    origin: Origin | None = getattr(part, "origin", None)
    return (origin.details or {}) if origin and origin.provider == PROVIDER else {}
