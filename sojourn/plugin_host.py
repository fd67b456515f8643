"""The plugin host: builds the plugins' parts of sessions, and knows which sessions are live."""

from __future__ import annotations

from collections.abc import Sequence
from weakref import WeakValueDictionary

from sojourn import ids, plugin_state
from sojourn.errors import AssemblyError
from sojourn.plugin_faults import attributed, given, required
from sojourn.plugin_part import PluginPart
from sojourn.plugin_sessions import PluginSessions
from sojourn.plugins import Plugin, PluginContext, PluginSession


class PluginHost:
    """The plugins of a process, and a register of the sessions that they serve.

    A session is on the register while its `PluginSessions` are alive, or until it is taken off.
    """

    def __init__(self, plugins: Sequence[Plugin]) -> None:
        """Take the plugins, in their order.

        Raises:
            AssemblyError: two plugins have one id.
            InvalidId: a plugin's id is none.
        """
        names = [ids.checked("plugin", plugin.id) for plugin in plugins]
        for name in names:
            if names.count(name) > 1:
                raise AssemblyError(reason=f"two plugins are called {name!r}")
        self._plugins = tuple(plugins)
        self._live: WeakValueDictionary[str, PluginSessions] = WeakValueDictionary()

    def build(self, context: PluginContext, snapshot: bytes | None = None) -> PluginSessions:
        """Build every plugin's part of a session, restore every one, and tell every one so.

        What was never stored is restored too, with None.

        Raises:
            AssemblyError: the session is live already, or the snapshot is malformed.
            PluginFailed: a plugin raised, or gave what it must not; the session is not on the
                register then.
        """
        if context.session_id in self._live:
            raise AssemblyError(reason=f"session {context.session_id!r} is live in this process")
        entries = plugin_state.decode(snapshot)
        parts = [_built(plugin, context) for plugin in self._plugins]
        for part in parts:
            with attributed(part.plugin_id, "restore"):
                part.restore(entries.get(part.plugin_id))
            with attributed(part.plugin_id, "revision"):
                part.entry()
        for part in parts:
            with attributed(part.plugin_id, "session_ready"):
                given(part.session.session_ready())  # type: ignore[func-returns-value]
        built = PluginSessions(context.session_id, parts, entries)
        self._live[context.session_id] = built
        return built

    def receive(self, text: str) -> str:
        """Return what is kept of a user's message, each plugin working on what the last one left.

        Raises:
            PluginFailed: a plugin raised, or returned something else.
        """
        for plugin in self._plugins:
            with attributed(plugin.id, "receive"):
                text = required(str, plugin.receive(text))
                text.encode()  # fails for what is no Unicode text
        return text

    def unregister(self, session_id: str) -> None:
        """Take a session off the register; an unknown one is no error."""
        self._live.pop(session_id, None)

    def isolated(self) -> PluginHost:
        """Return a host of the same plugins with a register of its own.

        Workers use one, so that a rebuild never meets the session that it replaces.
        """
        return PluginHost(self._plugins)


def _built(plugin: Plugin, context: PluginContext) -> PluginPart:
    with attributed(plugin.id, "session"):
        return PluginPart(plugin, required(PluginSession, plugin.session(context)))
