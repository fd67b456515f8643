"""Laws of the catalogue under any sequence of changes."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from sojourn.catalog import ToolCatalog, ToolState, ToolStateEntry
from sojourn.errors import CatalogError, DuplicateTool
from sojourn.tools import AnyTool

from .sources import Shelf, named

IDS = st.sampled_from(["a", "b", "c", "d"])
NAMES = st.sampled_from(["w", "x", "y", "z"])
SOURCES = st.sampled_from(["one", "two", "three"])
TOOLS = st.lists(st.builds(named, IDS, NAMES, hidden=st.booleans()), max_size=3)
HIDDEN = frozenset({"d"})


class CatalogMachine(RuleBasedStateMachine):
    """Changes sources and catalogue at random; errors are allowed, broken laws are not."""

    def __init__(self) -> None:
        super().__init__()
        self.shelves: dict[str, Shelf] = {}
        self.catalog = ToolCatalog([], HIDDEN)
        self.stored = [self.catalog.export()]
        self.lowest = 0

    @rule(source_id=SOURCES, tools=TOOLS, lazy=TOOLS)
    def add_source(self, source_id: str, tools: list[AnyTool], lazy: list[AnyTool]) -> None:
        """Add or replace a source."""
        shelf = Shelf(source_id, *tools, lazy=lazy)
        try:
            self.catalog.add_source(shelf)
        except DuplicateTool:
            return
        self.shelves[source_id] = shelf

    @rule(source_id=SOURCES, tools=TOOLS)
    def change_source(self, source_id: str, tools: list[AnyTool]) -> None:
        """Let a source advertise something else, unless it could not be refreshed."""
        if (shelf := self.shelves.get(source_id)) is None:
            return
        before, shelf.shown = shelf.shown, tools
        try:
            self.catalog.refresh()
        except DuplicateTool:
            shelf.shown = before

    @rule(source_id=SOURCES)
    def remove_source(self, source_id: str) -> None:
        """Remove a source if it is there."""
        with suppress(CatalogError):
            self.catalog.remove_source(source_id)
            del self.shelves[source_id]

    @rule(tool_id=IDS, member=st.booleans())
    def toggle(self, tool_id: str, *, member: bool) -> None:
        """Toggle a tool if it is known; the wish holds."""
        with suppress(CatalogError):
            self.catalog.set_member(tool_id, member)
            assert self.catalog.export().tools[tool_id].member is member

    @rule(tool_id=IDS, name=NAMES, member=st.booleans(), orphaned=st.booleans())
    def apply(self, tool_id: str, name: str, *, member: bool, orphaned: bool) -> None:
        """Apply a delta; the generation moves by one if it is accepted."""
        before = self.catalog.generation
        entry = ToolStateEntry(name=name, member=member, orphaned=orphaned)
        with suppress(CatalogError):
            self.catalog.apply(ToolState(generation=before, tools={tool_id: entry}))
            assert self.catalog.generation == before + 1

    @rule()
    def store(self) -> None:
        """Keep the state for a later restore."""
        self.stored.append(self.catalog.export())

    @rule(data=st.data())
    def restore_cold(self, data: st.DataObject) -> None:
        """Rebuild from any stored state on the live sources."""
        state = data.draw(st.sampled_from(self.stored))
        catalog = ToolCatalog(list(self.shelves.values()), HIDDEN)
        try:
            report = catalog.restore(ToolState.decode(state.encode()))
        except DuplicateTool:
            return
        assert report.generation == state.generation + report.changed
        assert report.changed == (catalog.export().tools != state.tools)
        self.catalog, self.lowest = catalog, report.generation

    @invariant()
    def ids_and_names_are_unique(self) -> None:
        """No two tools share a name, and the state could be stored."""
        self.catalog.export().check()

    @invariant()
    def members_are_what_can_be_called(self) -> None:
        """Member, found by name, and shown are one."""
        entries = self.catalog.export().tools
        members = {each.tool_id: each for each in self.catalog.members()}
        assert members.keys() == {key for key, entry in entries.items() if entry.is_member}
        assert all(self.catalog.find(each.name) is each for each in members.values())
        assert "d" not in members

    @invariant()
    def the_generation_never_falls(self) -> None:
        """Only a restore may set it back."""
        assert self.catalog.generation >= self.lowest
        self.lowest = self.catalog.generation

    @invariant()
    def restoring_what_was_exported_changes_nothing(self) -> None:
        """On the same sources a cold rebuild is identical, order included."""
        state = self.catalog.export()
        cold = ToolCatalog(list(self.shelves.values()), HIDDEN)
        report = cold.restore(ToolState.decode(state.encode()))
        assert not report.changed
        assert cold.export() == state
        assert cold.specs() == self.catalog.specs()

    @invariant()
    def a_refresh_without_news_changes_nothing(self) -> None:
        """An equal surface has an equal generation."""
        before = self.catalog.export()
        self.catalog.refresh()
        assert self.catalog.export() == before


TestCatalogLaws = CatalogMachine.TestCase
TestCatalogLaws.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
