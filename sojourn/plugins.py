"""Plugins: code that gives every session tools, instructions and state of its own.

A `Plugin` is made once a process and may hold what is expensive; its `PluginSession` is made once
a session and holds what belongs to that session.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from typing_extensions import override

from sojourn.hooks import (
    AbortTurn,
    Answer,
    CompactionView,
    Condensed,
    Deny,
    Enqueue,
    Offer,
    PromptPart,
    ReplaceArguments,
    ReplaceResult,
    ToolCallView,
    ToolResultView,
    TurnView,
)
from sojourn.messages import Message
from sojourn.plugin_merge import merged
from sojourn.tools import AnyTool

HOOK_TIMEOUT = timedelta(seconds=5)

BeforeCall = AbortTurn | Deny | Answer | ReplaceArguments | None
AfterCall = AbortTurn | Deny | ReplaceResult | None
AtTurn = AbortTurn | Enqueue | None


@dataclass(frozen=True, slots=True)
class PluginContext:
    """The session that a plugin is asked to serve.

    Attributes:
        session_id: the session.
        agent: who answers in it.
        parent_session_id: the session that made it as its child, or None.
    """

    session_id: str
    agent: str = ""
    parent_session_id: str | None = None


class PluginSession:
    """What a plugin does for one session; override what you need: the rest is never asked.

    Hooks run where the turn's parts run, perhaps again after a crash: what is recorded counts.
    Those that may be async say so; a plain one runs on the event loop, so that it must not block.

    Attributes:
        revision: move it (`self.revision += 1`) whenever the state changes: the snapshot is taken
            anew only if it moved. It is restored before `restore` is called.
    """

    revision: int = 0

    def tools(self) -> Sequence[AnyTool]:
        """Return the tools that the session gets."""
        return ()

    def instructions(self) -> str | Sequence[PromptPart]:
        """Return what to add to the agent's instructions, before each question to the model."""
        return ""

    def offer(self, tool_ids: Sequence[str]) -> Offer | None:  # noqa: ARG002 - for the overriding
        """Return which of the session's tools to hide or to explain, before each question."""
        return None

    def snapshot(self) -> Any:
        """Return the state to store, as JSON."""
        return None

    def restore(self, state: Any) -> None:
        """Take a stored state, or None if there is none; the same one may come twice.

        It comes when the session is brought to life, and again when another worker has moved it.
        """

    def merge(self, base: Any, first: Any, second: Any) -> Any:
        """Return a state of two that were made of `base` side by side; it must be pure.

        By default objects are merged by key and lists that grew by their tails; else `second`.
        """
        return merged(base, first, second)

    def session_ready(self) -> None:
        """Be told, once, that every plugin of the session is built and restored."""

    def before_tool_call(self, call: ToolCallView) -> Awaitable[BeforeCall] | BeforeCall:  # noqa: ARG002
        """Say nothing, or `Deny`, `Answer`, `ReplaceArguments` or `AbortTurn`; may be async."""
        return None

    def after_tool_call(
        self,
        call: ToolCallView,  # noqa: ARG002
        result: ToolResultView,  # noqa: ARG002
    ) -> Awaitable[AfterCall] | AfterCall:
        """Say nothing, or `ReplaceResult`, `Deny` or `AbortTurn`; may be async."""
        return None

    def context(
        self, messages: Sequence[Message]
    ) -> Awaitable[Sequence[Message]] | Sequence[Message]:
        """Return what the model is sent instead, this once; by priority; may be async."""
        return messages

    def answer(self, message: Message) -> Message:
        """Return what is recorded of a model's answer: the same calls, perhaps with other text.

        It stands between a paid answer and its record: it must be quick, and do nothing else.
        """
        return message

    def before_turn(self, view: TurnView) -> Awaitable[AtTurn] | AtTurn:  # noqa: ARG002
        """Say nothing, `Enqueue` or `AbortTurn`, before the first question; may be async."""
        return None

    def checkpoint(self, view: TurnView) -> Awaitable[AtTurn] | AtTurn:  # noqa: ARG002
        """Say as `before_turn`, after a step's tools and after what would be the last answer.

        What is enqueued there lets the turn go on. May be async.
        """
        return None

    def after_turn(self, view: TurnView) -> Awaitable[Enqueue | None] | Enqueue | None:  # noqa: ARG002
        """Say nothing, or `Enqueue` for the next turn to see, before the commit; may be async."""
        return None

    async def compact(
        self,
        view: CompactionView,  # noqa: ARG002
    ) -> Sequence[Message] | Condensed | None:
        """Return the messages that a new frame begins with, or None to leave it to others.

        A `Condensed` tells what they have cost as well.

        The plugin of the highest `priority` that answers wins; if none does, a model sums up.
        """
        return None

    def on_event(self, event: str, facts: Mapping[str, Any]) -> None:
        """Be told of an event, perhaps twice; a failure changes nothing.

        `session_restored`, `turn_committed` (with `turn_id`), `frame_opened` (with `reason`) and
        `session_configured`; all have `session_id`.
        """


class Plugin(ABC):
    """A factory of session parts; subclass it.

    Attributes:
        id: the identity that stored state is kept under; the class's name by default.
        version: of the stored state; a new one has it stored anew.
        priority: the highest is asked first where one plugin's answer is enough, or where one
            works on what another made; equal ones in their order.
        hook_timeout: how long an async hook may take, compaction excepted.
    """

    id: str
    version: str = "1"
    priority: int = 0
    hook_timeout: timedelta = HOOK_TIMEOUT

    @override
    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "id" not in cls.__dict__:
            cls.id = cls.__name__

    def receive(self, text: str) -> str:
        """Return what is kept of a user's message: it is asked before the message is stored.

        The session may not be live yet, so that there is nothing else to go by.
        """
        return text

    @abstractmethod
    def session(self, context: PluginContext) -> PluginSession:
        """Return the part for one session: cheaply, without input or output."""
