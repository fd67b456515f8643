"""A model without a network: a function decides what it answers."""

from __future__ import annotations

import inspect
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from typing import Any

from pydantic import JsonValue, TypeAdapter, ValidationError

from sojourn.errors import ModelGarbage
from sojourn.messages import Message, ToolCallPart, assistant
from sojourn.models import FinishReason, ModelAnswer, ModelRequest, ModelSpec, TextDelta
from sojourn.usage import Usage

Scripted = str | Sequence[tuple[str, Mapping[str, Any]]] | ModelAnswer
Script = Callable[[Sequence[Message]], Scripted | Awaitable[Scripted]]

_WORD = re.compile(r"\S+\s*|\s+")
_BYTES_PER_TOKEN = 4
_MAX_MEASURED = 1000
_CALLS = TypeAdapter(list[tuple[str, dict[str, JsonValue]]])


class ScriptedModel:
    """A model that answers what `fn(messages)` returns: the same messages, the same answer.

    Args:
        fn: takes the conversation; returns a text, or a list of tool calls `(name, arguments)`, or
            a whole `ModelAnswer`; may be async; what it raises is what the model raises.
        spec: what the model is called, and how much it can read.

    Attributes:
        calls: how many times the model was asked.
    """

    def __init__(self, fn: Script, spec: ModelSpec | None = None) -> None:
        self._fn = fn
        self.spec = spec
        self._sizes: dict[str, tuple[int, Message, int]] = {}
        self.calls = 0

    async def complete(self, request: ModelRequest) -> ModelAnswer:
        """Answer what the script says.

        Raises:
            ModelGarbage: the script returned neither a text, nor tool calls, nor an answer.
        """
        self.calls += 1
        scripted = self._fn(request.messages)
        if inspect.isawaitable(scripted):
            scripted = await scripted
        if isinstance(scripted, ModelAnswer):
            return scripted
        message = _message(scripted, request)
        finish = FinishReason.TOOL_CALLS if message.tool_calls else FinishReason.STOP
        return ModelAnswer(message, finish, self._usage(request, message), request.model.id)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[TextDelta | ModelAnswer, None]:
        """Answer word by word, then whole."""
        answer = await self.complete(request)
        for word in _WORD.findall(answer.message.text):
            yield TextDelta(word)
        yield answer

    def _usage(self, request: ModelRequest, answer: Message) -> Usage:
        read = len(request.instructions.encode()) + self._size(request)
        return Usage(input_tokens=_tokens(read), output_tokens=_tokens(len(answer.encode())))

    def _size(self, request: ModelRequest) -> int:
        # A conversation grows at its end: measuring it whole would make long sessions slow.
        messages = request.messages
        count, last, size = self._sizes.get(request.session_id, (0, None, 0))
        if count > len(messages) or (count and messages[count - 1] is not last):
            count = size = 0
        size += sum(len(message.encode()) for message in messages[count:])
        if len(self._sizes) >= _MAX_MEASURED:
            self._sizes.clear()
        if messages:
            self._sizes[request.session_id] = (len(messages), messages[-1], size)
        return size


def _message(scripted: object, request: ModelRequest) -> Message:
    if isinstance(scripted, str):
        return assistant(scripted)
    try:
        written = _CALLS.validate_python(scripted)
    except ValidationError:
        written = []
    if not written:
        reason = "the script returned neither text nor (name, JSON arguments) nor an answer"
        raise ModelGarbage(model=request.model.id, reason=reason)
    position = len(request.messages)
    return assistant(
        "",
        *(
            ToolCallPart(id=f"call-{position}-{index}", name=name, arguments=arguments)
            for index, (name, arguments) in enumerate(written)
        ),
    )


def _tokens(size_bytes: int) -> int:
    return -(-size_bytes // _BYTES_PER_TOKEN)
