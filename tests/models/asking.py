"""Asking the real provider on the loopback server."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta

import pytest

from sojourn.adapters.models.pydantic_ai import TIMEOUT, PydanticAIModel
from sojourn.errors import ModelError
from sojourn.messages import Message, user
from sojourn.models import ModelAnswer, ModelRequest, ModelSpec, TextDelta, ToolSpec
from tests.models.http_server import Asked, OpenAIServer, Reply

NAME = "openai-chat:scripted-1"
KEY = "sk-very-secret"
PROMPT = "a private prompt"
WEATHER = ToolSpec("weather", "Tells the weather.", {"type": "object", "properties": {}})


def question(
    *messages: Message, tools: Sequence[ToolSpec] = (), capacity: int | None = None
) -> ModelRequest:
    """Return a request of `messages`, or of one private prompt."""
    spec = ModelSpec(id=NAME, output_token_capacity=capacity)
    return ModelRequest(spec, "Be brief.", messages or (user(PROMPT),), tools)


@asynccontextmanager
async def serving(
    script: Sequence[Reply] | Callable[[Asked], Reply], patience: timedelta = TIMEOUT
) -> AsyncGenerator[tuple[OpenAIServer, PydanticAIModel], None]:
    """Yield a server and a provider that was opened, as users open it, on the server."""
    async with OpenAIServer(script) as server:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("OPENAI_BASE_URL", server.base_url)
            environment.setenv("OPENAI_API_KEY", KEY)
            model = PydanticAIModel(NAME, timeout=patience)
        async with aclosing(model):
            yield server, model


async def asked(model: PydanticAIModel, request: ModelRequest, *, streamed: bool) -> ModelAnswer:
    """Return the whole answer, by either way; the pieces of a stream must add up to it."""
    if not streamed:
        return await model.complete(request)
    pieces = [piece async for piece in model.stream(request)]
    answer = pieces.pop()
    assert isinstance(answer, ModelAnswer)
    assert "".join(p.text for p in pieces if isinstance(p, TextDelta)) == answer.message.text
    return answer


async def failing(
    reply: Reply, *, streamed: bool, patience: timedelta = TIMEOUT
) -> tuple[ModelError, OpenAIServer]:
    """Return what the provider raises when the server replies so, and the server."""
    async with serving([reply], patience) as (server, model):
        with pytest.raises(ModelError) as caught:
            await asked(model, question(), streamed=streamed)
    return caught.value, server
