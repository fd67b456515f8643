"""From a pydantic-ai response to a `ModelAnswer`: message, finish reason, usage. No timestamps."""

from __future__ import annotations

from pydantic_ai.messages import ModelResponse
from pydantic_ai.usage import RequestUsage

from sojourn.adapters.models.messages import from_response
from sojourn.adapters.models.prompts import UnreadableError
from sojourn.errors import ModelGarbage, ModelUnavailable
from sojourn.messages import Message
from sojourn.models import FinishReason, ModelAnswer
from sojourn.usage import Usage

_FINISH = {
    "stop": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "content_filter": FinishReason.CONTENT_FILTER,
    "tool_call": FinishReason.TOOL_CALLS,
}


def answer_of(response: ModelResponse, model: str) -> ModelAnswer:
    """Read one response of `model`.

    Raises:
        ModelUnavailable: the provider itself ended the answer with an error.
        ModelGarbage: a part cannot be read.
    """
    if _gave_up(response):
        gone = ModelUnavailable(model=model, reason="the provider ended the answer with an error")
        gone.spent = _usage(response.usage)
        raise gone
    try:
        message = from_response(response)
    except UnreadableError as error:
        reason = str(error)
    else:
        return ModelAnswer(
            message=message,
            finish_reason=_finish(response, message),
            usage=_usage(response.usage),
            model=response.model_name or model,
        )
    garbage = ModelGarbage(model=model, reason=reason)
    garbage.spent = _usage(response.usage)
    raise garbage


def _gave_up(response: ModelResponse) -> bool:
    # Chat completions have no such reason; servers send it, and it is only passed on as written.
    written = (response.provider_details or {}).get("finish_reason")
    return "error" in {response.finish_reason, written}


def _finish(response: ModelResponse, message: Message) -> FinishReason:
    finish = _FINISH.get(response.finish_reason or "stop", FinishReason.STOP)
    # Servers say "stop" for calls that they were told to make, and "tool_calls" for none.
    if finish in {FinishReason.STOP, FinishReason.TOOL_CALLS}:
        return FinishReason.TOOL_CALLS if message.tool_calls else FinishReason.STOP
    return finish


def _usage(usage: RequestUsage) -> Usage:
    cached = usage.cache_read_tokens + usage.cache_write_tokens
    details = usage.details
    return Usage(
        input_tokens=max(0, usage.input_tokens - cached),
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        reasoning_tokens=details.get("reasoning_tokens", 0) or details.get("thoughts_tokens", 0),
    )
