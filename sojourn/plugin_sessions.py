"""All plugins' parts of one session, and what the session asks of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar, cast

from sojourn import plugin_state
from sojourn.hooks import CompactionView
from sojourn.messages import Message
from sojourn.plugin_faults import Misbehaved, attributed, contained, given, required
from sojourn.plugin_part import Hook, PluginPart
from sojourn.plugin_state import PluginEntry
from sojourn.plugins import PluginSession
from sojourn.tools import AnyTool, Tool

T = TypeVar("T")

# A compactor may ask a model.
COMPACTION_SECONDS = 300.0


class PluginSessions:
    """All plugins' parts of one session, in the order of registration."""

    def __init__(
        self, session_id: str, parts: Sequence[PluginPart], entries: Mapping[str, PluginEntry]
    ) -> None:
        self.session_id = session_id
        self._parts = {part.plugin_id: part for part in parts}
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

    async def compact(self, view: CompactionView) -> Sequence[Message] | None:
        """Return the seed of a new frame from the first plugin that makes one, by priority.

        Raises:
            PluginFailed: a plugin raised, returned something else, or took too long.
        """
        for part in self._by_priority("compact"):
            answer = await part.ask("compact", view, seconds=COMPACTION_SECONDS)
            with attributed(part.plugin_id, "compact"):
                seed = [] if answer is None else _messages(answer)
            if seed:
                return seed
        return None

    @property
    def fingerprint(self) -> int:
        """A number that moves when a plugin's version or revision does; 0 without plugins."""
        live = dict(self._stored)
        for plugin_id, part in self._parts.items():
            with contained(plugin_id, "revision"):
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
            with contained(plugin_id, "snapshot"):
                self._stored[plugin_id] = part.captured()
        return plugin_state.encode(self._stored)

    def emit(self, event: str, facts: Mapping[str, Any]) -> None:
        """Tell every plugin of an event; a plugin that fails is logged, and the others are told."""
        for plugin_id, part in self._parts.items():
            with contained(plugin_id, f"on_event({event})"):
                tell: Hook = part.session.on_event
                given(tell(event, facts))

    def _ask(self, hook: str, question: Callable[[PluginSession], T]) -> Iterator[T]:
        for plugin_id, part in self._parts.items():
            with attributed(plugin_id, hook):
                answer = question(part.session)
            yield answer

    def _by_priority(self, hook: str) -> list[PluginPart]:
        having = [part for part in self._parts.values() if part.has(hook)]
        return sorted(having, key=lambda part: -part.plugin.priority)


def _tools(session: PluginSession) -> list[AnyTool]:
    tools = given(session.tools())
    if not isinstance(tools, Iterable):
        raise Misbehaved.by_returning(tools, "Sequence")
    return [required(Tool, each) for each in cast("Iterable[object]", tools)]


def _instructions(session: PluginSession) -> str:
    text: object = given(session.instructions())
    return required(str, text) if text is not None else ""


def _messages(answer: object) -> list[Message]:
    if not isinstance(answer, Iterable):
        raise Misbehaved.by_returning(answer, "Sequence")
    return [required(Message, each) for each in cast("Iterable[object]", answer)]
