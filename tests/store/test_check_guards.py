"""After damage nobody can tell what a session held: then none of it is offered for deletion."""

# ruff: noqa: S608 - the statements are these tests' own

from __future__ import annotations

import pytest

from sojourn.adapters.memory import MemoryStore
from sojourn.adapters.memory_rows import Rows
from sojourn.clock import ManualClock
from sojourn.errors import NodeReachable
from sojourn.ports import SessionStore
from sojourn.reads import Problem
from sojourn.testing.conformance.making import (
    DAY,
    branched,
    checked_out,
    grown,
    path_ids,
    problems,
    vacuumed,
    wish,
)
from tests.store.damaging import Broken, broken, url
from tests.support.postgres import migrated, postgres_url

__all__ = ["broken", "migrated", "postgres_url", "url"]

NAMES = "SELECT node_id FROM nodes ORDER BY seq"
LATER = ManualClock().now() + 10 * DAY

# What becomes of a node on the path a, d, e of a session that has the branch b, c as well.
CUTS = ["lost", "tombstoned"]


async def nothing_goes(store: SessionStore, node_id: str) -> None:
    """Demand that no node of session s can be deleted by any way there is."""
    assert list(await store.orphaned_node_ids("s")) == []
    with pytest.raises(NodeReachable):
        await store.tombstone_nodes("s", [node_id])
    assert await store.tombstone_nodes("s", []) == 0
    assert await store.tombstone_orphans("s", LATER, 100) == 0


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("node_id", ["e", "d"])
async def test_a_session_whose_way_is_cut_offers_nothing_for_deletion(
    broken: Broken, node_id: str, cut: str
) -> None:
    """Neither its path nor what was a branch: the way may have gone anywhere before the gap."""
    await branched(broken.store)
    await grown(broken.store, "e")
    if cut == "lost":
        broken.breaks(f"DELETE FROM nodes WHERE node_id = '{node_id}'")
    else:
        broken.breaks(f"UPDATE nodes SET tombstoned = TRUE WHERE node_id = '{node_id}'")
    before = broken.rows()["nodes"]

    await nothing_goes(broken.store, "b")
    assert broken.rows()["nodes"] == before


async def test_vacuum_takes_nothing_from_under_a_fork_whose_way_is_cut(broken: Broken) -> None:
    """The deleted session's nodes before the gap may be the fork's."""
    await branched(broken.store)
    await broken.store.fork("s", "c", "f")
    await broken.store.delete("s")
    broken.breaks("DELETE FROM nodes WHERE node_id = 'b'")
    await vacuumed(broken.store)

    assert [row[0] for row in broken.hand.execute(NAMES).fetchall()][:1] == ["a"]


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM nodes WHERE node_id = 'd'",
        "UPDATE sessions SET leaf_seq = (SELECT seq FROM nodes WHERE node_id = 'b')",
    ],
)
async def test_a_checkout_mends_where_a_session_stands(broken: Broken, statement: str) -> None:
    """As the check says; and the guard is off again."""
    await branched(broken.store)
    broken.breaks(statement)
    (problem,) = await problems(broken.store)
    assert "check out" in problem.remedy
    await checked_out(broken.store, "a")

    assert await problems(broken.store) == []
    assert set(await broken.store.orphaned_node_ids("s")) >= {"b", "c"}


async def test_a_lost_leaf_does_not_cost_other_families(broken: Broken) -> None:
    """Their orphans go as ever."""
    await branched(broken.store)
    await broken.store.claim(wish(session="other"))
    await grown(broken.store, "other-a", "other-b", session="other")
    await checked_out(broken.store, "other-a", session="other")
    broken.breaks("DELETE FROM nodes WHERE node_id = 'd'")

    assert list(await broken.store.orphaned_node_ids("other")) == ["other-b"]


@pytest.mark.parametrize("cut", CUTS)
async def test_the_memory_store_offers_nothing_either(cut: str) -> None:
    """The reference keeps the same rule."""
    store = MemoryStore(ManualClock())
    await branched(store)
    rows: Rows = vars(store)["_rows"]
    if cut == "lost":
        del rows.nodes["d"]
    else:
        rows.nodes["d"].is_tombstoned = True

    await nothing_goes(store, "b")
    assert await path_ids(store) == []


async def test_what_a_fork_holds_of_a_deleted_session_is_looked_at(broken: Broken) -> None:
    """What nobody holds is left to vacuum, whatever it looks like."""
    await branched(broken.store)
    await broken.store.fork("s", "b", "f")
    await broken.store.delete("s")
    broken.breaks("UPDATE nodes SET body = '?' WHERE node_id IN ('b', 'c', 'd')")

    assert await problems(broken.store) == [Problem("s", "b", "its message cannot be decoded")]
