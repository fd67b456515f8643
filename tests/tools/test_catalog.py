"""The tool catalogue: identity, membership, generations, and what a restore keeps."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from typing_extensions import override

from sojourn import ids
from sojourn.catalog import RestoreReport, ToolCatalog, ToolState, ToolStateEntry
from sojourn.errors import (
    AmbiguousTool,
    CatalogError,
    DuplicateTool,
    GenerationMismatch,
    MalformedToolState,
    ToolUnavailable,
    UnresolvedTool,
)
from sojourn.tools import AnyTool, FunctionSource, ToolContext, tool

from .sources import Rack, Shelf, named


def names(catalog: ToolCatalog) -> list[str]:
    """Return the names of the members."""
    return [each.name for each in catalog.members()]


def reason(catalog: ToolCatalog, name: str) -> str:
    """Return why there is no tool called `name`."""
    with pytest.raises(ToolUnavailable) as caught:
        catalog.find(name)
    return caught.value.reason


# Surface and membership


def test_a_catalogue_shows_what_its_sources_advertise_in_their_order() -> None:
    """The order is the sources', so that a prompt stays the same over rebuilds."""
    catalog = ToolCatalog([Shelf("two", named("z"), named("b")), Shelf("one", named("a"))])
    assert names(catalog) == ["z", "b", "a"]
    assert [spec.name for spec in catalog.specs()] == ["z", "b", "a"]
    assert catalog.generation == 1


@pytest.mark.parametrize("sources", [[], [Shelf("empty")]])
def test_a_catalogue_of_nothing_is_at_generation_0(sources: list[Shelf]) -> None:
    """There was no change yet."""
    assert ToolCatalog(sources).generation == 0


def test_a_tool_is_found_by_name_and_known_by_id() -> None:
    """The name is an alias for the model; state is kept under the id."""
    search = named("crm/search", "search")
    catalog = ToolCatalog([Shelf("s", search)])
    assert catalog.find("search") is search
    assert list(catalog.export().tools) == ["crm/search"]
    assert "no tool of that name" in reason(catalog, "crm/search")


def test_membership_is_the_only_availability() -> None:
    """What is no member is neither shown nor callable, and is both again when it is one."""
    catalog = ToolCatalog([Shelf("s", named("a"), named("b"))])
    catalog.set_member("a", member=False)
    assert names(catalog) == ["b"]
    assert "not a member" in reason(catalog, "a")
    catalog.set_member("a", member=True)
    assert names(catalog) == ["a", "b"]
    assert catalog.generation == 3


def test_a_toggle_that_changes_nothing_is_no_change() -> None:
    """The generation counts changes, not calls."""
    catalog = ToolCatalog([Shelf("s", named("a"))])
    catalog.set_member("a", member=True)
    assert catalog.generation == 1


def test_the_membership_of_an_unknown_tool_cannot_be_set() -> None:
    """There is nothing to remember it by."""
    with pytest.raises(UnresolvedTool):
        ToolCatalog([]).set_member("a", member=True)


@pytest.mark.parametrize(
    ("tools", "hidden"),
    [
        ((named("a", hidden=True), named("b")), frozenset[str]()),
        ((named("a"), named("b")), frozenset({"a"})),
    ],
)
def test_hidden_tools_are_never_members(tools: tuple[Any, ...], hidden: frozenset[str]) -> None:
    """Neither a toggle, nor a delta, nor a cold rebuild brings one out."""
    catalog = ToolCatalog([Shelf("s", *tools)], hidden)
    catalog.set_member("a", member=True)
    catalog.apply(ToolState(generation=catalog.generation, tools={"a": ToolStateEntry(name="a")}))
    again = ToolCatalog([Shelf("s", *tools)], hidden)
    again.restore(catalog.export())
    assert names(catalog) == names(again) == ["b"]
    assert "no tool of that name" in reason(again, "a")
    assert again.export().tools["a"].is_member is False


def test_a_tool_that_is_hidden_no_more_is_what_the_session_wished() -> None:
    """Hiding is the host's word and does not become the session's."""
    shelf = Shelf("s", named("a"), named("b"))
    hiding = ToolCatalog([shelf], frozenset({"a", "b"}))
    hiding.set_member("b", member=False)
    open_again = ToolCatalog([shelf])
    open_again.restore(hiding.export())
    assert names(open_again) == ["a"]


