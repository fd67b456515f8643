"""The tool catalogue of a session: which tools it has, from which sources, at which generation."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from sojourn.errors import (
    CatalogError,
    ContractUnavailable,
    GenerationMismatch,
    ToolUnavailable,
    UnresolvedTool,
)
from sojourn.surface import SESSION_SOURCE, Entries, Sources, reconcile, resolved
from sojourn.tool_spec import ToolSpec
from sojourn.tool_state import ToolState, ToolStateEntry
from sojourn.tools import AnyTool, RevisedSource, ToolSource

__all__ = ["SESSION_SOURCE", "RestoreReport", "ToolCatalog", "ToolState", "ToolStateEntry"]

log = logging.getLogger(__name__)

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
    The tools of the source `SESSION_SOURCE` are the session's own: they replace others of their
    ids and names for as long as they are there.

    Attributes:
        restored: what became of the state that it was made with, or None.
    """

    def __init__(
        self,
        sources: Sequence[ToolSource],
        hidden: frozenset[str] = frozenset(),
        stored: ToolState | None = None,
    ) -> None:
        """Take what `sources` advertise: generation 1, or 0 if that is nothing.

        Args:
            sources: where tools come from.
            hidden: ids of tools that are never members.
            stored: a state to adopt at once, as `restore` does.

        Raises:
            CatalogError: two sources have one id.
            AmbiguousTool: two sources have a tool of one id.
            DuplicateTool: two tools have one name.
            MalformedToolState: no catalogue could have exported `stored`.
        """
        self._hidden = hidden
        self._sources: Sources = {source.source_id: source for source in sources}
        if len(self._sources) < len(sources):
            raise CatalogError(reason="two sources have one id")
        self.restored: RestoreReport | None = None
        if stored is not None:
            self.restored = self.restore(stored)
            return
        self._revisions = _revisions(self._sources)
        self._surface = reconcile(self._sources, {}, hidden)
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

    def shown(self) -> list[AnyTool]:
        """Return the members that can be shown: all but those whose source has no schema to show.

        One broken source does not take the others from the model.
        """
        return [tool for tool in self._surface.members() if _is_shown(tool)]

    def specs(self) -> list[ToolSpec]:
        """Return those that can be shown, as a model sees them."""
        return [tool.spec for tool in self.shown()]

    def find(self, name: str) -> AnyTool:
        """Return the member that the model calls `name`; a later change does not revoke it.

        An orphan whose source has it again comes back by this.

        Raises:
            ToolUnavailable: it is unknown, no member, or restored without its source.
        """
        return self._callable(self._surface.ids_by_name.get(name), name)

    def find_by_id(self, tool_id: str) -> AnyTool:
        """Return the member of this id, whatever it is called by now; otherwise as `find`.

        Raises:
            ToolUnavailable: it is unknown, no member, or restored without its source.
        """
        known = self._surface.entries.get(tool_id)
        return self._callable(tool_id, known.name if known else tool_id)

    def export(self) -> ToolState:
        """Return the state to store."""
        return ToolState(generation=self._generation, tools=dict(self._surface.entries))

    def restore(self, state: ToolState) -> RestoreReport:
        """Adopt a stored state with its generation, whatever it is.

        The generation is one more if the live sources make another surface of it. A tool that no
        source has is kept as an orphan, so a missing source is no failure.

        Raises:
            MalformedToolState: no catalogue could have exported it.
            AmbiguousTool: two sources have a tool of one id.
            DuplicateTool: two tools have one name.
        """
        state.check()
        revisions = _revisions(self._sources)
        surface = reconcile(self._sources, state.tools, self._hidden)
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
        surface = reconcile(self._sources, {**current, **state.tools}, self._hidden)
        orphans = {key for key, entry in (*current.items(), *state.tools.items()) if entry.orphaned}
        for tool_id in sorted(state.tools.keys() - orphans):
            if tool_id not in surface.entries or surface.entries[tool_id].orphaned:
                raise UnresolvedTool(tool_id=tool_id)
        self._surface = surface
        self._generation += 1

    def set_member(self, tool_id: str, member: bool) -> None:
        """Let the session have a tool or not; the wish is kept while it cannot be had.

        A tool that its source does not advertise becomes known by this.

        Raises:
            UnresolvedTool: neither the catalogue nor a source knows the id.
            AmbiguousTool: two sources have it, and neither advertises it.
        """
        entry = self._surface.entries.get(tool_id)
        if entry is None:
            found = resolved(self._sources, tool_id)
            if found is None:
                raise UnresolvedTool(tool_id=tool_id)
            entry = found[1].entry
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
            AmbiguousTool: one of its tools has the id of another source's.
            DuplicateTool: one of its tools has the name of another source's.
        """
        self._move({**self._sources, source.source_id: source}, self._surface.entries)

    def remove_source(self, source_id: str) -> None:
        """Drop a source and forget its tools; the generation grows by one, always.

        What another source has too stays known. A call of one of them that is running goes on.

        Raises:
            CatalogError: there is no such source.
            AmbiguousTool: two others have one of its tools, which it has settled until now.
        """
        if source_id not in self._sources:
            raise CatalogError(reason=f"there is no source {source_id!r}")
        others = {key: source for key, source in self._sources.items() if key != source_id}
        known, owners = self._surface.entries, self._surface.owners
        left = reconcile(others, known, self._hidden).bound
        kept = {
            tool_id: entry
            for tool_id, entry in known.items()
            if tool_id in left or owners.get(tool_id) != source_id
        }
        before = self._generation
        self._move(others, kept)
        self._generation = before + 1

    def _move(self, sources: Sources, stored: Entries) -> None:
        revisions = _revisions(sources)  # first: what moves while it is read is read again
        surface = reconcile(sources, stored, self._hidden)
        self._generation += surface.entries != self._surface.entries
        self._surface = surface
        self._sources = sources
        self._revisions = revisions

    def _callable(self, tool_id: str | None, name: str) -> AnyTool:
        entry = self._surface.entries.get(tool_id or "")
        if tool_id is None or entry is None or entry.hidden:
            raise _unavailable(name, "there is no tool of that name")
        if entry.orphaned and self._comes_back(tool_id):
            entry = self._surface.entries[tool_id]
        if entry.orphaned:
            raise _unavailable(name, "it was restored, but its source is not registered")
        if not entry.is_member:
            raise _unavailable(name, "it is not a member of the session's tools")
        return self._surface.bound[tool_id]

    def _comes_back(self, tool_id: str) -> bool:
        try:
            if resolved(self._sources, tool_id) is None:
                return False
            self.refresh()
        except CatalogError:
            return False  # the sources contradict each other: it stays an orphan
        return True


def _is_shown(tool: AnyTool) -> bool:
    try:
        _ = tool.spec.input_schema
    except ContractUnavailable as unavailable:
        log.warning("tool %s is not shown to the model: %s", tool.tool_id, unavailable.reason)
        return False
    return True


def _revisions(sources: Sources) -> list[int]:
    return [each.revision if isinstance(each, RevisedSource) else 0 for each in sources.values()]


def _unavailable(name: str, reason: str) -> ToolUnavailable:
    return ToolUnavailable(tool=name[:_MAX_NAME_CHARS], reason=reason)
