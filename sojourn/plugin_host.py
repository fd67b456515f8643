"""The plugin host: builds the plugins' parts of sessions, and knows which sessions are live."""

from __future__ import annotations

import asyncio
import copy
import inspect
import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar, cast
from weakref import WeakValueDictionary

from sojourn import ids, plugin_state
from sojourn.errors import AssemblyError, PluginFailed
from sojourn.plugin_state import PluginEntry
from sojourn.plugins import Plugin, PluginContext, PluginSession
from sojourn.raised import place_of
from sojourn.tools import AnyTool, Tool

T = TypeVar("T")
Hook = Callable[..., object]

# What ends more than a hook, and is not the plugin's own doing.
_FROM_OUTSIDE = (asyncio.CancelledError, KeyboardInterrupt)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Part:
    """One plugin's part of one session."""

    plugin: Plugin
    session: PluginSession

    def entry(self) -> PluginEntry:
        return PluginEntry(version=self.plugin.version, revision=self.session.revision)

    def captured(self) -> PluginEntry:
        state = plugin_state.as_json(_given(self.session.snapshot()))
        return self.entry().model_copy(update={"state": state})

    def restore(self, entry: PluginEntry | None) -> None:
        if entry is not None:
            self.session.revision = entry.revision
        restore: Hook = self.session.restore
        _given(restore(copy.deepcopy(entry.state) if entry is not None else None))


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
            PluginFailed: a plugin raised, or returned something else.
        """
        return [tool for tools in self._ask("tools", _tools) for tool in tools]

    def instructions(self) -> str:
        """Return what the plugins add to the instructions, as paragraphs.

        Raises:
            PluginFailed: a plugin raised, or returned something else.
        """
        texts = self._ask("instructions", _instructions)
        return "\n\n".join(text for text in texts if text)

    @property
    def fingerprint(self) -> int:
        """A number that moves when a plugin's version or revision does; 0 without plugins."""
        live = dict(self._stored)
        for plugin_id, part in self._parts.items():
            with _contained(plugin_id, "revision"):
                live[plugin_id] = part.entry()
        return plugin_state.fingerprint(live)

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
            with _contained(plugin_id, "snapshot"):
                self._stored[plugin_id] = part.captured()
        return plugin_state.encode(self._stored)

    def emit(self, event: str, facts: Mapping[str, Any]) -> None:
        """Tell every plugin of an event; a plugin that fails is logged, and the others are told."""
        for plugin_id, part in self._parts.items():
            with _contained(plugin_id, f"on_event({event})"):
                tell: Hook = part.session.on_event
                _given(tell(event, facts))

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
            PluginFailed: a plugin raised, or gave what it must not; the session is not on the
                register then.
        """
        if context.session_id in self._live:
            raise AssemblyError(reason=f"session {context.session_id!r} is live in this process")
        entries = plugin_state.decode(snapshot)
        parts = [_built(plugin, context) for plugin in self._plugins]
        for part in parts:
            with _attributed(part.plugin.id, "restore"):
                part.restore(entries.get(part.plugin.id))
            with _attributed(part.plugin.id, "revision"):
                part.entry()
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
        return _Part(plugin, _a(PluginSession, plugin.session(context)))


def _tools(session: PluginSession) -> list[AnyTool]:
    tools = _given(session.tools())
    if not isinstance(tools, Iterable):
        raise _wrong(tools, "Sequence")
    return [_a(Tool, each) for each in cast("Iterable[object]", tools)]


def _instructions(session: PluginSession) -> str:
    text: object = _given(session.instructions())
    return _a(str, text) if text is not None else ""


class _WrongReturn(TypeError):
    """A hook returned what it must not; the text names types alone, so it may be told."""


def _wrong(given: object, kind: str) -> _WrongReturn:
    return _WrongReturn(f"it returned {type(given).__name__}, not {kind}")


def _a(kind: type[T], given: object) -> T:
    if not isinstance(_given(given), kind):
        raise _wrong(given, kind.__name__)
    return cast("T", given)


def _given(given: object) -> object:
    """Return what a hook returned, unless it was an `async def`: nobody waits for hooks."""
    if inspect.iscoroutine(given):
        given.close()  # else Python complains that nobody awaited it
        raise _WrongReturn("it is async, and nobody awaits it")
    return given


@contextmanager
def _attributed(plugin_id: str, hook: str) -> Generator[None]:
    """Name the plugin for whatever it raises; an exit too ends no more than the session."""
    try:
        yield
    except _FROM_OUTSIDE:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever a plugin raises, it is named for it
        _warn(plugin_id, hook, error)
        raise PluginFailed(plugin_id=plugin_id, hook=hook, reason=_reason(error)) from None


@contextmanager
def _contained(plugin_id: str, hook: str) -> Generator[None]:
    """Log whatever a plugin raises, where it must neither stop nor change what happens."""
    try:
        yield
    except _FROM_OUTSIDE:
        raise
    except BaseException as error:  # noqa: BLE001 - as above
        _warn(plugin_id, hook, error)


def _warn(plugin_id: str, hook: str, error: BaseException) -> None:
    reason, place = _reason(error), place_of(error)
    _log.warning("plugin %s failed in %s: %s at %s", plugin_id, hook, reason, place)


def _reason(error: BaseException) -> str:
    """Say what it was; the text of what is not ours may hold content."""
    return str(error) if isinstance(error, _WrongReturn) else type(error).__name__