def test_an_unavailable_name_is_quoted_in_part_only() -> None:
    """A name that a model made up may be of any length."""
    with pytest.raises(ToolUnavailable) as caught:
        ToolCatalog([]).find("x" * 10_000)
    assert len(str(caught.value)) < 200


# Duplicates


@pytest.mark.parametrize(
    ("first", "second", "error"),
    [
        (named("a", "x"), named("b", "x"), DuplicateTool),
        (named("a", "x"), named("a", "y"), AmbiguousTool),
    ],
)
def test_two_tools_share_neither_name_nor_id(first: Any, second: Any, error: Any) -> None:
    """A call could mean either."""
    with pytest.raises(error):
        ToolCatalog([Shelf("one", first), Shelf("two", second)])
    with pytest.raises(error):
        ToolCatalog([Shelf("one", first, second)])


def test_two_sources_do_not_share_an_id() -> None:
    """Removing one would remove both."""
    with pytest.raises(CatalogError, match="two sources"):
        ToolCatalog([Shelf("s"), Shelf("s")])


def refresh(catalog: ToolCatalog, clash: Shelf) -> None:
    """Let a source clash, and refresh."""
    catalog.refresh()


def add(catalog: ToolCatalog, clash: Shelf) -> None:
    """Add a source that clashes."""
    catalog.add_source(Shelf("other", named("b", "a")))


def restore(catalog: ToolCatalog, clash: Shelf) -> None:
    """Restore while a source clashes."""
    catalog.restore(ToolState(generation=7))


@pytest.mark.parametrize("change", [refresh, add, restore])
def test_a_change_that_fails_leaves_the_catalogue_as_it_was(
    change: Callable[[ToolCatalog, Shelf], None],
) -> None:
    """Surface, sources and generation stay."""
    shelf = Shelf("s", named("a"))
    catalog = ToolCatalog([shelf])
    before = catalog.export()
    shelf.shown.append(named("b", "a"))
    with pytest.raises(DuplicateTool):
        change(catalog, shelf)
    assert catalog.export() == before
    shelf.shown.pop()
    catalog.refresh()
    assert catalog.export() == before


# Restoring


@pytest.mark.parametrize("generation", [0, 1, 2, 41])
def test_a_restore_adopts_the_generation_whole(generation: int) -> None:
    """A fresh catalogue takes any, be it far from its own."""
    shelf = Shelf("s", named("a"))
    stored = ToolCatalog([shelf]).export().model_copy(update={"generation": generation})
    report = ToolCatalog([shelf]).restore(stored)
    assert report == RestoreReport(generation, (), changed=False)


def test_a_restore_brings_back_membership() -> None:
    """An opt-out survives the process."""
    shelf = Shelf("s", named("a"), named("b"))
    first = ToolCatalog([shelf])
    first.set_member("a", member=False)
    second = ToolCatalog([shelf])
    second.restore(ToolState.decode(first.export().encode()))
    assert names(second) == ["b"]
    assert second.generation == first.generation


def test_something_new_moves_the_generation_once() -> None:
    """However much is new, and however often the same state is restored."""
    stored = ToolCatalog([Shelf("s", named("a"))]).export()
    shelf = Shelf("s", named("a"), named("b"), named("c"))
    reports = [ToolCatalog([shelf]).restore(stored) for _ in range(3)]
    assert reports == [RestoreReport(2, (), changed=True)] * 3


@pytest.mark.parametrize(
    "changed", [named("a", "x"), named("a", "", "Does more."), named("a", hidden=True)]
)
def test_the_live_tool_wins_over_what_is_stored_of_it(changed: Any) -> None:
    """A renamed or redescribed tool is the tool of today, and a change of the surface."""
    catalog = ToolCatalog([Shelf("s", changed)])
    report = catalog.restore(ToolCatalog([Shelf("s", named("a"))]).export())
    assert report.changed
    assert report.generation == 2
    entry = catalog.export().tools["a"]
    assert (entry.name, entry.description) == (changed.name, changed.description)


