"""From what a server answers to what the model is told; bytes become attachments."""

from __future__ import annotations

import binascii
import json
from base64 import b64decode
from typing import Any

from mcp_types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
)

from sojourn.attachment import Attachment
from sojourn.attachments import SessionAttachments
from sojourn.errors import BlobStoreRequired, InvalidInput, SojournError, ToolRefused

MAX_ATTACHMENT_BYTES = 32_000_000
_ANY_BYTES = "application/octet-stream"


async def value_of(answer: CallToolResult, tool: str, attachments: SessionAttachments) -> Any:
    """Return a result as JSON, with attachments in it.

    Text alone is a text; structured content alone, or said again as text, is that content. Where
    there is more it is an object: `content`, the parts in their order, and `structured`.

    Raises:
        ToolRefused: the result says of itself that it is an error.
    """
    texts = [block.text for block in answer.content if isinstance(block, TextContent)]
    if answer.is_error:
        failure = ToolRefused(tool=tool, reason="it says that it failed")
        failure.detail = "\n".join(texts) or None
        raise failure
    structured = answer.structured_content
    if len(texts) == len(answer.content):
        return _plain(texts, structured)
    parts = [await _part(block, attachments) for block in answer.content]
    return {"content": parts} | ({} if structured is None else {"structured": structured})


def _plain(texts: list[str], structured: Any) -> Any:
    if structured is None:
        return texts[0] if len(texts) == 1 else "\n".join(texts)
    match structured:
        case {"result": only, **others} if not others:
            structured = only
        case _:
            pass
    if not texts or _says_again(texts, structured):
        return structured
    return {"content": texts, "structured": structured}


def _says_again(texts: list[str], structured: Any) -> bool:
    if structured in (texts, texts[0]):
        return True
    try:
        said = [json.loads(text) for text in texts]
    except ValueError:
        return False
    return structured in (said, said[0])


async def _part(block: ContentBlock, attachments: SessionAttachments) -> Any:
    match block:
        case TextContent():
            return block.text
        case ImageContent() | AudioContent():
            return await _kept(block.data, block.mime_type, attachments)
        case ResourceLink():
            return {"uri": block.uri, "name": block.name, "description": block.description or ""}
        case EmbeddedResource():
            return await _embedded(block.resource, attachments)


async def _embedded(
    held: TextResourceContents | BlobResourceContents, attachments: SessionAttachments
) -> dict[str, Any]:
    if isinstance(held, TextResourceContents):
        return {"uri": held.uri, "text": held.text}
    kept = await _kept(held.blob, held.mime_type or _ANY_BYTES, attachments)
    return {"uri": held.uri, "attachment": kept}


async def _kept(encoded: str, media_type: str, attachments: SessionAttachments) -> Attachment | str:
    """Keep bytes, or say why they are not there: the tool has run, whatever becomes of them."""
    try:
        body = b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return f"[{media_type}: not kept, since it is not Base64]"
    size = f"{media_type}, {len(body)} bytes"
    if len(body) > MAX_ATTACHMENT_BYTES:
        return f"[{size}: not kept, since the limit is {MAX_ATTACHMENT_BYTES}]"
    try:
        return await attachments.put(body, media_type)
    except InvalidInput:
        return await attachments.put(body, _ANY_BYTES)
    except BlobStoreRequired:
        return f"[{size}: not kept, since this app keeps no attachments]"
    except SojournError as error:
        return f"[{size}: not kept, since {type(error).__name__} came in the way]"
