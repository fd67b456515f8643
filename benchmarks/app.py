"""The app under measurement: one agent whose model answers at once."""

from __future__ import annotations

from collections.abc import Sequence

from sojourn import Agent, App
from sojourn.messages import Message, assistant
from sojourn.models import FinishReason, ModelAnswer
from sojourn.ports import Probe
from sojourn.testing import ScriptedModel
from sojourn.usage import Usage


def answer(_: Sequence[Message]) -> ModelAnswer:
    """Answer, without looking at what was said."""
    message = assistant("It is booked. " * 8)
    return ModelAnswer(message, FinishReason.STOP, Usage(input_tokens=30, output_tokens=30))


def app(store: str, probe: Probe) -> App:
    """Return the app on a store."""
    agent = Agent("bench", model=ScriptedModel(answer))
    return App(agents=[agent], store=store, probe=probe)
