"""The plugin host: builds the plugins' parts of sessions, and knows which sessions are live."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from sojourn import ids, plugin_state
from sojourn.errors import AssemblyError, PluginFailed
from sojourn.plugin_state import PluginEntry
from sojourn.plugins import Plugin, PluginContext, PluginSession
from sojourn.raised import place_of
from sojourn.tools import AnyTool

T = TypeVar("T")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Part:
    """One plugin's part of one session."""

    plugin: Plugin
    session: PluginSession

    @property
    def entry(self) -> PluginEntry:
        return PluginEntry(version=self.plugin.version, revision=self.session.revision)

    def captured(self) -> PluginEntry:
        state = plugin_state.as_json(self.session.snapshot())
        return self.entry.model_copy(update={"state": state})

    def restore(self, entry: PluginEntry | None) -> None:
        if entry is not None:
            self.session.revision = entry.revision
        self.session.restore(copy.deepcopy(entry.state) if entry is not None else None)


class PluginSessions:
    """All plugins' parts of one session, in the order of registration."""

    def __init__(
        self, session_id: str, parts: Sequence[_Part], entries: Mapping[str, PluginEntry]
    ) -> None:
        self.session_id = session_id
        self._parts = {part.plugin.id: part for part in parts}
        self._stored = dict(entries)

    def tools(self) -> list[AnyTool]:
        """Return the plugins' tools.

        Raises:
            PluginFailed: a plugin raised.
        """
        return [tool for tools in self._ask("tools", lambda part: part.tools()) for tool in tools]

    def instructions(self) -> str:
        """Return what the plugins add to the instructions, as paragraphs.

        Raises:
            PluginFailed: a plugin raised.
        """
        texts = self._ask("instructions", lambda part: part.instructions())
        return "\n\n".join(text for text in texts if text)

    @property
    def fingerprint(self) -> int:
        """A number that moves when a plugin's version or revision does; 0 without plugins."""
        live = {plugin_id: part.entry for plugin_id, part in self._parts.items()}
        return plugin_state.fingerprint({**self._stored, **live})

    @property
    def stored_fingerprint(self) -> int:
        """The fingerprint of what was last restored or captured; another one means dirty."""
        return plugin_state.fingerprint(self._stored)

    def capture(self, previous: bytes | None = None) -> bytes:
        """Return every plugin's state, to be stored.

        What a plugin cannot give now, and what belongs to plugins that are not installed, is kept
        as it stands in `previous`, or was last restored or captured.
        """
        self._stored |= plugin_state.decode(previous)
        for plugin_id, part in self._parts.items():
            try:
                self._stored[plugin_id] = part.captured()
            except Exception as error:  # noqa: BLE001 - a plugin must not stop a commit
                _warn(plugin_id, "snapshot", error)
        return plugin_state.encode(self._stored)

    def emit(self, event: str, facts: Mapping[str, Any]) -> None:
        """Tell every plugin of an event; a plugin that fails is logged, and the others are told."""
        for plugin_id, part in self._parts.items():
            try:
                part.session.on_event(event, facts)
            except Exception as error:  # noqa: BLE001 - an observer must not change what happens
                _warn(plugin_id, f"on_event({event})", error)

    def _ask(self, hook: str, question: Callable[[PluginSession], T]) -> Iterator[T]:
        for plugin_id, part in self._parts.items():
            with _attributed(plugin_id, hook):
                answer = question(part.session)
            yield answer


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
        """Build every plugin's part of a session, then restore every one, if only with None.

        Raises:
            AssemblyError: the session is live already, or the snapshot is malformed.
            PluginFailed: a plugin raised; the session is not on the register then.
        """
        if context.session_id in self._live:
            raise AssemblyError(reason=f"session {context.session_id!r} is live in this process")
        entries = plugin_state.decode(snapshot)
        parts = [_built(plugin, context) for plugin in self._plugins]
        for part in parts:
            with _attributed(part.plugin.id, "restore"):
                part.restore(entries.get(part.plugin.id))
        built = PluginSessions(context.session_id, parts, entries)
        self._live[context.session_id] = built
        return built

    def unregister(self, session_id: str) -> None:
        """Take a session off the register; an unknown one is no error."""
        self._live.pop(session_id, None)

    def isolated(self) -> PluginHost:
        """Return a host of the same plugins with a register of its own.

        Workers use one, so that a rebuild never meets the session that it replaces.
        """
        return PluginHost(self._plugins)


def _built(plugin: Plugin, context: PluginContext) -> _Part:
    with _attributed(plugin.id, "session"):
        return _Part(plugin, plugin.session(context))


@contextmanager
def _attributed(plugin_id: str, hook: str) -> Generator[None]:
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever a plugin raises, it is named for it
        _warn(plugin_id, hook, error)
        reason = type(error).__name__
        raise PluginFailed(plugin_id=plugin_id, hook=hook, reason=reason) from None


def _warn(plugin_id: str, hook: str, error: Exception) -> None:
    kind = type(error).__name__
    _log.warning("plugin %s failed in %s: %s at %s", plugin_id, hook, kind, place_of(error))
