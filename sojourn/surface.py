"""What a catalogue shows: live tools, and what is known of those that no source has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sojourn.errors import AmbiguousTool, DuplicateTool
from sojourn.tool_state import ToolStateEntry
from sojourn.tools import AnyTool, ToolSource

SESSION_SOURCE = "session"

Sources = Mapping[str, ToolSource]
Entries = Mapping[str, ToolStateEntry]


@dataclass(frozen=True, slots=True)
class Surface:
    """An entry for every tool that is known, and the live tool of every one that can be called.

    Attributes:
        entries: by tool id.
        bound: the live tools by id, in the order of their sources.
        owners: the id of each live tool's source, by tool id.
        ids_by_name: of all but the shadowed.
    """

    entries: dict[str, ToolStateEntry] = field(default_factory=dict[str, ToolStateEntry])
    bound: dict[str, AnyTool] = field(default_factory=dict[str, AnyTool])
    owners: dict[str, str] = field(default_factory=dict[str, str])
    ids_by_name: dict[str, str] = field(default_factory=dict[str, str])

    def members(self) -> Iterator[AnyTool]:
        """Yield the tools that the model sees and may call."""
        for tool_id, tool in self.bound.items():
            if self.entries[tool_id].is_member:
                yield tool

    def _bind(self, owner: str, tool: AnyTool, entry: ToolStateEntry) -> None:
        self.bound[tool.tool_id] = tool
        self.owners[tool.tool_id] = owner
        self._keep(tool.tool_id, entry)

    def _keep(self, tool_id: str, entry: ToolStateEntry) -> None:
        self.entries[tool_id] = entry
        if not entry.shadowed:
            self.ids_by_name[entry.name] = tool_id

    def add_live(self, base: _Lane, own: _Lane, stored: Entries, hidden: frozenset[str]) -> None:
        """Take in the live tools; the session's own replace others of their ids and names."""
        for tool_id, (owner, tool) in base.tools.items():
            if tool_id in own.tools:
                continue
            entry = _entry(tool, stored.get(tool_id), hidden)
            if tool.name in own.ids_by_name:
                self._keep(tool_id, entry.model_copy(update={"shadowed": True}))
            else:
                self._bind(owner, tool, entry)
        for tool_id, (owner, tool) in own.tools.items():
            self._bind(owner, tool, _entry(tool, stored.get(tool_id), hidden))

    def add_orphans(self, base: _Lane, own: _Lane, stored: Entries) -> None:
        """Keep what no source has, unless its name went to another tool.

        A name that the session's own tools have is only lent, so that it can be given back: to
        whom it was lent from before, if one of the session's own that had it is gone too.
        """
        missing = stored.keys() - self.entries.keys()
        owed = {stored[each].name for each in missing if stored[each].shadowed}
        lent: set[str] = set()
        for tool_id in sorted(missing, key=lambda each: (stored[each].shadowed, each)):
            entry = stored[tool_id]
            twin = self.ids_by_name.get(entry.name)
            is_owed = twin in own.tools and entry.name in owed and not entry.shadowed
            if entry.name in base.ids_by_name or is_owed:
                continue
            if twin is not None:
                is_lent = twin in own.tools or entry.shadowed
                if not is_lent or entry.name in lent:
                    raise DuplicateTool(name=entry.name, first=twin, second=tool_id)
                lent.add(entry.name)
            self._keep(tool_id, _lost(entry, shadowed=twin is not None))


class _Lane:
    """Live tools among which ids and names are unique."""

    def __init__(self) -> None:
        self.tools: dict[str, tuple[str, AnyTool]] = {}
        self.ids_by_name: dict[str, str] = {}

    def add(self, source_id: str, tool: AnyTool) -> None:
        """Take a tool of a source.

        Raises:
            AmbiguousTool: there is one of its id.
            DuplicateTool: there is one of its name.
        """
        twin = self.tools.get(tool.tool_id)
        if twin is not None:
            raise AmbiguousTool(tool_id=tool.tool_id, first=twin[0], second=source_id)
        same_name = self.ids_by_name.get(tool.name)
        if same_name is not None:
            raise DuplicateTool(name=tool.name, first=same_name, second=tool.tool_id)
        self.tools[tool.tool_id] = (source_id, tool)
        self.ids_by_name[tool.name] = tool.tool_id


def reconcile(sources: Sources, stored: Entries, hidden: frozenset[str]) -> Surface:
    """Make the surface of live sources and stored entries: the only way that one comes to be.

    A live tool's own word wins over what is stored of it, except for the session's wish to have
    it. A stored tool that no source has becomes an orphan, unless its name went to another id.

    Raises:
        AmbiguousTool: two sources have a tool of one id.
        DuplicateTool: two tools have one name.
    """
    base, own = _Lane(), _Lane()
    for source_id, source in sources.items():
        lane = own if source_id == SESSION_SOURCE else base
        for tool in source.tools():
            lane.add(source_id, tool)
    for tool_id in sorted(stored.keys() - base.tools.keys() - own.tools.keys()):
        found = resolved(sources, tool_id)
        if found is not None:
            (own if found[0] == SESSION_SOURCE else base).add(*found)
    surface = Surface()
    surface.add_live(base, own, stored, hidden)
    surface.add_orphans(base, own, stored)
    return surface


def resolved(sources: Sources, tool_id: str) -> tuple[str, AnyTool] | None:
    """Return the tool of an id that nobody advertises, and its source; the session's own first.

    Raises:
        AmbiguousTool: two sources have it.
    """
    found: tuple[str, AnyTool] | None = None
    for source_id in sorted(sources, key=lambda each: each != SESSION_SOURCE):
        tool = sources[source_id].resolve(tool_id)
        if tool is None or tool.tool_id != tool_id:
            continue
        if found is not None:
            raise AmbiguousTool(tool_id=tool_id, first=found[0], second=source_id)
        found = source_id, tool
        if source_id == SESSION_SOURCE:
            break
    return found


def _entry(tool: AnyTool, stored: ToolStateEntry | None, hidden: frozenset[str]) -> ToolStateEntry:
    """Return a live tool's entry: the one that all sessions share, if they want the same of it."""
    shared = tool.entry
    changes: dict[str, bool] = {}
    if stored is not None and not stored.member:
        changes["member"] = False
    if tool.tool_id in hidden and not shared.hidden:
        changes["hidden"] = True
    return shared.model_copy(update=changes) if changes else shared


def _lost(entry: ToolStateEntry, *, shadowed: bool) -> ToolStateEntry:
    if entry.orphaned and entry.shadowed is shadowed:
        return entry
    return entry.model_copy(update={"orphaned": True, "shadowed": shadowed})
