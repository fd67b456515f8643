"""The tool catalogue of a session: which tools it has, from which sources, at which generation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sojourn.errors import (
    CatalogError,
    DuplicateTool,
    GenerationMismatch,
    ToolUnavailable,
    UnresolvedTool,
)
from sojourn.models import ToolSpec
from sojourn.tool_state import ToolState, ToolStateEntry
from sojourn.tools import AnyTool, RevisedSource, ToolSource

__all__ = ["RestoreReport", "ToolCatalog", "ToolState", "ToolStateEntry"]

_MAX_NAME_CHARS = 64


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """What became of a restored catalogue.

    Attributes:
        generation: where the catalogue stands now.
        orphaned: the ids of tools that no source has; they come back with their source.
        changed: whether the surface differs from the stored one.
    """

    generation: int
    orphaned: tuple[str, ...]
    changed: bool


class ToolCatalog:
    """The tools of one session, identified by id; a change that fails leaves it as it was.

    The generation grows with every change of the surface: an equal one means an equal surface.
    """

    def __init__(self, sources: Sequence[ToolSource], hidden: frozenset[str] = frozenset()) -> None:
        """Take what `sources` advertise: generation 1, or 0 if that is nothing.

        Args:
            sources: where tools come from.
            hidden: ids of tools that are never members.

        Raises:
            CatalogError: two sources have one id.
            DuplicateTool: two tools have one id or one name.
        """
        self._hidden = hidden
        self._sources = {source.source_id: source for source in sources}
        if len(self._sources) < len(sources):
            raise CatalogError(reason="two sources have one id")
        self._revisions = _revisions(self._sources)
        self._surface = _reconcile(self._sources, {}, hidden)
        self._generation = 1 if self._surface.entries else 0

    @property
    def generation(self) -> int:
        """How often the surface has changed in the session's life."""
        return self._generation

    @property
    def orphaned(self) -> tuple[str, ...]:
        """The ids of tools that no source has, sorted."""
        return tuple(sorted(key for key, entry in self._surface.entries.items() if entry.orphaned))

    def members(self) -> list[AnyTool]:
        """Return the tools that the model sees and may call, in the order of their sources."""
        return list(self._surface.members())

    def specs(self) -> list[ToolSpec]:
        """Return the members as a model sees them."""
        return [tool.spec for tool in self._surface.members()]

    def find(self, name: str) -> AnyTool:
        """Return the member that the model calls `name`; a later change does not revoke it.

        Raises:
            ToolUnavailable: it is unknown, no member, or restored without its source.
        """
        tool_id = self._surface.ids_by_name.get(name)
        entry = self._surface.entries[tool_id] if tool_id is not None else None
        if tool_id is None or entry is None or entry.hidden:
            raise _unavailable(name, "there is no tool of that name")
        if entry.orphaned:
            raise _unavailable(name, "it was restored, but its source is not registered")
        if not entry.member:
            raise _unavailable(name, "it is not a member of the session's tools")
        return self._surface.bound[tool_id].tool

    def export(self) -> ToolState:
        """Return the state to store."""
        return ToolState(generation=self._generation, tools=dict(self._surface.entries))

    def restore(self, state: ToolState) -> RestoreReport:
        """Adopt a stored state with its generation, whatever it is.

        The generation is one more if the live sources make another surface of it. A tool that no
        source has is kept as an orphan, so a missing source is no failure.

        Raises:
            MalformedToolState: no catalogue could have exported it.
            DuplicateTool: the live sources contradict each other.
        """
        state.check()
        revisions = _revisions(self._sources)
        surface = _reconcile(self._sources, state.tools, self._hidden)
        changed = surface.entries != state.tools
        self._surface, self._revisions = surface, revisions
        self._generation = state.generation + changed
        return RestoreReport(self._generation, self.orphaned, changed)

    def apply(self, state: ToolState) -> None:
        """Change the tools that `state` names, as a delta to exactly this generation.

        Tools that it does not name stay as they are. The generation grows by one, always.

        Raises:
            MalformedToolState: no catalogue could have exported it.
            GenerationMismatch: it was made for another generation.
            UnresolvedTool: no source has one of its tools, which was no orphan before.
        """
        state.check()
        if state.generation != self._generation:
            raise GenerationMismatch(expected=state.generation, actual=self._generation)
        current = self._surface.entries
        surface = _reconcile(self._sources, {**current, **state.tools}, self._hidden)
        orphans = {key for key, entry in (*current.items(), *state.tools.items()) if entry.orphaned}
        for tool_id in sorted(state.tools.keys() - surface.bound.keys() - orphans):
            raise UnresolvedTool(tool_id=tool_id)
        self._surface = surface
        self._generation += 1

    def set_member(self, tool_id: str, member: bool) -> None:
        """Let the session have a tool or not; an orphan's wish is kept for its return.

        Raises:
            UnresolvedTool: the catalogue does not know the id.
        """
        entry = self._surface.entries.get(tool_id)
        if entry is None:
            raise UnresolvedTool(tool_id=tool_id)
        wished = entry.model_copy(update={"member": member})
        self._move(self._sources, {**self._surface.entries, tool_id: wished})

    def refresh(self) -> None:
        """Take what the sources advertise now."""
        self._move(self._sources, self._surface.entries)

    def refresh_if_moved(self) -> bool:
        """Refresh if the revision of a source has moved, and return whether one has.

        It costs the same however many tools there are, as long as nothing has moved.

        Raises:
            DuplicateTool: the sources contradict each other by now; the next call tries again.
        """
        if _revisions(self._sources) == self._revisions:
            return False
        self.refresh()
        return True

    def add_source(self, source: ToolSource) -> None:
        """Take the tools of a source, which replaces one of the same id.

        Raises:
            DuplicateTool: one of its tools has the id or name of another source's.
        """
        self._move({**self._sources, source.source_id: source}, self._surface.entries)

    def remove_source(self, source_id: str) -> None:
        """Drop a source and forget its tools; the generation grows by one, always.

        A call of one of them that is running goes on.

        Raises:
            CatalogError: there is no such source.
        """
        if source_id not in self._sources:
            raise CatalogError(reason=f"there is no source {source_id!r}")
        others = {key: source for key, source in self._sources.items() if key != source_id}
        kept = {
            tool_id: entry
            for tool_id, entry in self._surface.entries.items()
            if entry.orphaned or self._surface.bound[tool_id].source_id != source_id
        }
        before = self._generation
        self._move(others, kept)
        self._generation = before + 1

    def _move(
        self, sources: Mapping[str, ToolSource], stored: Mapping[str, ToolStateEntry]
    ) -> None:
        revisions = _revisions(sources)  # first: what moves while it is read is read again
        surface = _reconcile(sources, stored, self._hidden)
        self._generation += surface.entries != self._surface.entries
        self._surface = surface
        self._sources = dict(sources)
        self._revisions = revisions


