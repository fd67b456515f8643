"""Metering: every answer that a model gave is paid for, whether or not anybody recorded it."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

from sojourn.journal import model_key
from sojourn.messages import Role
from sojourn.models import ModelAnswer, ModelRequest, TextDelta
from sojourn.ports import ModelProvider, Probe

# The model has answered and charged for it; its answer is on the way back to the runtime.
MODEL_PAID = "model.paid"


class MeteredModel:
    """A model whose every answer is noted in a log of purchases as it is given."""

    def __init__(self, model: ModelProvider, log: Path, probe: Probe) -> None:
        self._model = model
        self._log = log
        self._probe = probe

    async def complete(self, request: ModelRequest) -> ModelAnswer:
        """Answer, and charge."""
        answer = await self._model.complete(request)
        with self._log.open("a") as log:
            log.write(f"{step_key(request)}\n")
        await self._probe.reached(MODEL_PAID, request.session_id)
        return answer

    async def stream(self, request: ModelRequest) -> AsyncIterator[TextDelta | ModelAnswer]:
        """Answer in one piece, and charge."""
        yield await self.complete(request)


def step_key(request: ModelRequest) -> str:
    """Name the step that a request is for, as the journal does: counted from 1 in its turn."""
    step = 1
    for message in reversed(request.messages):
        if message.role is Role.USER:
            break
        step += message.role is Role.ASSISTANT
    return answer_key(request.session_id, request.turn_id, step)


def answer_key(session_id: str, turn_id: str, step: int) -> str:
    """Return the name of one model answer."""
    return f"{session_id}/{turn_id}/{model_key(step)}"


def purchases(log: Path) -> Counter[str]:
    """Return how often each answer was bought."""
    return Counter(log.read_text().splitlines())