def test_a_changed_schema_is_a_change_of_the_surface() -> None:
    """The digest stands for the schema."""

    @tool(id="a", name="a")
    def newer(x: int) -> int:
        return x

    catalog = ToolCatalog([FunctionSource("s", [newer])])
    assert catalog.restore(ToolCatalog([Shelf("s", named("a"))]).export()).changed


def test_a_rename_keeps_the_opt_out() -> None:
    """Membership belongs to the id."""
    first = ToolCatalog([Shelf("s", named("a", "old"))])
    first.set_member("a", member=False)
    second = ToolCatalog([Shelf("s", named("a", "new"))])
    second.restore(first.export())
    assert "not a member" in reason(second, "new")


def test_a_tool_without_source_is_kept_as_an_orphan() -> None:
    """It is reported and no member, its entry stays, and a call says why."""
    stored = ToolCatalog([Shelf("s", named("a")), Shelf("t", named("b", "", "B."))]).export()
    catalog = ToolCatalog([Shelf("s", named("a"))])
    report = catalog.restore(stored)
    assert report == RestoreReport(2, ("b",), changed=True)
    assert catalog.orphaned == ("b",)
    assert names(catalog) == ["a"]
    assert "its source is not registered" in reason(catalog, "b")
    assert catalog.export().tools["b"] == stored.tools["b"].model_copy(update={"orphaned": True})


def test_a_restore_without_any_source_fails_not() -> None:
    """A session can be brought to life wherever its tools are."""
    stored = ToolCatalog([Shelf("s", named("a"), named("b"))]).export()
    report = ToolCatalog([]).restore(stored)
    assert report.orphaned == ("a", "b")


@pytest.mark.parametrize("member", [True, False])
def test_an_orphan_comes_back_by_id_when_its_source_does(*, member: bool) -> None:
    """It has its membership, under the name that it has today."""
    first = ToolCatalog([Shelf("s", named("a", "old"))])
    first.set_member("a", member=member)
    catalog = ToolCatalog([])
    catalog.restore(first.export())
    generation = catalog.generation
    catalog.add_source(Shelf("other", named("a", "new")))
    assert catalog.orphaned == ()
    assert names(catalog) == (["new"] if member else [])
    assert catalog.generation == generation + 1


def test_an_orphans_wish_can_be_changed_before_it_returns() -> None:
    """The toggle is kept for its return."""
    shelf = Shelf("s", named("a"))
    catalog = ToolCatalog([])
    catalog.restore(ToolCatalog([shelf]).export())
    catalog.set_member("a", member=False)
    assert catalog.orphaned == ("a",)
    catalog.add_source(shelf)
    assert "not a member" in reason(catalog, "a")


def test_an_orphan_comes_back_when_it_is_looked_up() -> None:
    """Its source has it again without having said so; the name that the model knows still does."""
    shelf = Shelf("s")
    catalog = ToolCatalog([shelf])
    catalog.restore(ToolCatalog([Shelf("s", named("a", "old"))]).export())
    assert "its source is not registered" in reason(catalog, "old")
    shelf.lazy.append(named("a", "new"))
    generation = catalog.generation
    assert catalog.find("old").name == "new"
    assert (catalog.generation, catalog.orphaned) == (generation + 1, ())
    assert catalog.find_by_id("a") is shelf.lazy[0]


def test_a_tool_that_was_renamed_is_found_by_its_id() -> None:
    """A name that went to another tool does not lead there who knows the id."""
    rack = Rack("r", named("a", "x"))
    catalog = ToolCatalog([rack])
    rack.put(named("a", "y"), named("b", "x"))
    catalog.refresh_if_moved()
    assert catalog.find("x").tool_id == "b"
    assert catalog.find_by_id("a").name == "y"
    catalog.set_member("a", member=False)
    with pytest.raises(ToolUnavailable, match="'y' is not available"):
        catalog.find_by_id("a")


def test_a_tool_that_is_not_advertised_is_had_by_wishing_for_it() -> None:
    """It becomes known, at a generation of its own, and survives a rebuild."""
    lazy = Shelf("s", lazy=[named("b", "search")])
    catalog = ToolCatalog([lazy])
    catalog.set_member("b", member=True)
    assert (names(catalog), catalog.generation) == (["search"], 1)
    assert names(ToolCatalog([lazy], stored=catalog.export())) == ["search"]


