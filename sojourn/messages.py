"""Messages as they stand in nodes: role and parts, after OpenTelemetry's GenAI conventions.

Source: the JSON schemas of `gen_ai.input.messages` and `gen_ai.output.messages` in the
OpenTelemetry semantic conventions for generative AI. Ours add `status` and `arguments` to a
tool's response, `origin` to what a model wrote, and `size_bytes` to a file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pydantic_core import PydanticSerializationError

from sojourn.attachment import Attachment

SCHEMA_VERSION = 1
_MODALITIES = ("image", "audio", "video")


class Role(StrEnum):
    """Who speaks."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


class CallStatus(StrEnum):
    """How a tool call ended: `UNKNOWN` means that its effect may or may not have happened."""

    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"
    DENIED = "denied"


class _Part(BaseModel):
    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore")


class Origin(_Part):
    """What a provider, or another library's format, wants back with a part, kept as it came."""

    provider: str
    id: str | None = None
    details: dict[str, Any] | None = None


class TextPart(_Part):
    """Plain text."""

    type: Literal["text"] = "text"
    content: str
    origin: Origin | None = None


class ReasoningPart(_Part):
    """The model's reasoning, with the provider's signature when it wants it back."""

    type: Literal["reasoning"] = "reasoning"
    content: str
    signature: str | None = None
    origin: Origin | None = None


class ToolCallPart(_Part):
    """The model's wish to call a tool; `arguments` is what it wrote, parsed as JSON."""

    type: Literal["tool_call"] = "tool_call"
    id: str
    name: str
    arguments: dict[str, Any] = Field(default_factory=dict)
    origin: Origin | None = None


class ToolResponsePart(_Part):
    """What came of the tool call with the same `id`.

    `arguments` is what the tool was called with, if a plugin changed what the model wrote.
    """

    type: Literal["tool_call_response"] = "tool_call_response"
    id: str
    name: str = ""
    response: Any = None
    status: CallStatus = CallStatus.DONE
    arguments: dict[str, Any] | None = None
    origin: Origin | None = None


class UriPart(_Part):
    """Content that stands elsewhere."""

    type: Literal["uri"] = "uri"
    modality: str
    uri: str
    mime_type: str | None = None
    origin: Origin | None = None


class FilePart(_Part):
    """Content kept as an attachment, named by its content address."""

    type: Literal["file"] = "file"
    modality: str
    file_id: str
    mime_type: str | None = None
    size_bytes: int | None = None


Part = Annotated[
    TextPart | ReasoningPart | ToolCallPart | ToolResponsePart | UriPart | FilePart,
    Field(discriminator="type"),
]


class Message(BaseModel):
    """One message of a conversation."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore")

    v: int = SCHEMA_VERSION
    role: Role
    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        """The text parts, joined."""
        return "".join(part.content for part in self.parts if isinstance(part, TextPart))

    @property
    def tool_calls(self) -> tuple[ToolCallPart, ...]:
        """The tool calls, in the model's order."""
        return tuple(part for part in self.parts if isinstance(part, ToolCallPart))

    @property
    def tool_responses(self) -> tuple[ToolResponsePart, ...]:
        """The tool responses, in order."""
        return tuple(part for part in self.parts if isinstance(part, ToolResponsePart))

    def well_formed(self) -> Message:
        """Return this message as Unicode text: a surrogate without its partner is U+FFFD.

        Models write such halves, of an emoji that was cut in two; nobody can store or send them.
        """
        try:
            self.encode()
        except PydanticSerializationError:
            text = json.dumps(self.model_dump(exclude_none=True), ensure_ascii=False)
            whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
            return Message.model_validate_json(whole)
        return self

    def encode(self) -> bytes:
        """Return the bytes to store; hash these, never a later re-serialisation."""
        return _ADAPTER.dump_json(self, exclude_none=True)

    @classmethod
    def decode(cls, body: bytes) -> Message:
        """Read stored bytes; unknown fields of a newer writer are ignored."""
        return _ADAPTER.validate_json(body)


_ADAPTER: TypeAdapter[Message] = TypeAdapter(Message)


def user(text: str) -> Message:
    """Return a user's message of one text."""
    return Message(role=Role.USER, parts=(TextPart(content=text),))


def assistant(text: str, *calls: ToolCallPart) -> Message:
    """Return an assistant's message of `text` (none if empty) and tool `calls`."""
    parts: tuple[Part, ...] = (TextPart(content=text),) if text else ()
    return Message(role=Role.ASSISTANT, parts=parts + calls)


def file_part(attachment: Attachment) -> FilePart:
    """Return what stands in a message for an attachment: a reference, never its bytes."""
    main, _, _ = attachment.media_type.partition("/")
    return FilePart(
        modality=main if main in _MODALITIES else "document",
        file_id=attachment.attachment_id,
        mime_type=attachment.media_type,
        size_bytes=attachment.size_bytes,
    )


def ran_with(message: Message, arguments: dict[str, Any]) -> Message:
    """Return the response `message` with what its tool was called with."""
    parts = (
        part.model_copy(update={"arguments": arguments})
        if isinstance(part, ToolResponsePart)
        else part
        for part in message.parts
    )
    return message.model_copy(update={"parts": tuple(parts)})


def tool_response(
    call_id: str,
    name: str,
    response: Any,
    status: CallStatus,
    attachments: Iterable[Attachment] = (),
) -> Message:
    """Return the message that answers one tool call, with references to what it has kept."""
    part = ToolResponsePart(id=call_id, name=name, response=response, status=status)
    return Message(role=Role.TOOL, parts=(part, *map(file_part, attachments)))
