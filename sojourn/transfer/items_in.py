"""openai-agents' items as messages: an answer's items, one after the other, are one message."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic_core import from_json

from sojourn.errors import Untransferable
from sojourn.messages import (
    Message,
    Origin,
    Part,
    ReasoningPart,
    Role,
    TextPart,
    ToolCallPart,
    ToolResponsePart,
    UriPart,
)
from sojourn.transfer.conversation import Heard, Opaque, Said
from sojourn.transfer.loose import fields, listed, without
from sojourn.transfer.source import Item

PROVIDER = "openai-agents"
ROLES = {"user": Role.USER, "system": Role.SYSTEM, "developer": Role.SYSTEM}
TEXTS = {"input_text": "text", "output_text": "text", "text": "text", "refusal": "refusal"}
URIS = {"input_image": ("image", "image_url"), "input_file": ("document", "file_url")}


def heard(items: Iterator[Item]) -> Iterator[Heard]:
    """Yield what a conversation's items say.

    Raises:
        Untransferable: an item is no object.
    """
    answer = _Answer()
    for line, found in items:
        item = fields(found)
        if not item or not isinstance(item.get("type", ""), str):
            raise Untransferable(line=line, reason="it is no JSON object of an item's kind")
        try:
            told = list(answer.take(line, item))
        except (AttributeError, TypeError, ValueError):
            raise Untransferable(line=line, reason="it is no item of openai-agents") from None
        yield from told
    yield from answer.flushed()


class _Answer:
    """The items of an answer that is being put together, and the names of its calls."""

    def __init__(self) -> None:
        self._line = 0
        self._parts: list[Part] = []
        self._after: list[Opaque] = []
        self._names: dict[str, str] = {}

    def take(self, line: int, item: dict[str, Any]) -> Iterator[Heard]:
        """Take in an item; yield what is complete with it."""
        kind = item.get("type", "message")
        role = item.get("role") if kind == "message" else None
        parts = _answering(kind, role, item)
        if parts is not None:
            self._line = self._line or line
            self._parts += parts
            self._names |= {p.id: p.name for p in parts if isinstance(p, ToolCallPart)}
            return
        said = self._other(kind, role, item)
        if said is not None:
            yield from self.flushed()
            yield Said(line, said)
        elif any(isinstance(part, ToolCallPart) for part in self._parts):
            # Between a call and its result nothing can stand.
            self._after.append(Opaque(line, item))
        else:
            yield from self.flushed()
            yield Opaque(line, item)

    def flushed(self) -> Iterator[Heard]:
        """Yield the answer so far, if there is one."""
        if self._parts:
            yield Said(self._line, Message(role=Role.ASSISTANT, parts=tuple(self._parts)))
        yield from self._after
        self._line, self._parts, self._after = 0, [], []

    def _other(self, kind: str, role: str | None, item: dict[str, Any]) -> Message | None:
        if kind == "function_call_output" and isinstance(item.get("call_id"), str):
            call_id = item["call_id"]
            part = ToolResponsePart(
                id=call_id,
                name=self._names.pop(call_id, ""),
                response=item.get("output"),
                origin=_origin(item, "call_id", "output"),
            )
            return Message(role=Role.TOOL, parts=(part,))
        if role in ROLES:
            parts = _contents(item)
            return Message(role=ROLES[role], parts=parts) if parts is not None else None
        return None


def _answering(kind: str, role: str | None, item: dict[str, Any]) -> tuple[Part, ...] | None:
    """Return an item as parts of an answer; None if it is no such part."""
    if role == "assistant":
        return _contents(item)
    if kind == "function_call" and _has_texts(item, "call_id", "name"):
        arguments, raw = _arguments(item.get("arguments"))
        origin = _origin(item, "call_id", "name", "arguments", **raw)
        call = ToolCallPart(
            id=item["call_id"], name=item["name"], arguments=arguments, origin=origin
        )
        return (call,)
    if kind == "reasoning":
        said = [*listed(item.get("summary")), *listed(item.get("content"))]
        text = "\n\n".join(str(fields(each).get("text", "")) for each in said)
        signature = item.get("encrypted_content")
        origin = _origin(item, "encrypted_content")
        return (ReasoningPart(content=text, signature=signature, origin=origin),)
    return None


def _contents(item: dict[str, Any]) -> tuple[Part, ...] | None:
    """Return a message's content; None if a part of it is nothing that a message can say."""
    content = item.get("content")
    if isinstance(content, str):
        return (TextPart(content=content, origin=_origin(item, "content", is_text=True)),)
    parts = [part for part in map(_content, listed(content)) if part is not None]
    if not parts or len(parts) < len(listed(content)):
        return None
    first, *rest = parts
    whole = _origin(item, "content")
    own = (first.origin.details or {}) if first.origin else {}
    details = {**(whole.details or {}), **own}
    origin = whole.model_copy(update={"details": details})
    return (first.model_copy(update={"origin": origin}), *rest)


def _content(found: Any) -> TextPart | UriPart | None:
    given = fields(found)
    kind = str(given.get("type"))
    if kind in TEXTS and _has_texts(given, TEXTS[kind]):
        text = TEXTS[kind]
        return TextPart(content=given[text], origin=_piece(given, text))
    modality, name = URIS.get(kind, ("", ""))
    if _has_texts(given, name):
        return UriPart(modality=modality, uri=given[name], origin=_piece(given, name))
    return None


def _piece(given: dict[str, Any], name: str) -> Origin:
    return Origin(provider=PROVIDER, details={"piece": without(given, name)})


def _origin(item: dict[str, Any], *said: str, **more: Any) -> Origin:
    details = {"item": without(item, *said), **more}
    return Origin(provider=PROVIDER, id=item.get("id"), details=details)


def _arguments(given: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a call's arguments, and what the model wrote if that is no JSON object."""
    try:
        found = from_json(given, allow_inf_nan=False)
        # What overflows, such as 1e400, would come back as no JSON.
        json.dumps(found, allow_nan=False)
    except (TypeError, ValueError):
        found = None
    return (fields(found), {}) if isinstance(found, dict) else ({}, {"arguments": given})


def _has_texts(item: dict[str, Any], *names: str) -> bool:
    return all(isinstance(item.get(name), str) for name in names)
