"""What only the database's owner can break is found, and never looks like a conversation."""

from __future__ import annotations

import psycopg
import pytest

from sojourn.adapters.postgres import PostgresStore, checks
from sojourn.errors import GraphCorrupt, NodeReachable
from sojourn.reads import Problem, ReadScope
from sojourn.testing.conformance.making import (
    chain,
    checked_out,
    commit_of,
    grown,
    opening,
    problems,
    state,
    vacuumed,
    wish,
)

FULL = ReadScope.FULL_GRAPH

DAMAGE = [
    ("DELETE FROM sojourn.nodes WHERE node_id = 'c'", "c", "the leaf is not stored"),
    ("DELETE FROM sojourn.nodes WHERE node_id = 'a'", "b", "its parent is missing"),
    (
        "UPDATE sojourn.nodes SET parent = seq + 2 WHERE node_id = 'a'",
        "a",
        "its parents form a cycle",
    ),
    (
        "UPDATE sojourn.nodes SET tombstoned = true WHERE node_id = 'c'",
        "c",
        "tombstoned, but reachable",
    ),
    (
        "UPDATE sojourn.nodes SET tombstoned = true WHERE node_id = 'b'",
        "c",
        "its parent is tombstoned, but reachable",
    ),
    (
        "UPDATE sojourn.sessions SET plugin_digest = 'gone'",
        None,
        "the plugin state has no body",
    ),
    ("UPDATE sojourn.sessions SET tool_digest = 'gone'", None, "the tool state has no body"),
]


async def damaged(url: str, *statements: str) -> None:
    """Do what no store does; foreign keys are not asked."""
    async with await psycopg.AsyncConnection.connect(url) as connection:
        await connection.execute("SET LOCAL session_replication_role = replica")
        for statement in statements:
            await connection.execute(statement.encode())


async def filled(store: PostgresStore) -> None:
    """Make a session with a path of three nodes and both states."""
    lease = await store.claim(wish())
    states = {"tool_state": state(b"tools"), "plugin_state": state(b"plugins")}
    await store.commit(commit_of(lease, 0, *chain(None, "a", "b", "c"), release=True, **states))


@pytest.mark.parametrize(("statement", "node_id", "problem"), DAMAGE)
async def test_damage_is_found(
    store: PostgresStore, postgres_url: str, statement: str, node_id: str | None, problem: str
) -> None:
    """Each kind is named by its row."""
    await filled(store)
    await damaged(postgres_url, statement)

    assert Problem("s", node_id, problem) in await problems(store)


