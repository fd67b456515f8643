"""Sources that change by themselves take nobody else's names."""

from __future__ import annotations

import logging

import pytest

from sojourn.catalog import ToolCatalog
from sojourn.tools import FunctionSource
from sojourn.yielding import yielding
from tests.tools.sources import Rack, named


def names(catalog: ToolCatalog) -> list[str]:
    """Return what a model sees."""
    return [spec.name for spec in catalog.specs()]


def test_a_source_that_moves_yields_to_one_that_does_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whatever their order; what it has beside stays, and the log says what is left out, once."""
    moving = Rack("m")
    moving.put(named("one"), named("two"))
    sources = yielding([moving, FunctionSource("fixed", [named("one")])])

    with caplog.at_level(logging.WARNING):
        catalog = ToolCatalog(sources)
        ToolCatalog(sources)

    assert sorted(names(catalog)) == ["one", "two"]
    assert [record.getMessage() for record in caplog.records] == [
        "tool one is left out: another source has its name; use a prefix"
    ]


def test_a_source_that_takes_a_name_in_mid_session_breaks_nothing() -> None:
    """The session goes on; the name comes free again when its first owner drops it."""
    first, second = Rack("a"), Rack("b")
    first.put(named("one"))
    catalog = ToolCatalog(yielding([first, second]))

    second.put(named("b/one", "other"), named("b/x", "x"))
    catalog.refresh_if_moved()
    assert sorted(names(catalog)) == ["one", "other", "x"]
    second.put(named("b/one", "one"), named("b/x", "x"))
    catalog.refresh_if_moved()
    assert sorted(names(catalog)) == ["one", "x"]
    first.put()
    catalog.refresh_if_moved()
    assert sorted(names(catalog)) == ["one", "x"]
    assert catalog.find("one").tool_id == "b/one"
