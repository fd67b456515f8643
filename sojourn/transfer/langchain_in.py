"""LangChain's messages as ours: as `messages_to_dict` or as `dumpd` writes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sojourn.errors import Untransferable
from sojourn.messages import (
    CallStatus,
    Message,
    Origin,
    Role,
    TextPart,
    ToolCallPart,
    ToolResponsePart,
    UriPart,
)
from sojourn.transfer.checking import check_usage
from sojourn.transfer.conversation import Heard, Opaque, Said, Spent
from sojourn.transfer.loose import fields, listed, without
from sojourn.transfer.records import Note
from sojourn.transfer.source import Item
from sojourn.usage import Usage

PROVIDER = "langchain"
ROLES = {"human": Role.USER, "system": Role.SYSTEM, "ai": Role.ASSISTANT, "tool": Role.TOOL}
CLASSES = {
    "HumanMessage": "human",
    "SystemMessage": "system",
    "AIMessage": "ai",
    "AIMessageChunk": "ai",
    "ToolMessage": "tool",
}
ERROR = "error"


def heard(items: Iterator[Item]) -> Iterator[Heard]:
    """Yield what a conversation's messages say.

    Raises:
        Untransferable: one is no object.
    """
    names: dict[str, str] = {}
    for line, found in items:
        item = fields(found)
        kind, data = opened(item)
        try:
            message = _message(line, kind, data, names)
            beside = list(_beside(line, data)) if message is not None else []
        except (AttributeError, TypeError, ValueError):
            raise Untransferable(line=line, reason="it is not as LangChain writes it") from None
        if message is None and not item:
            raise Untransferable(line=line, reason="it is no JSON object")
        if message is None:
            yield Opaque(line, item)
            continue
        yield Said(line, message)
        yield from beside
        names |= {call.id: call.name for call in message.tool_calls}


def opened(item: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the type and the fields of a message in either form; none if it is no message."""
    if "lc" in item:
        name = str([*listed(item.get("id")), ""][-2:][0])
        return CLASSES.get(name, ""), fields(item.get("kwargs"))
    kind = str(item.get("type", "")).removesuffix("MessageChunk").lower()
    return kind, fields(item.get("data"))


def _message(line: int, kind: str, data: dict[str, Any], names: dict[str, str]) -> Message | None:
    role = ROLES.get(kind)
    content: Any = data.get("content")
    if role is None or type(content) not in {str, list}:
        return None
    if role is Role.TOOL:
        return _tool(data, names)
    calls = tuple(_calls(line, data))
    parts = _contents(content)
    details: dict[str, Any] = {"data": _rest(data)}
    if parts is None:
        details["content"] = content
        parts = _texts(content)
    if isinstance(content, list):
        details["is_list"] = True
    # The first part carries what belongs to the whole message.
    parts = parts or (TextPart(content=""),)
    first = parts[0]
    own = (first.origin.details or {}) if first.origin else {}
    origin = Origin(provider=PROVIDER, id=data.get("id"), details={**details, **own})
    return Message(
        role=role, parts=(first.model_copy(update={"origin": origin}), *parts[1:], *calls)
    )


def _tool(data: dict[str, Any], names: dict[str, str]) -> Message | None:
    call_id = data.get("tool_call_id")
    if not isinstance(call_id, str):
        return None
    part = ToolResponsePart(
        id=call_id,
        name=data.get("name") or names.pop(call_id, ""),
        response=data["content"],
        status=CallStatus.FAILED if data.get("status") == ERROR else CallStatus.DONE,
        origin=Origin(provider=PROVIDER, id=data.get("id"), details={"data": _rest(data)}),
    )
    return Message(role=Role.TOOL, parts=(part,))


def _calls(line: int, data: dict[str, Any]) -> Iterator[ToolCallPart]:
    for number, call in enumerate(map(fields, listed(data.get("tool_calls")))):
        yield ToolCallPart(
            id=call.get("id") or f"call-{line}-{number}",
            name=call.get("name") or "",
            arguments=call.get("args") or {},
        )
    for number, call in enumerate(map(fields, listed(data.get("invalid_tool_calls")))):
        yield ToolCallPart(
            id=call.get("id") or f"invalid-{line}-{number}",
            name=call.get("name") or "",
            origin=Origin(provider=PROVIDER, details={"invalid": call}),
        )


def _contents(content: str | list[Any]) -> tuple[TextPart | UriPart, ...] | None:
    """Return content as parts; None if there is a block in it that no part can say."""
    if isinstance(content, str):
        return (TextPart(content=content),) if content else ()
    parts = [_block(block) for block in content]
    if any(part is None for part in parts):
        return None
    return tuple(part for part in parts if part is not None)


def _block(given: Any) -> TextPart | UriPart | None:
    if isinstance(given, str):
        return TextPart(content=given, origin=Origin(provider=PROVIDER, details={"is_text": True}))
    block = fields(given)
    image = fields(block.get("image_url"))
    if block.get("type") == "text" and isinstance(block.get("text"), str):
        rest = without(block, "type", "text")
        origin = Origin(provider=PROVIDER, details={"block": rest}) if rest else None
        return TextPart(content=block["text"], origin=origin)
    if set(block) == {"type", "image_url"} and isinstance(image.get("url"), str):
        origin = Origin(provider=PROVIDER, details={"image": without(image, "url")})
        return UriPart(modality="image", uri=image["url"], origin=origin)
    return None


def _texts(content: str | list[Any]) -> tuple[TextPart | UriPart, ...]:
    """Return the text of content whose other blocks are kept for their way back alone."""
    return tuple(
        TextPart(content=block["text"])
        for block in map(fields, listed(content))
        if isinstance(block.get("text"), str)
    )


def _rest(data: dict[str, Any]) -> dict[str, Any]:
    said = {"content", "tool_calls", "invalid_tool_calls", "tool_call_id", "status"}
    return {key: value for key, value in data.items() if key not in said and value is not None}


def _beside(line: int, data: dict[str, Any]) -> Iterator[Spent | Note]:
    """Yield the tokens that a message tells of, and what is kept for its way back alone."""
    for block in listed(data["content"]):
        kind = fields(block).get("type")
        if _block(block) is None and kind != "tool_use":
            yield Note(line, f"a block of type {kind!r}: kept for its way back alone")
    for call in map(fields, listed(data.get("invalid_tool_calls"))):
        yield Note(line, f"the arguments of call {call.get('id')}: they are no JSON object")
    if spent := fields(data.get("usage_metadata")):
        told = fields(data.get("response_metadata"))
        usage = _usage(spent)
        check_usage(line, usage)
        yield Spent(str(told.get("model_name") or told.get("model") or ""), usage)


def _usage(spent: dict[str, Any]) -> Usage:
    read = fields(spent.get("input_token_details"))
    written = fields(spent.get("output_token_details"))
    cached, kept = int(read.get("cache_read") or 0), int(read.get("cache_creation") or 0)
    return Usage(
        input_tokens=max(int(spent.get("input_tokens") or 0) - cached - kept, 0),
        output_tokens=spent.get("output_tokens") or 0,
        cache_read_tokens=cached,
        cache_write_tokens=kept,
        reasoning_tokens=written.get("reasoning") or 0,
    )
