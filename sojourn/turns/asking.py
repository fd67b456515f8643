"""A question to a session's model: what the session is, as its plugins let it be seen."""

from __future__ import annotations

from collections.abc import Sequence

from sojourn.messages import Message
from sojourn.models import ModelRequest, ToolSpec
from sojourn.plugin_turns import offered, transformed
from sojourn.runtime import SessionRuntime


async def question(
    runtime: SessionRuntime, turn_id: str, messages: Sequence[Message], *last: Message
) -> tuple[ModelRequest, frozenset[str]]:
    """Return what to ask, and the ids of the tools that plugins hide.

    Args:
        runtime: the session.
        turn_id: the turn or operation that asks.
        messages: the conversation, which plugins may alter for this question.
        last: what is asked after it, and left as it is.

    Raises:
        PluginFailed: a plugin raised, or returned what cannot be.
    """
    tools, hidden = _offered(runtime)
    request = ModelRequest(
        model=runtime.model,
        instructions=runtime.instructions(),
        messages=[*await transformed(runtime.plugins, messages), *last],
        tools=tools,
        session_id=runtime.session_id,
        turn_id=turn_id,
    )
    return request, hidden


def _offered(runtime: SessionRuntime) -> tuple[Sequence[ToolSpec], frozenset[str]]:
    """Return the tools as the model sees them, and the ids of those that plugins hide."""
    if not runtime.plugins.having("offer"):
        return runtime.catalog.specs(), frozenset()
    return offered(runtime.plugins, runtime.catalog.shown())
