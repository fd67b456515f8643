"""Plugins: code that gives every session tools, instructions and state of its own.

A `Plugin` is made once a process and may hold what is expensive; its `PluginSession` is made once
a session and holds what belongs to that session.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from typing_extensions import override

from sojourn.hooks import CompactionView
from sojourn.messages import Message
from sojourn.tools import AnyTool

HOOK_TIMEOUT = timedelta(seconds=5)


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
    """What a plugin does for one session; override what you need.

    Attributes:
        revision: move it (`self.revision += 1`) whenever the state changes: the snapshot is taken
            anew only if it moved. It is restored before `restore` is called.
    """

    revision: int = 0

    def tools(self) -> Sequence[AnyTool]:
        """Return the tools that the session gets."""
        return ()

    def instructions(self) -> str:
        """Return what to add to the agent's instructions."""
        return ""

    def snapshot(self) -> Any:
        """Return the state to store, as JSON."""
        return None

    def restore(self, state: Any) -> None:
        """Take a stored state, or None if there is none; the same one may come twice."""

    async def compact(self, view: CompactionView) -> Sequence[Message] | None:  # noqa: ARG002
        """Return the messages that a new frame begins with, or None to leave it to others.

        The plugin of the highest `priority` that answers wins; if none does, a model sums up.
        """
        return None

    def on_event(self, event: str, facts: Mapping[str, Any]) -> None:
        """Be told of `session_restored` or `turn_committed`; a failure changes nothing."""


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

    @abstractmethod
    def session(self, context: PluginContext) -> PluginSession:
        """Return the part for one session: cheaply, without input or output."""