@dataclass(frozen=True, slots=True)
class _Binding:
    """A live tool and where it comes from."""

    source_id: str
    tool: AnyTool


@dataclass(frozen=True, slots=True)
class _Surface:
    """What a catalogue shows: an entry for every tool, and the live tool of all but orphans."""

    entries: dict[str, ToolStateEntry] = field(default_factory=dict[str, ToolStateEntry])
    bound: dict[str, _Binding] = field(default_factory=dict[str, _Binding])
    ids_by_name: dict[str, str] = field(default_factory=dict[str, str])

    def members(self) -> Iterator[AnyTool]:
        for tool_id, binding in self.bound.items():
            if self.entries[tool_id].is_member:
                yield binding.tool

    def bind(self, source_id: str, tool: AnyTool, entry: ToolStateEntry) -> None:
        twin = tool.tool_id if tool.tool_id in self.bound else self.ids_by_name.get(tool.name)
        if twin is not None:
            raise DuplicateTool(name=tool.name, first=twin, second=tool.tool_id)
        self.bound[tool.tool_id] = _Binding(source_id, tool)
        self.keep(tool.tool_id, entry)

    def keep(self, tool_id: str, entry: ToolStateEntry) -> None:
        self.entries[tool_id] = entry
        self.ids_by_name[entry.name] = tool_id


def _reconcile(
    sources: Mapping[str, ToolSource],
    stored: Mapping[str, ToolStateEntry],
    hidden: frozenset[str],
) -> _Surface:
    """Make the surface of live sources and stored entries: the only way that one comes to be.

    A live tool's own word wins over what is stored of it, except for the session's wish to have
    it. A stored tool that no source has becomes an orphan, unless its name went to another id.
    """
    surface = _Surface()
    for source_id, tool in _live(sources, stored):
        entry = _entry(tool, stored.get(tool.tool_id), hidden)
        surface.bind(source_id, tool, entry)
    for tool_id in sorted(stored.keys() - surface.bound.keys()):
        if stored[tool_id].name not in surface.ids_by_name:
            surface.keep(tool_id, stored[tool_id].model_copy(update={"orphaned": True}))
    return surface


def _live(
    sources: Mapping[str, ToolSource], stored: Mapping[str, ToolStateEntry]
) -> Iterator[tuple[str, AnyTool]]:
    """Yield what the sources advertise, then the stored tools that they can resolve besides."""
    advertised: set[str] = set()
    for source_id, source in sources.items():
        for tool in source.tools():
            advertised.add(tool.tool_id)
            yield source_id, tool
    for tool_id in sorted(stored.keys() - advertised):
        for source_id, source in sources.items():
            resolved = source.resolve(tool_id)
            if resolved is not None and resolved.tool_id == tool_id:
                yield source_id, resolved


def _entry(tool: AnyTool, stored: ToolStateEntry | None, hidden: frozenset[str]) -> ToolStateEntry:
    return ToolStateEntry(
        name=tool.name,
        description=tool.description,
        digest=tool.schema_digest,
        member=stored is None or stored.member,
        hidden=tool.options.hidden or tool.tool_id in hidden,
    )


def _revisions(sources: Mapping[str, ToolSource]) -> list[int]:
    return [each.revision if isinstance(each, RevisedSource) else 0 for each in sources.values()]


def _unavailable(name: str, reason: str) -> ToolUnavailable:
    return ToolUnavailable(tool=name[:_MAX_NAME_CHARS], reason=reason)
