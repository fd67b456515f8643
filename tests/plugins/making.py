"""What the laws of hooks are told with: plugins made of functions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from typing_extensions import override

from sojourn.host import SessionHost
from sojourn.plugin_host import PluginHost
from sojourn.plugin_sessions import PluginSessions
from sojourn.plugins import Plugin, PluginContext, PluginSession
from sojourn.requests import BeginTurn, TurnRef
from sojourn.turns import begin_turn

CONTEXT = PluginContext("s-1", "clerk")
CONTENT = "the patient said"


class Hooked(Plugin):
    """A plugin whose session has the hooks that it is given, as functions.

    Attributes:
        made: the session that was made last.
    """

    made: PluginSession

    def __init__(
        self, name: str = "hooked", /, *, priority: int = 0, seconds: float = 5, **hooks: Any
    ) -> None:
        self.id = name
        self.priority = priority
        self.hook_timeout = timedelta(seconds=seconds)
        self._hooks = hooks

    @override
    def session(self, context: PluginContext) -> PluginSession:
        made = PluginSession()
        vars(made).update(self._hooks)
        self.made = made
        return made


def built(*plugins: Plugin, snapshot: bytes | None = None) -> PluginSessions:
    """Build a session's parts on a host of its own."""
    return PluginHost(plugins).build(CONTEXT, snapshot)


def returning(value: Any) -> Any:
    """Return a hook that answers with `value`."""

    def hook(*_: Any) -> Any:
        return value

    return hook


def raising(*_: Any) -> None:
    """Fail, and quote content."""
    raise ValueError(CONTENT)


async def begun(host: SessionHost, turn_id: str = "t-1", text: str = "hello") -> TurnRef:
    """Begin a turn, or enter it again, as the owner that a workflow would be."""
    request = BeginTurn(
        session_id="s-1",
        turn_id=turn_id,
        text=text,
        owner_id="o",
        incarnation_id="i",
        agent="clerk",
    )
    opened = await begin_turn(host, request)
    return TurnRef(
        session_id="s-1",
        agent="clerk",
        turn_id=turn_id,
        fencing_token=opened.fencing_token,
        head_revision=opened.head_revision,
    )
