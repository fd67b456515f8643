"""Laws of the catalogue under any sequence of changes, held to the rules said once more."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sojourn.catalog import ToolCatalog, ToolState, ToolStateEntry
from sojourn.errors import CatalogError, GenerationMismatch, MalformedToolState, ToolUnavailable
from sojourn.tools import AnyTool

from .rules import HIDDEN, OWN, Clash, Row, Rows, callable_now, rows_of, surface
from .sources import Rack, named

IDS = st.sampled_from(["a", "b", "c", "d", "e"])
NAMES = st.sampled_from(["w", "x", "y", "z"])
SOURCES = st.sampled_from(["one", "two", OWN])
ROWS = st.builds(Row, NAMES, st.booleans(), st.booleans(), shadowed=st.booleans())
TOOLS = st.lists(st.builds(named, IDS, NAMES, hidden=st.booleans()), max_size=3)


def entry(row: Row) -> ToolStateEntry:
    """Return a row as a delta says it."""
    return ToolStateEntry(
        name=row.name, member=row.member, orphaned=row.orphaned, shadowed=row.shadowed
    )


class CatalogMachine(RuleBasedStateMachine):
    """Does the same to the catalogue and to the rules; what either refuses changes nothing."""

    @initialize(tools=TOOLS)
    def begin(self, tools: list[AnyTool]) -> None:
        """Begin with one source, or with none if its tools contradict each other."""
        self.racks: dict[str, Rack] = {"one": Rack("one", *tools)}
        try:
            self.rows, self.shown = surface(list(self.racks.values()), {})
        except Clash:
            with pytest.raises(CatalogError):
                ToolCatalog(list(self.racks.values()), HIDDEN)
            self.racks, self.rows, self.shown = {}, {}, []
        self.catalog = ToolCatalog(list(self.racks.values()), HIDDEN)
        self.generation = 1 if self.rows else 0
        self.stored = [self.catalog.export()]

    def moves(
        self,
        change: Callable[[], object],
        racks: dict[str, Rack],
        known: Rows,
        *,
        always: bool = False,
    ) -> bool:
        """Make a change of which the rules say what comes of it; return whether it was made."""
        try:
            rows, shown = surface(list(racks.values()), known)
        except Clash:
            with pytest.raises(CatalogError):
                change()
            return False
        change()
        self.generation += always or rows != self.rows
        self.racks, self.rows, self.shown = racks, rows, shown
        return True

    @rule(source_id=SOURCES, tools=TOOLS, lazy=TOOLS)
    def add_source(self, source_id: str, tools: list[AnyTool], lazy: list[AnyTool]) -> None:
        """Add a source, or put another in place of it."""
        rack = Rack(source_id, *tools, lazy=lazy)
        racks = {**self.racks, source_id: rack}
        self.moves(lambda: self.catalog.add_source(rack), racks, self.rows)

    @precondition(lambda self: self.racks)
    @rule(data=st.data(), tools=TOOLS, lazy=TOOLS, asked=st.booleans())
    def change_source(
        self, data: st.DataObject, tools: list[AnyTool], lazy: list[AnyTool], *, asked: bool
    ) -> None:
        """Let a source have something else; the catalogue is told, or finds out by itself."""
        rack = self.racks[data.draw(st.sampled_from(sorted(self.racks)))]
        before, rack.lazy = (rack.shown[:], rack.lazy), lazy
        rack.put(*tools)
        refresh = self.catalog.refresh if asked else self.catalog.refresh_if_moved
        if not self.moves(refresh, self.racks, self.rows):
            rack.lazy = before[1]
            rack.put(*before[0])
            self.catalog.refresh_if_moved()

    @rule(source_id=SOURCES)
    def remove_source(self, source_id: str) -> None:
        """Remove a source, and forget what it alone had; one that is not there is refused."""
        if source_id not in self.racks:
            with pytest.raises(CatalogError):
                self.catalog.remove_source(source_id)
            return
        racks = {key: rack for key, rack in self.racks.items() if key != source_id}
        had = {each.tool_id for each in (*self.racks[source_id].shown, *self.racks[source_id].lazy)}
        try:
            left, _ = surface(list(racks.values()), self.rows)
        except Clash:  # what the session's own source had settled
            with pytest.raises(CatalogError):
                self.catalog.remove_source(source_id)
            return
        lost = {key for key in had if not self.rows.get(key, Row("", orphaned=True)).orphaned}
        known = {
            key: row
            for key, row in self.rows.items()
            if key not in lost or (key in left and not left[key].orphaned)
        }
        self.moves(lambda: self.catalog.remove_source(source_id), racks, known, always=True)

    @rule(tool_id=IDS, member=st.booleans())
    def toggle(self, tool_id: str, *, member: bool) -> None:
        """Wish for a tool or not, if it is known or a source has it."""
        offers = [rack.resolve(tool_id) for rack in self.racks.values()]
        name = next((each.name for each in offers if each is not None), None)
        if tool_id in self.rows:
            name = self.rows[tool_id].name
        if name is None:
            with pytest.raises(CatalogError):
                self.catalog.set_member(tool_id, member)
            return
        row = self.rows.get(tool_id, Row(name))
        wished = Row(row.name, member, row.orphaned, row.hidden, row.shadowed)
        known = {**self.rows, tool_id: wished}
        if self.moves(lambda: self.catalog.set_member(tool_id, member), self.racks, known):
            assert self.rows[tool_id].member is member

    @rule(delta=st.dictionaries(IDS, ROWS, max_size=3))
    def apply(self, delta: dict[str, Row]) -> None:
        """Apply a delta to the generation that it was made for."""
        state = ToolState(
            generation=self.generation, tools={key: entry(row) for key, row in delta.items()}
        )
        known = {**self.rows, **delta}
        was_lost = {key for rows in (self.rows, delta) for key, row in rows.items() if row.orphaned}
        try:
            state.check()
            rows, _ = surface(list(self.racks.values()), known)
        except (Clash, MalformedToolState):
            refused = True
        else:
            unknown = [key for key in delta if key not in rows or rows[key].orphaned]
            refused = bool(set(unknown) - was_lost)
        if refused:
            with pytest.raises(CatalogError):
                self.catalog.apply(state)
            return
        self.moves(lambda: self.catalog.apply(state), self.racks, known, always=True)

    @rule(off=st.integers(-2, 2).filter(bool))
    def apply_to_another_generation(self, off: int) -> None:
        """A delta for any other generation is refused, however harmless it is."""
        state = ToolState(generation=max(self.generation + off, 0))
        if state.generation != self.generation:
            with pytest.raises(GenerationMismatch):
                self.catalog.apply(state)

    @rule()
    def store(self) -> None:
        """Keep the state for a later restore."""
        self.stored.append(self.catalog.export())

    @rule(data=st.data(), fresh=st.booleans(), elsewhere=st.booleans())
    def restore(self, data: st.DataObject, *, fresh: bool, elsewhere: bool) -> None:
        """Adopt any stored state: in this catalogue, in another one, or where no source is."""
        body = data.draw(st.sampled_from(self.stored)).encode()
        state = ToolState.decode(body)
        self.rows, self.generation = rows_of(state), state.generation
        racks = {} if elsewhere else self.racks

        def adopt() -> None:
            if fresh or elsewhere:
                self.catalog = ToolCatalog(list(racks.values()), HIDDEN, state)
                report = self.catalog.restored
            else:
                report = self.catalog.restore(state)
            assert report is not None
            assert report.orphaned == self.catalog.orphaned
            assert report.changed == (self.catalog.export().tools != state.tools)

        if not self.moves(adopt, racks, self.rows):
            now = self.catalog.export()
            self.rows, self.generation = rows_of(now), now.generation

    @rule(tool_id=IDS, name=NAMES, source_id=SOURCES)
    def look_an_orphan_up(self, tool_id: str, name: str, source_id: str) -> None:
        """A source that has an orphan again, under any name, gives it back when it is looked up."""
        row = self.rows.get(tool_id)
        if row is None or not row.orphaned or source_id not in self.racks:
            return
        rack = self.racks[source_id]
        rack.lazy = [*rack.lazy, named(tool_id, name)]
        try:
            rows, shown = surface(list(self.racks.values()), self.rows)
        except Clash:
            with pytest.raises(ToolUnavailable, match="its source is not registered"):
                self.catalog.find_by_id(tool_id)
            rack.lazy = rack.lazy[:-1]
            return
        if row.hidden:
            rack.lazy = rack.lazy[:-1]
            return
        if callable_now(rows[tool_id]):
            assert self.catalog.find_by_id(tool_id).name == name
        else:
            with pytest.raises(ToolUnavailable):
                self.catalog.find_by_id(tool_id)
        self.generation += rows != self.rows
        self.rows, self.shown = rows, shown

    @invariant()
    def the_catalogue_is_what_the_rules_say(self) -> None:
        """Every tool, every flag, the order, and the generation."""
        assert rows_of(self.catalog.export()) == self.rows
        assert [each.tool_id for each in self.catalog.members()] == self.shown
        assert self.catalog.generation == self.generation

    @invariant()
    def members_are_what_can_be_called(self) -> None:
        """Member, found by name or id, and shown are one."""
        for each in self.catalog.members():
            assert self.catalog.find(each.name) is each
            assert self.catalog.find_by_id(each.tool_id) is each
        names = {each.name for each in self.catalog.members()}
        for name in {"w", "x", "y", "z"} - names:
            with pytest.raises(ToolUnavailable):
                self.catalog.find(name)
        for tool_id in self.rows.keys() - set(self.shown):
            with pytest.raises(ToolUnavailable):
                self.catalog.find_by_id(tool_id)

    @invariant()
    def what_is_exported_comes_back_unchanged(self) -> None:
        """On the same sources a cold rebuild is identical, order included."""
        state = self.catalog.export()
        cold = ToolCatalog(list(self.racks.values()), HIDDEN, ToolState.decode(state.encode()))
        assert cold.restored is not None
        assert not cold.restored.changed
        assert cold.export() == state
        assert cold.specs() == self.catalog.specs()

    @invariant()
    def nothing_new_is_no_change(self) -> None:
        """An equal surface has an equal generation, and no source has to be read for it."""
        before = self.catalog.export()
        assert not self.catalog.refresh_if_moved()
        self.catalog.refresh()
        assert self.catalog.export() == before


TestCatalogLaws = CatalogMachine.TestCase
TestCatalogLaws.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
