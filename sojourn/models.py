"""Models: what is asked of one and what it answers, whoever provides it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

from sojourn.errors import InvalidInput
from sojourn.messages import Message
from sojourn.tool_spec import ToolSpec
from sojourn.usage import ModelPrice, Usage

__all__ = ["FinishReason", "ModelAnswer", "ModelRequest", "ModelSpec", "TextDelta", "ToolSpec"]


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
        price: what its tokens cost, or None if that is unknown: then no cost is told.

    Raises:
        InvalidInput: a number is not positive, or an answer would fill the whole window.
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore")

    id: str
    context_window_tokens: int | None = None
    output_token_capacity: int | None = None
    price: ModelPrice | None = None

    def __init__(
        self,
        id: str,  # noqa: A002 - it reads `ModelSpec("openai:gpt-5")`
        context_window_tokens: int | None = None,
        output_token_capacity: int | None = None,
        price: ModelPrice | None = None,
        **newer: Any,
    ) -> None:
        """Take a model's name and metadata; what a newer version stored besides is passed over."""
        del newer
        limits: dict[str, Any] = {
            "context_window_tokens": context_window_tokens,
            "output_token_capacity": output_token_capacity,
        }
        super().__init__(id=id, price=price, **limits)
        for name in limits:
            tokens: int | None = getattr(self, name)
            if tokens is not None and tokens <= 0:
                raise InvalidInput(reason=f"{name} of model {id!r} must be above 0")
        if self.context_window_tokens is not None and not self.room:
            reason = f"an answer of model {id!r} would fill its whole context window"
            raise InvalidInput(reason=reason)

    @property
    def room(self) -> int | None:
        """How many tokens of the window are left for input, or None if that is unknown."""
        if self.context_window_tokens is None:
            return None
        return max(0, self.context_window_tokens - (self.output_token_capacity or 0))


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