async def test_journals_of_nobody_are_found_in_pages(
    store: PostgresStore, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each once, and none of a session that is live."""
    monkeypatch.setattr(checks, "PAGE", 2)
    for number in range(5):
        await store.open_turn(opening(f"t{number}"))
        await store.open_turn(opening(f"t{number}", session="live"))
    await damaged(postgres_url, "UPDATE sojourn.effects SET sid = 99 WHERE sid = 1")

    assert await problems(store) == [
        Problem("#99", None, f"journal of turn t{number} in no live session") for number in range(5)
    ]


async def test_a_node_of_nobody_has_its_owners_number(
    store: PostgresStore, postgres_url: str
) -> None:
    """Where a session's name would stand."""
    await grown(store, "a", "b")
    await damaged(
        postgres_url,
        "DELETE FROM sojourn.nodes WHERE node_id = 'a'",
        "DELETE FROM sojourn.sessions",
    )

    assert await problems(store) == [
        Problem("#1", "b", "its session is not stored"),
        Problem("#1", "b", "its parent is missing"),
        Problem("#1", None, "receipt of turn-a in no live session"),
    ]


async def test_what_a_fork_holds_of_a_deleted_session_is_checked(
    store: PostgresStore, postgres_url: str
) -> None:
    """What nobody holds is left to vacuum, whatever it looks like."""
    await grown(store, "a", "b", "c")
    await store.fork("s", "b", "f")
    await store.delete("s")
    await damaged(postgres_url, "UPDATE sojourn.nodes SET tombstoned = true WHERE node_id = 'b'")
    assert await problems(store) == [Problem("f", "b", "tombstoned, but reachable")]

    await damaged(postgres_url, "UPDATE sojourn.nodes SET tombstoned = node_id = 'a'")
    assert await problems(store) == [
        Problem("s", "b", "its parent is tombstoned, but reachable"),
    ]


async def test_a_check_tells_how_far_it_has_come(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pieces are bounded, and add up to what the store counts."""
    monkeypatch.setattr(checks, "PAGE", 2)
    await filled(store)
    await store.fork("s", "b", "f")
    await grown(store, "x", "y", parent="b")
    await store.tombstone_nodes("s", ["c"])
    counts = await store.stats()
    looked = [page.looked async for page in store.check_pages()]

    assert sum(looked) == counts["sessions"] + counts["nodes"] == 6
    assert max(looked) <= 2


@pytest.mark.parametrize("scope", [ReadScope.ACTIVE_PATH, FULL])
@pytest.mark.parametrize(
    ("statement", "node_id"),
    [
        ("DELETE FROM sojourn.nodes WHERE node_id = 'a'", "b"),
        ("UPDATE sojourn.nodes SET tombstoned = true WHERE node_id = 'b'", "c"),
        ("UPDATE sojourn.nodes SET parent = seq + 2 WHERE node_id = 'a'", "a"),
    ],
)
async def test_a_path_with_a_gap_or_a_cycle_is_no_path(
    store: PostgresStore, postgres_url: str, scope: ReadScope, statement: str, node_id: str
) -> None:
    """What is missing never looks like the conversation's start, and a cycle ends."""
    await filled(store)
    await damaged(postgres_url, statement)

    with pytest.raises(GraphCorrupt) as corrupt:
        await store.load("s", scope)

    assert corrupt.value.node_id == node_id


async def test_an_orphan_whose_parent_is_lost_keeps_that_parents_name(
    store: PostgresStore, postgres_url: str
) -> None:
    """Off the path a gap hurts nobody, but it never looks like a root."""
    await filled(store)
    await grown(store, "x", "y", parent="a")
    await damaged(postgres_url, "DELETE FROM sojourn.nodes WHERE node_id = 'b'")
    read = await store.load("s", FULL)

    assert read is not None
    assert {node.node_id: node.parent_id for node in read.nodes} == {
        "a": None,
        "c": f"#{(1 << 32) + 2}",
        "x": "a",
        "y": "x",
    }


@pytest.mark.parametrize("scope", ReadScope)
async def test_a_dangling_leaf_reads_as_no_path(
    store: PostgresStore, postgres_url: str, scope: ReadScope
) -> None:
    """The head still names it, so that healing can tell; the full graph has the rest."""
    await filled(store)
    await damaged(postgres_url, "DELETE FROM sojourn.nodes WHERE node_id = 'c'")
    read = await store.load("s", scope)

    assert read is not None
    assert read.head.leaf == "c"
    assert [node.node_id for node in read.nodes] == (["a", "b"] if scope is FULL else [])


CUTS = [
    "DELETE FROM sojourn.nodes WHERE node_id = 'b'",
    "UPDATE sojourn.nodes SET tombstoned = true WHERE node_id = 'b'",
    "UPDATE sojourn.nodes SET parent = seq + 1 WHERE node_id = 'b'",
]


@pytest.mark.parametrize("cut", CUTS)
async def test_what_a_cut_way_may_have_held_is_no_orphan(
    store: PostgresStore, postgres_url: str, cut: str
) -> None:
    """Whatever is older than the cut; nobody knows where the way went from there."""
    await grown(store, "a", "b", "c")
    await grown(store, "x", "y", parent="c")
    await checked_out(store, "c")
    await damaged(postgres_url, cut)

    assert list(await store.orphaned_node_ids("s")) == ["x", "y"]
    with pytest.raises(NodeReachable):
        await store.tombstone_nodes("s", ["a"])
    assert await store.tombstone_nodes("s", ["x"]) == 2


@pytest.mark.parametrize(("cut", "left"), list(zip(CUTS, ["ac", "ac", "abc"], strict=True)))
async def test_what_a_forks_cut_way_may_have_held_is_not_vacuumed(
    store: PostgresStore, postgres_url: str, cut: str, left: str
) -> None:
    """Deleted sessions keep it, for whoever mends the way."""
    await grown(store, "a", "b", "c", "d")
    await store.fork("s", "c", "f")
    await damaged(postgres_url, cut)
    await store.delete("s")
    await vacuumed(store)

    async with await psycopg.AsyncConnection.connect(postgres_url) as connection:
        found = await connection.execute("SELECT node_id FROM sojourn.nodes ORDER BY seq")
        assert [name for (name,) in await found.fetchall()] == list(left)


async def test_a_cycle_among_held_nodes_does_not_hold_vacuum_up(
    store: PostgresStore, postgres_url: str
) -> None:
    """Nor whoever looks for orphans, or from a fork at its source."""
    await grown(store, "a", "b", "c")
    await store.fork("s", "b", "f")
    await damaged(postgres_url, "UPDATE sojourn.nodes SET parent = seq + 1 WHERE node_id = 'a'")
    assert list(await store.orphaned_node_ids("s")) == []
    assert await store.node("f", "c") is None
    await store.delete("s")

    assert (await vacuumed(store)).nodes == 1