def test_repeated_cold_restores_do_not_flap() -> None:
    """A worker that lacks a source moves the generation once, not with every rebuild."""
    stored = ToolCatalog([Shelf("s", named("a")), Shelf("t", named("b"))]).export()
    seen: list[int] = []
    for _ in range(4):
        catalog = ToolCatalog([Shelf("s", named("a"))])
        seen.append(catalog.restore(stored).generation)
        stored = ToolState.decode(catalog.export().encode())
    assert seen == [2, 2, 2, 2]


def test_a_name_that_went_to_another_id_drops_the_orphan() -> None:
    """The new tool does not inherit the opt-out of the old one."""
    first = ToolCatalog([Shelf("s", named("old/search", "search"))])
    first.set_member("old/search", member=False)
    catalog = ToolCatalog([Shelf("s", named("new/search", "search"))])
    report = catalog.restore(first.export())
    assert report.orphaned == ()
    assert list(catalog.export().tools) == ["new/search"]
    assert catalog.find("search").tool_id == "new/search"


def test_a_tool_that_is_not_advertised_is_resolved_if_it_is_stored() -> None:
    """A lazy tool is no orphan, and is not shown to sessions that never had it."""
    lazy = Shelf("s", named("a"), lazy=[named("b")])
    stored = ToolCatalog([Shelf("s", named("a"), named("b"))]).export()
    catalog = ToolCatalog([lazy])
    assert names(catalog) == ["a"]
    assert catalog.restore(stored) == RestoreReport(1, (), changed=False)
    assert names(catalog) == ["a", "b"]


def test_a_lazy_tool_of_two_sources_is_refused() -> None:
    """A call could go to either."""
    stored = ToolCatalog([Shelf("s", named("b"))]).export()
    catalog = ToolCatalog([Shelf("s", lazy=[named("b")]), Shelf("t", lazy=[named("b")])])
    with pytest.raises(AmbiguousTool, match="'b' comes from source 's' and 't'"):
        catalog.restore(stored)
    with pytest.raises(AmbiguousTool):
        catalog.set_member("b", member=True)
    assert (names(catalog), catalog.generation) == ([], 0)


def test_a_source_that_resolves_to_another_tool_resolves_nothing() -> None:
    """The id is the identity, whatever a source says."""

    class Confused(Shelf):
        @override
        def resolve(self, tool_id: str) -> AnyTool | None:
            return named(tool_id + "x")

    catalog = ToolCatalog([Confused("s")])
    assert catalog.restore(ToolCatalog([Shelf("s", named("a"))]).export()).orphaned == ("a",)


# Deltas


def test_a_delta_is_for_exactly_one_generation() -> None:
    """A stale or foreign state changes nothing."""
    catalog = ToolCatalog([Shelf("s", named("a"))])
    for generation in (0, 2):
        with pytest.raises(GenerationMismatch) as caught:
            catalog.apply(ToolState(generation=generation))
        assert (caught.value.expected, caught.value.actual) == (generation, 1)
    assert catalog.generation == 1


def test_a_delta_changes_what_it_names_and_moves_the_generation_always() -> None:
    """Even when nothing comes of it."""
    catalog = ToolCatalog([Shelf("s", named("a"), named("b"))])
    off = ToolStateEntry(name="a", member=False)
    catalog.apply(ToolState(generation=1, tools={"a": off}))
    assert names(catalog) == ["b"]
    catalog.apply(catalog.export())
    assert names(catalog) == ["b"]
    assert catalog.generation == 3


def test_a_delta_may_name_a_tool_that_is_not_advertised() -> None:
    """So a session gets a lazy tool."""
    catalog = ToolCatalog([Shelf("s", lazy=[named("b", "search")])])
    catalog.apply(ToolState(generation=0, tools={"b": ToolStateEntry(name="b")}))
    assert names(catalog) == ["search"]


def test_a_delta_with_a_tool_that_nobody_has_is_refused() -> None:
    """Nothing of it is applied."""
    catalog = ToolCatalog([Shelf("s", named("a"))])
    state = ToolState(
        generation=1,
        tools={"a": ToolStateEntry(name="a", member=False), "b": ToolStateEntry(name="b")},
    )
    with pytest.raises(UnresolvedTool, match="'b'"):
        catalog.apply(state)
    assert names(catalog) == ["a"]
    assert catalog.generation == 1


