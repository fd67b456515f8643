"""Opening a model by name: the one place that imports provider libraries, optional and slow."""

from __future__ import annotations

from sojourn.errors import MissingExtra, UnusableModel
from sojourn.models import ModelSpec
from sojourn.ports import OpenedModel

_EXTRAS = {
    "openai": "openai",
    "openai-chat": "openai",
    "openai-responses": "openai",
    "anthropic": "anthropic",
    "google": "google",
    "google-cloud": "google",
}


def open_model(spec: ModelSpec) -> OpenedModel:
    """Open the model that `spec.id` names (`openai:gpt-5`), importing its library only now.

    Keys and addresses come from the vendor's own environment variables.

    Raises:
        MissingExtra: the vendor's library is not installed.
        UnusableModel: the id names no known vendor, or the vendor's settings are missing.
    """
    vendor, _, name = spec.id.partition(":")
    if not vendor or not name:
        reason = "write it as provider:model, such as openai:gpt-5"
        raise UnusableModel(model=spec.id, reason=reason)
    try:
        from sojourn.adapters.models.pydantic_ai import PydanticAIModel  # noqa: PLC0415 - optional
    except ImportError:
        raise MissingExtra(model=spec.id, package=_package(vendor)) from None
    try:
        return PydanticAIModel(spec.id)
    except ImportError:
        raise MissingExtra(model=spec.id, package=_package(vendor)) from None


def _package(vendor: str) -> str:
    if vendor in _EXTRAS:
        return f"sojourn[{_EXTRAS[vendor]}]"
    return f"pydantic-ai-slim[{vendor}]"
