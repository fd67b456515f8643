"""Models: what is asked of one and what it answers, whoever provides it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

from sojourn.messages import Message
from sojourn.usage import Usage


class FinishReason(StrEnum):
    """Why a model stopped."""

    STOP = "stop"
    TOOL_CALLS = "tool_calls"
    LENGTH = "length"
    CONTENT_FILTER = "content_filter"


class ModelSpec(BaseModel):
    """A model by name, with the metadata that only the host can know.

    Attributes:
        id: `provider:model`, such as `openai:gpt-5`.
        context_window_tokens: input and output together, or None if unknown.
        output_token_capacity: the most that one answer may have, or None for the provider's own.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    context_window_tokens: int | None = None
    output_token_capacity: int | None = None


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as a model sees it; `input_schema` is a JSON schema of an object."""

    name: str
    description: str
    input_schema: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One question to a model."""

    model: ModelSpec
    instructions: str
    messages: Sequence[Message]
    tools: Sequence[ToolSpec] = ()
    session_id: str = ""
    turn_id: str = ""


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """One answer: an assistant's message, why it ended, and what it cost."""

    message: Message
    finish_reason: FinishReason
    usage: Usage = field(default_factory=Usage)
    model: str = ""


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of an answer's text, as it is streamed; the whole answer comes last."""

    text: str