def test_a_delta_tolerates_orphans() -> None:
    """What was orphaned already stays so."""
    catalog = ToolCatalog([])
    catalog.restore(ToolCatalog([Shelf("s", named("a"))]).export())
    catalog.apply(catalog.export())
    catalog.apply(ToolState(generation=3, tools={"a": ToolStateEntry(name="a", member=False)}))
    assert catalog.orphaned == ("a",)
    assert catalog.export().tools["a"].member is False
    assert catalog.generation == 4


# Sources that come and go


def test_a_refresh_moves_the_generation_only_if_something_changed() -> None:
    """What came is a member, what went is an orphan."""
    shelf = Shelf("s", named("a"))
    catalog = ToolCatalog([shelf])
    catalog.refresh()
    assert catalog.generation == 1
    shelf.shown[:] = [named("b")]
    catalog.refresh()
    assert (names(catalog), catalog.orphaned, catalog.generation) == (["b"], ("a",), 2)


def test_sources_are_read_again_only_if_one_has_moved() -> None:
    """A question to the model costs no reconciliation, and sees the tools of its moment."""
    rack, shelf = Rack("r", named("a")), Shelf("s", named("z"))
    catalog = ToolCatalog([rack, shelf])
    shelf.shown[:] = [named("y")]
    assert not catalog.refresh_if_moved()
    assert (names(catalog), catalog.generation) == (["a", "z"], 1)
    rack.put(named("b"))
    assert catalog.refresh_if_moved()
    assert (names(catalog), catalog.generation) == (["b", "y"], 2)
    assert not catalog.refresh_if_moved()


@pytest.mark.parametrize(
    "read",
    [
        lambda catalog: catalog.refresh(),
        lambda catalog: catalog.restore(catalog.export()),
        lambda catalog: catalog.add_source(Shelf("other")),
    ],
)
def test_a_move_is_answered_once(read: Callable[[ToolCatalog], None]) -> None:
    """Whatever read the sources since."""
    rack = Rack("r", named("a"))
    catalog = ToolCatalog([rack])
    rack.put(named("b"))
    read(catalog)
    assert not catalog.refresh_if_moved()


def test_a_move_that_cannot_be_followed_is_tried_again() -> None:
    """The catalogue stays as it was until the sources agree."""
    rack = Rack("r", named("a"))
    catalog = ToolCatalog([rack, Shelf("s", named("z"))])
    rack.put(named("b", "z"))
    for _ in range(2):
        with pytest.raises(DuplicateTool):
            catalog.refresh_if_moved()
    assert names(catalog) == ["a", "z"]
    rack.put(named("b"))
    assert catalog.refresh_if_moved()


def test_a_move_while_the_sources_are_read_is_not_missed() -> None:
    """The revision is taken before the tools."""

    class Restless(Rack):
        @override
        def tools(self) -> Sequence[AnyTool]:
            shown = list(self.shown)
            if self.revision == 1:
                self.put(named("c"))
            return shown

    rack = Restless("r", named("a"))
    catalog = ToolCatalog([rack])
    rack.put(named("b"))
    assert catalog.refresh_if_moved()
    assert names(catalog) == ["b"]
    assert catalog.refresh_if_moved()
    assert names(catalog) == ["c"]


def test_an_equal_tool_made_anew_is_called_anew() -> None:
    """A source that was rebuilt serves its own functions, without a change of the surface."""
    shelf = Shelf("s", named("a"))
    catalog = ToolCatalog([shelf])
    shelf.shown[:] = [named("a")]
    catalog.refresh()
    assert catalog.find("a") is shelf.shown[0]
    assert catalog.generation == 1


def test_a_source_added_again_replaces_itself() -> None:
    """As when a connection is made anew; opt-outs stay."""
    catalog = ToolCatalog([Shelf("s", named("a"), named("b"))])
    catalog.set_member("a", member=False)
    catalog.add_source(Shelf("s", named("a"), named("c")))
    assert names(catalog) == ["c"]
    assert catalog.orphaned == ("b",)


