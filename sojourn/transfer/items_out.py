"""Messages as openai-agents' items; what came from such items goes back as it came."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from sojourn.messages import (
    FilePart,
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
from sojourn.transfer.items_in import PROVIDER, TEXTS, URIS

OPENAI = "openai"


def items(message: Message) -> Iterator[dict[str, Any] | str]:
    """Yield a message's items, and as a text what none of them can say."""
    if message.role in {Role.USER, Role.SYSTEM}:
        yield _message(message.role.value, list(message.parts))
        return
    for _, together in groupby(_numbered(message.parts), key=lambda pair: pair[0]):
        parts = [part for _, part in together]
        first = parts[0]
        if isinstance(first, TextPart | UriPart | FilePart):
            yield _message(Role.ASSISTANT.value, list(parts))
        else:
            yield _item(first)


def _numbered(parts: tuple[Part, ...]) -> Iterator[tuple[int, Part]]:
    """Number the parts by the item that they belong to."""
    number = 0
    for part in parts:
        is_piece = "item" not in _details(part) and "piece" in _details(part)
        number += not is_piece
        yield number, part


def _item(part: Part) -> dict[str, Any] | str:
    rest = _details(part).get("item", {})
    if isinstance(part, ToolCallPart):
        written = _details(part).get("arguments")
        arguments = json.dumps(part.arguments) if written is None else written
        said = {"call_id": part.id, "name": part.name, "arguments": arguments}
        return {"type": "function_call", **rest, **said}
    if isinstance(part, ToolResponsePart):
        output = part.response
        if not rest and not isinstance(output, str):
            output = json.dumps(output, ensure_ascii=False)
        return {"type": "function_call_output", **rest, "call_id": part.id, "output": output}
    if isinstance(part, ReasoningPart):
        return _reasoning(part, rest)
    return f"a part of type {part.type}"


def _reasoning(part: ReasoningPart, rest: dict[str, Any]) -> dict[str, Any] | str:
    signature = {"encrypted_content": part.signature} if part.signature is not None else {}
    if rest:
        return {**rest, **signature}
    if part.origin is None or part.origin.provider != OPENAI or part.origin.id is None:
        return "reasoning of another provider"
    summary = [{"type": "summary_text", "text": part.content}] if part.content else []
    return {"type": "reasoning", "id": part.origin.id, "summary": summary, **signature}


def _message(role: str, parts: list[Part]) -> dict[str, Any]:
    details = _details(parts[0]) if parts else {}
    rest = details.get("item", {"role": role})
    texts = [part for part in parts if isinstance(part, TextPart)]
    if details.get("is_text") or ("item" not in details and len(texts) == len(parts)):
        return {**rest, "content": "".join(part.content for part in texts)}
    is_answer = role == Role.ASSISTANT.value
    return {**rest, "content": [_piece(part, is_answer=is_answer) for part in parts]}


def _piece(part: Part, *, is_answer: bool) -> dict[str, Any]:
    rest = _details(part).get("piece", {})
    if isinstance(part, UriPart):
        kind = rest.get("type") or ("input_image" if part.modality == "image" else "input_file")
        return {"type": kind, **rest, URIS[kind][1]: part.uri}
    kind = rest.get("type") or ("output_text" if is_answer else "input_text")
    if isinstance(part, TextPart):
        return {"type": kind, **rest, TEXTS[kind]: part.content}
    named = f"[attachment {part.file_id}, {part.mime_type}]" if isinstance(part, FilePart) else ""
    return {"type": kind, "text": named}


def _details(part: Part) -> dict[str, Any]:
    origin: Origin | None = getattr(part, "origin", None)
    return (origin.details or {}) if origin and origin.provider == PROVIDER else {}
