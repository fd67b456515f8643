"""Models behind pydantic-ai's direct API: one request, no retries, no instrumentation."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import timedelta

from pydantic_ai.direct import model_request, model_request_stream
from pydantic_ai.messages import (
    InstructionPart,
    ModelResponse,
    ModelResponseStreamEvent,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
)
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition

from sojourn.adapters.models.answers import answer_of
from sojourn.adapters.models.failures import failure
from sojourn.adapters.models.messages import to_provider
from sojourn.adapters.models.vendors import infer
from sojourn.errors import ModelGarbage
from sojourn.models import ModelAnswer, ModelRequest, TextDelta, ToolSpec

TIMEOUT = timedelta(minutes=10)


class PydanticAIModel:
    """A model that pydantic-ai can reach, asked once a call: whoever calls does the retrying.

    It belongs to the event loop that first uses it. Cancelling a call closes its connection.

    Args:
        model: `provider:model`, or a pydantic-ai model of one's own.
        settings: pydantic-ai's settings, which win over the defaults here.
        timeout: the most that one call may take, streaming included.
    """

    def __init__(
        self,
        model: str | Model,
        *,
        settings: ModelSettings | None = None,
        timeout: timedelta = TIMEOUT,
    ) -> None:
        self._model = infer(model) if isinstance(model, str) else model
        self._settings = _defaults(self._model, timeout) | (settings or ModelSettings())

    async def complete(self, request: ModelRequest) -> ModelAnswer:
        """Answer whole, or raise as `ModelProvider` says."""
        try:
            response = await model_request(
                self._model,
                to_provider(request.messages),
                model_settings=self._settings_for(request),
                model_request_parameters=_parameters(request),
                instrument=False,
            )
            return answer_of(response, request.model.id)
        except Exception as error:  # noqa: BLE001 - none may pass: they quote content
            failed = failure(request.model.id, error)
        raise failed

    async def stream(self, request: ModelRequest) -> AsyncGenerator[TextDelta | ModelAnswer, None]:
        """Answer in pieces of text, then whole; a stream that breaks off yields no answer."""
        try:
            async with model_request_stream(
                self._model,
                to_provider(request.messages),
                model_settings=self._settings_for(request),
                model_request_parameters=_parameters(request),
                instrument=False,
            ) as events:
                async for event in events:
                    if text := _text(event):
                        yield TextDelta(text)
            answer = answer_of(_whole(events.get(), request.model.id), request.model.id)
        except Exception as error:  # noqa: BLE001 - none may pass: they quote content
            failed = failure(request.model.id, error)
        else:
            yield answer
            return
        raise failed

    async def aclose(self) -> None:
        """Close the connections that are kept open; closing twice is harmless."""
        # Leaving a model closes its client; there is no other way to say it.
        async with self._model:
            pass

    def _settings_for(self, request: ModelRequest) -> ModelSettings:
        capacity = request.model.output_token_capacity
        if capacity is None:
            return self._settings
        return ModelSettings(max_tokens=capacity) | self._settings


def _defaults(model: Model, timeout: timedelta) -> ModelSettings:
    settings = ModelSettings(request_timeout=timeout.total_seconds())
    if "max_retries" not in model.unsupported_settings:
        settings["max_retries"] = 0
    return settings


def _parameters(request: ModelRequest) -> ModelRequestParameters:
    instructions = [InstructionPart(request.instructions)] if request.instructions else []
    return ModelRequestParameters(
        function_tools=[_tool(spec) for spec in request.tools], instruction_parts=instructions
    )


def _tool(spec: ToolSpec) -> ToolDefinition:
    return ToolDefinition(
        name=spec.name,
        description=spec.description,
        parameters_json_schema=spec.input_schema,
    )


def _text(event: ModelResponseStreamEvent) -> str:
    if isinstance(event, PartStartEvent) and isinstance(event.part, TextPart):
        return event.part.content
    if isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
        return event.delta.content_delta
    return ""


def _whole(response: ModelResponse, model: str) -> ModelResponse:
    if response.state != "complete":
        raise ModelGarbage(model=model, reason=f"the stream ended {response.state}")
    return response
