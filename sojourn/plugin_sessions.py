"""All plugins' parts of one session, and what the session asks of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar, cast

from sojourn import plugin_state
from sojourn.hooks import CompactionView, Condensed, PromptPart, Slot
from sojourn.plugin_faults import Misbehaved, attributed, contained, given, required
from sojourn.plugin_journal import PluginJournal
from sojourn.plugin_messages import check_pairs, storable
from sojourn.plugin_part import Hook, PluginPart
from sojourn.plugin_state import PluginEntry
from sojourn.plugins import PluginSession
from sojourn.tools import AnyTool, Tool
from sojourn.usage import Usage

T = TypeVar("T")

# A compactor may ask a model.
COMPACTION_SECONDS = 300.0


class PluginSessions:
    """All plugins' parts of one session, in the order of registration.

    Attributes:
        session_id: the session.
        journal: their states in the journal of the open turn.
    """

    def __init__(
        self, session_id: str, parts: Sequence[PluginPart], entries: Mapping[str, PluginEntry]
    ) -> None:
        self.session_id = session_id
        self._parts = {part.plugin_id: part for part in parts}
        self._stored = dict(entries)
        self.journal = PluginJournal(self._parts, entries)

    def tools(self) -> list[AnyTool]:
        """Return the plugins' tools.

        Raises:
            PluginFailed: a plugin raised, or returned something else.
        """
        return [tool for tools in self._ask("tools", _tools) for tool in tools]

    def instructions(self, own: str = "") -> str:
        """Return the agent's own instructions with what the plugins add, as paragraphs.

        Raises:
            PluginFailed: a plugin raised, or returned something else.
        """
        parts = [part for parts in self._ask("instructions", _prompt) for part in parts]
        ordered = sorted(parts, key=lambda part: (part.slot, -part.priority))
        before = [part.text for part in ordered if part.slot is Slot.OPENING]
        behind = [part.text for part in ordered if part.slot is not Slot.OPENING]
        return "\n\n".join(text for text in dict.fromkeys([*before, own, *behind]) if text)

    @property
    def tool_seconds(self) -> float:
        """How long the plugins' hooks of one tool call may take, in seconds."""
        hooks = ("before_tool_call", "after_tool_call")
        return sum(
            part.plugin.hook_timeout.total_seconds() for hook in hooks for part in self.having(hook)
        )

    async def compact(self, view: CompactionView) -> tuple[str, Condensed] | None:
        """Return who is the first to make the seed of a new frame, by priority, and the seed.

        Raises:
            PluginFailed: a plugin raised, returned something else, or took too long.
        """
        for part in self.by_priority("compact"):
            answer = await part.ask("compact", view, seconds=COMPACTION_SECONDS)
            with attributed(part.plugin_id, "compact"):
                made = _condensed(answer)
            if made.messages:
                return part.plugin_id, made
        return None

    @property
    def fingerprint(self) -> int:
        """A number that moves when a plugin's version or revision does; 0 without plugins."""
        live = self._stored | self.journal.newest
        for plugin_id, part in self._parts.items():
            if plugin_id not in self.journal.stale:
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
        as it stands in the journal, in `previous`, or as it was last restored or captured.
        """
        self._stored |= plugin_state.decode(previous) | self.journal.newest
        for plugin_id, part in self._parts.items():
            if plugin_id not in self.journal.stale:
                with contained(plugin_id, "snapshot"):
                    self._stored[plugin_id] = part.captured()
        return plugin_state.encode(self._stored)

    def settle(self) -> None:
        """Take note that what was last captured is committed: the turn's journal is gone."""
        self.journal.settle(self._stored)

    def emit(self, event: str, facts: Mapping[str, Any]) -> None:
        """Tell every plugin of an event; a plugin that fails is logged, and the others are told."""
        for plugin_id, part in self._parts.items():
            with contained(plugin_id, f"on_event({event})"):
                tell: Hook = part.session.on_event
                given(tell(event, facts))

    def having(self, hook: str) -> list[PluginPart]:
        """Return the parts that have a hook of their own, in order."""
        return [part for part in self._parts.values() if part.has(hook)]

    def by_priority(self, hook: str) -> list[PluginPart]:
        """Return the parts that have a hook of their own, those of the highest priority first."""
        return sorted(self.having(hook), key=lambda part: -part.plugin.priority)

    def _ask(self, hook: str, question: Callable[[PluginSession], T]) -> Iterator[T]:
        for plugin_id, part in self._parts.items():
            with attributed(plugin_id, hook):
                answer = question(part.session)
            yield answer


def _tools(session: PluginSession) -> list[AnyTool]:
    tools = given(session.tools())
    if not isinstance(tools, Iterable):
        raise Misbehaved.by_returning(tools, "Sequence")
    return [required(Tool, each) for each in cast("Iterable[object]", tools)]


def _prompt(session: PluginSession) -> list[PromptPart]:
    text: object = given(session.instructions())
    if text is None:
        return []
    if isinstance(text, str):
        return [PromptPart(text)]
    if not isinstance(text, list | tuple):
        raise Misbehaved.by_returning(text, "str")
    return [required(PromptPart, each) for each in cast("Iterable[object]", text)]


def _condensed(answer: object) -> Condensed:
    """Return what a compactor has made, checked, and without a model if it was paid none."""
    made = answer if isinstance(answer, Condensed) else Condensed((), "", Usage())
    said = made.messages if made is answer else answer
    seed = [] if said is None else storable(said)
    check_pairs(seed)
    model, usage = required(str, made.model), required(Usage, made.usage)
    if made is answer and not (seed and model):
        raise Misbehaved("it names no model, or made nothing of what it paid")
    return replace(made, messages=seed, usage=usage)
