"""A session's own tools: they replace others, and what they replaced comes back as it was."""

from __future__ import annotations

from sojourn.catalog import SESSION_SOURCE, ToolCatalog, ToolState
from sojourn.tools import FunctionSource

from .sources import Shelf, named

LENT = named("crm/search", "search")
MINE = named("mine/search", "search")


def own(*tools: object) -> FunctionSource:
    """Return a session's own source."""
    return FunctionSource(SESSION_SOURCE, tools)  # type: ignore[arg-type]


def names(catalog: ToolCatalog) -> list[str]:
    """Return the names of the members."""
    return [each.name for each in catalog.members()]


def test_own_tools_replace_those_of_their_id_and_of_their_name() -> None:
    """They stand last, wherever their source was named."""
    same_id = named("mail/send", "send", "Sends by my account.")
    base = Shelf("s", LENT, named("mail/send", "mail"), named("other"))
    catalog = ToolCatalog([own(MINE, same_id), base])
    assert names(catalog) == ["other", "search", "send"]
    assert catalog.find("search") is MINE
    assert catalog.find_by_id("mail/send") is same_id
    assert catalog.export().tools["crm/search"].is_member is False


def test_what_was_replaced_comes_back_with_the_sessions_wish() -> None:
    """An opt-out outlives the tool that stood before it, and a rebuild."""
    base = Shelf("s", LENT, named("other"))
    catalog = ToolCatalog([base])
    catalog.set_member("crm/search", member=False)
    catalog.add_source(own(MINE))
    cold = ToolCatalog([base, own(MINE)], stored=ToolState.decode(catalog.export().encode()))
    for each in (catalog, cold):
        assert names(each) == ["other", "search"]
        each.remove_source(SESSION_SOURCE)
        assert names(each) == ["other"]
        each.set_member("crm/search", member=True)
        assert each.find("search") is LENT


def test_a_name_is_lent_while_the_source_of_its_owner_is_away() -> None:
    """The owner is an orphan meanwhile and not forgotten, for its name was not given up."""
    catalog = ToolCatalog([Shelf("s", LENT)])
    catalog.set_member("crm/search", member=False)
    without = ToolCatalog([own(MINE)], stored=catalog.export())
    assert without.orphaned == ("crm/search",)
    assert without.find("search") is MINE
    back = ToolCatalog([Shelf("s", LENT)], stored=without.export())
    assert names(back) == []
    assert back.export().tools["crm/search"].member is False


def test_a_lent_name_goes_on_to_another_of_the_sessions_own_while_its_owner_is_away() -> None:
    """Of two that had it and are gone, the owner is kept: the other's name was taken for good."""
    catalog = ToolCatalog([Shelf("s", LENT)])
    catalog.set_member("crm/search", member=False)
    catalog.add_source(own(MINE))
    successor = named("ours/search", "search")
    away = ToolCatalog([own(successor)], stored=catalog.export())
    assert away.orphaned == ("crm/search",)
    assert away.find("search") is successor
    back = ToolCatalog([Shelf("s", LENT)], stored=away.export())
    assert names(back) == []
    assert back.export().tools["crm/search"].member is False


def test_an_id_that_two_sources_resolve_is_the_sessions_own() -> None:
    """Its word settles what would be ambiguous."""
    stored = ToolCatalog([Shelf("s", LENT)]).export()
    mine = named("crm/search", "search")
    sources = [Shelf("s", lazy=[LENT]), Shelf("t", lazy=[LENT])]
    catalog = ToolCatalog([*sources, Shelf(SESSION_SOURCE, lazy=[mine])], stored=stored)
    assert catalog.find("search") is mine


def test_removing_a_source_forgets_only_what_no_other_has() -> None:
    """A tool that is resolved elsewhere stays, with the session's wish."""
    catalog = ToolCatalog([Shelf("s", LENT, named("other")), Shelf("t", lazy=[LENT])])
    catalog.set_member("crm/search", member=False)
    catalog.remove_source("s")
    assert list(catalog.export().tools) == ["crm/search"]
    assert names(catalog) == []