def test_a_removed_source_takes_its_tools_along() -> None:
    """They are forgotten and not orphaned, and those of others stay."""
    catalog = ToolCatalog([Shelf("s", named("a")), Shelf("t", named("b"))])
    catalog.remove_source("t")
    assert list(catalog.export().tools) == ["a"]
    assert catalog.orphaned == ()
    assert catalog.generation == 2
    assert "no tool of that name" in reason(catalog, "b")


def test_removing_a_source_moves_the_generation_always() -> None:
    """Even if it had no tools."""
    catalog = ToolCatalog([Shelf("s")])
    catalog.remove_source("s")
    assert catalog.generation == 1


def test_a_source_that_is_not_there_cannot_be_removed() -> None:
    """It is an error, and no change."""
    catalog = ToolCatalog([])
    with pytest.raises(CatalogError, match="no source 's'"):
        catalog.remove_source("s")
    assert catalog.generation == 0


async def test_removing_a_source_revokes_no_running_call() -> None:
    """Who holds a tool can end what it began."""
    started, finish = asyncio.Event(), asyncio.Event()

    @tool
    async def slow() -> str:
        started.set()
        await finish.wait()
        return "done"

    catalog = ToolCatalog([FunctionSource("s", [slow])])
    call = asyncio.create_task(catalog.find("slow").run({}, ToolContext("s", "t", "c")))
    await started.wait()
    catalog.remove_source("s")
    finish.set()
    assert await call == "done"


# Stored form


def test_the_stored_form_leaves_defaults_out() -> None:
    """A member costs its name, description and digest."""
    catalog = ToolCatalog([Shelf("s", named("b", "", "B."), named("a"))])
    catalog.set_member("a", member=False)
    assert json.loads(catalog.export().encode()) == {
        "generation": 2,
        "tools": {
            "a": {"name": "a", "digest": named("a").spec.digest, "member": False},
            "b": {"name": "b", "digest": named("b").spec.digest, "description": "B."},
        },
    }


def test_equal_states_have_equal_bytes() -> None:
    """The order in which tools came does not show."""
    one = ToolCatalog([Shelf("s", named("a"), named("b"))]).export()
    two = ToolCatalog([Shelf("s", named("b"), named("a"))]).export()
    assert one.encode() == two.encode()
    assert ToolState.decode(one.encode()) == two


def test_fields_of_a_newer_writer_are_passed_over() -> None:
    """An older reader can restore a newer state."""
    state = ToolState.decode(b'{"generation":2,"v":9,"tools":{"a":{"name":"a","new":1}}}')
    assert state == ToolState(generation=2, tools={"a": ToolStateEntry(name="a")})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"tools":{}}',
        b'{"generation":-1}',
        b'{"generation":9223372036854775807}',
        b'{"generation":1,"tools":{"":{"name":"a"}}}',
        b'{"generation":1,"tools":{"a":{"name":""}}}',
        b'{"generation":1,"tools":{"a":{"name":"x"},"b":{"name":"x"}}}',
    ],
)
def test_malformed_bytes_are_refused(body: bytes) -> None:
    """What no catalogue could have written is not adopted."""
    with pytest.raises(MalformedToolState):
        ToolState.decode(body)


def test_a_malformed_state_is_refused_however_it_was_made() -> None:
    """Restore and apply check what decode would."""
    twins = {"a": ToolStateEntry(name="x"), "b": ToolStateEntry(name="x")}
    catalog = ToolCatalog([])
    with pytest.raises(MalformedToolState):
        catalog.restore(ToolState(generation=1, tools=twins))
    with pytest.raises(MalformedToolState):
        catalog.apply(ToolState(generation=0, tools=twins))
    assert catalog.generation == 0


def test_schemas_are_digested_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rebuild costs no hashing, however many tools there are."""
    digested: list[bytes] = []

    def count(body: bytes) -> str:
        digested.append(body)
        return "digest"

    monkeypatch.setattr(ids, "digest", count)
    shelf = Shelf("s", *(named(f"t{number}") for number in range(1_000)))
    stored = ToolCatalog([shelf]).export()
    for _ in range(3):
        ToolCatalog([shelf]).restore(stored)
    assert len(digested) == 1_000
