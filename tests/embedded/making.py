"""What the laws of embedded sessions are told with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sojourn import Agent, App
from sojourn.adapters.open import opened_store
from sojourn.messages import Message, Role
from sojourn.ports import ModelProvider, SessionStore
from sojourn.testing import ScriptedModel
from sojourn.tools import AnyTool
from sojourn.view import SessionView, view_session
from tests.support.gate import Gate
from tests.support.scene import Script, echo

SESSION = "chat-1"

Call = tuple[str, Mapping[str, Any]]


def app_of(
    store: str | SessionStore,
    script: Script | ModelProvider = echo,
    *tools: AnyTool,
    agent: Mapping[str, Any] | None = None,
    **options: Any,
) -> App:
    """Return an app of one agent, `agent` and `options` being what the two are made with."""
    model = ScriptedModel(script) if callable(script) else script
    clerk = Agent("clerk", model=model, **(agent or {}))
    return App(agents=[clerk], tools=tools, store=store, **options)


class Slow:
    """A script that stands at its gate when it is told to wait, and echoes otherwise."""

    def __init__(self) -> None:
        self.gate = Gate()

    async def __call__(self, messages: Sequence[Message]) -> str:
        """Answer, or wait at the gate first."""
        if messages[-1].text == "wait":
            await self.gate.enter()
        return echo(messages)


class GateAt:
    """A probe with a gate at one point of a turn."""

    def __init__(self, point: str) -> None:
        self.gate = Gate()
        self._point = point

    async def reached(self, point: str, session_id: str) -> None:  # noqa: ARG002 - a Probe
        """Stand still at the point until the gate is open."""
        if point == self._point:
            await self.gate.enter()


class Answers:
    """A script that gives one answer after the other: text, calls, or an error to raise."""

    def __init__(self, *answers: str | list[Call] | BaseException) -> None:
        self._answers = list(answers)
        self.asked: list[Sequence[Message]] = []

    def __call__(self, messages: Sequence[Message]) -> str | list[Call]:
        """Give the next answer; the last one for ever."""
        self.asked.append(list(messages))
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, BaseException):
            raise answer
        return answer


def statuses(messages: Sequence[Message]) -> list[str]:
    """Return how the tool calls of a conversation ended, as the model is told."""
    return [part.status.value for message in messages for part in message.tool_responses]


def unanswered(view: SessionView) -> set[str]:
    """Return the ids of tool calls that no response follows."""
    calls = _parts(view, "tool_call")
    return calls - _parts(view, "tool_call_response")


def user_texts(view: SessionView) -> list[str]:
    """Return what the user said."""
    return [message.text for message in view.messages if message.role == Role.USER]


async def seen(store_url: str, session_id: str = SESSION) -> SessionView:
    """Read a session by a connection of its own."""
    async with opened_store(store_url) as store:
        return await view_session(store, session_id)


async def problems(store_url: str) -> list[str]:
    """Return what is wrong in a store."""
    async with opened_store(store_url) as store:
        return [problem.problem async for problem in store.check()]


def _parts(view: SessionView, kind: str) -> set[str]:
    parts = (part for message in view.messages for part in message.parts)
    return {part["id"] for part in parts if part["type"] == kind}
