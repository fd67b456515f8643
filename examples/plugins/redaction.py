"""Redaction: what looks like a secret is taken out before it is stored or sent to a model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, cast

from typing_extensions import override

from sojourn import Plugin
from sojourn.hooks import ReplaceResult, ToolCallView, ToolResultView
from sojourn.messages import Message, Part, TextPart, ToolCallPart, ToolResponsePart
from sojourn.plugins import PluginContext, PluginSession

MASK = "[redacted]"
PATTERNS = (
    r"\bsk-[A-Za-z0-9_-]{16,}",
    r"\bAKIA[0-9A-Z]{16}\b",
    r"\bgh[pousr]_[A-Za-z0-9]{20,}",
    r"\bxox[abprs]-[A-Za-z0-9-]{10,}",
    r"(?i:\bbearer )[A-Za-z0-9._~+/-]{16,}=*",
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
)


class Redaction(Plugin):
    """Masks what matches a pattern in messages, answers, tools' arguments and results.

    Messages and results are masked before they are stored, and so are the model's own words and
    the arguments that tools are then called with. What stood in the session before the plugin
    came is masked whenever it is sent.
    """

    priority = -100  # the last to work on what is sent

    def __init__(self, patterns: Iterable[str] = PATTERNS) -> None:
        """Take regular expressions; their whole match is masked."""
        self._pattern = re.compile("|".join(f"(?:{pattern})" for pattern in patterns))

    def masked(self, value: Any) -> Any:
        """Return JSON with every text masked, the keys of objects too."""
        if isinstance(value, str):
            return self._pattern.sub(MASK, value)
        if isinstance(value, list):
            return list(map(self.masked, cast("Sequence[Any]", value)))
        if isinstance(value, dict):
            items = cast("dict[str, Any]", value).items()
            return {self.masked(key): self.masked(item) for key, item in items}
        return value

    def message(self, message: Message) -> Message:
        """Return a message with its text, arguments and responses masked."""
        parts = tuple(self._part(part) for part in message.parts)
        return message.model_copy(update={"parts": parts})

    @override
    def receive(self, text: str) -> str:
        masked: str = self.masked(text)
        return masked

    @override
    def session(self, context: PluginContext) -> PluginSession:
        return _Session(self)

    def _part(self, part: Part) -> Part:
        match part:
            case TextPart():
                return part.model_copy(update={"content": self.masked(part.content)})
            case ToolCallPart():
                return part.model_copy(update={"arguments": self.masked(part.arguments)})
            case ToolResponsePart():
                return part.model_copy(update={"response": self.masked(part.response)})
            case _:
                return part


class _Session(PluginSession):
    def __init__(self, redaction: Redaction) -> None:
        self._redaction = redaction

    @override
    def answer(self, message: Message) -> Message:
        return self._redaction.message(message)

    @override
    def context(self, messages: Sequence[Message]) -> Sequence[Message]:
        return [self._redaction.message(message) for message in messages]

    @override
    def after_tool_call(self, call: ToolCallView, result: ToolResultView) -> ReplaceResult | None:
        masked = self._redaction.masked(result.response)
        return ReplaceResult(masked) if masked != result.response else None
