"""From a model's name to pydantic-ai's model, with what Sojourn wants of each vendor."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from pydantic_ai.exceptions import UserError
from pydantic_ai.models import Model, infer_model

from sojourn.errors import UnusableModel


def infer(model_id: str) -> Model:
    """Make the pydantic-ai model that `provider:model` names; nothing is sent yet.

    `openai:` speaks the Responses API to OpenAI itself, and chat completions to a server of one's
    own (`OPENAI_BASE_URL`), since few of those speak anything else.

    Raises:
        ImportError: the vendor's library is not installed.
        UnusableModel: no such vendor, or its settings are missing.
    """
    try:
        return _infer(model_id)
    except ImportError:
        raise
    except UserError as error:
        raise UnusableModel(model=model_id, reason=str(error).rstrip(".")) from None
    except Exception as error:  # noqa: BLE001 - each vendor's library has its own
        reason = f"its library raised {type(error).__name__}"
        raise UnusableModel(model=model_id, reason=reason) from None


def _infer(model_id: str) -> Model:
    vendor, _, name = model_id.partition(":")
    if vendor == "openai-chat" or (vendor == "openai" and _has_own_server()):
        return _chat(name)
    if vendor in {"openai", "openai-responses"}:
        return _responses(name)
    return infer_model(model_id)


def _has_own_server() -> bool:
    host = urlsplit(os.environ.get("OPENAI_BASE_URL", "")).hostname
    return host is not None and host != "openai.com" and not host.endswith(".openai.com")


def _chat(name: str) -> Model:
    from pydantic_ai.models.openai import OpenAIChatModel  # noqa: PLC0415 - optional
    from pydantic_ai.profiles.openai import OpenAIModelProfile  # noqa: PLC0415 - optional

    # Without a finish reason, a stream that broke off would pass for a whole answer.
    profile = OpenAIModelProfile(openai_chat_streaming_requires_finish_reason=True)
    return OpenAIChatModel(name, profile=profile)


def _responses(name: str) -> Model:
    from pydantic_ai.models.openai import (  # noqa: PLC0415 - optional
        OpenAIResponsesModel,
        OpenAIResponsesModelSettings,
    )

    # The session's store is the one place where a conversation is kept.
    return OpenAIResponsesModel(name, settings=OpenAIResponsesModelSettings(openai_store=False))
