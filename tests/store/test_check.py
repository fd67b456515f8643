from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sojourn import ids
from sojourn.adapters.memory import MemoryStore
from sojourn.adapters.memory_rows import Rows
from sojourn.adapters.open import open_store
from sojourn.adapters.sqlite import checks
from sojourn.clock import ManualClock
from sojourn.commit import Snapshot
from sojourn.errors import GraphCorrupt
from sojourn.ports import PagedCheck, SessionStore
from sojourn.reads import Problem, ReadScope
from sojourn.testing.conformance.making import (
    chain,
    commit_of,
    grown,
    opening,
    problems,
    wish,
)

STATE = Snapshot(ids.digest(b"state"), b"state", 1)


async def filled(store: SessionStore) -> None:
    """Make a session of the path a, b, c with both states."""
    lease = await store.claim(wish())
    made = commit_of(lease, 0, *chain(None, "a", "b", "c"), tool_state=STATE, plugin_state=STATE)
    await store.commit(made)


async def test_a_sound_file_has_no_problems(
    sqlite_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Branches, forks, open turns and several pages of rows are all in order."""
    monkeypatch.setattr(checks, "PAGE", 2)
    store = await open_store(f"sqlite:///{sqlite_path}")
    await filled(store)
    await store.fork("s", "b", "f")
    await grown(store, "d", "e", session="f")
    await store.open_turn(opening("t7"))

    assert await problems(store) == []
    await store.close()


DAMAGE = [
    ("DELETE FROM nodes WHERE node_id = 'c'", "c", "the leaf is not stored"),
    ("DELETE FROM nodes WHERE node_id = 'a'", "b", "its parent is missing"),
    (
        "UPDATE nodes SET parent = 3 WHERE node_id = 'a'",
        "a",
        "its parents form a cycle",
    ),
    ("UPDATE nodes SET tombstoned = 1 WHERE node_id = 'c'", "c", "tombstoned, but reachable"),
    (
        "UPDATE nodes SET tombstoned = 1 WHERE node_id = 'b'",
        "c",
        "its parent is tombstoned, but reachable",
    ),
    (
        "UPDATE sessions SET plugin_digest = 'gone'",
        None,
        "the plugin state has no body",
    ),
    ("UPDATE sessions SET tool_digest = 'gone'", None, "the tool state has no body"),
]


@pytest.fixture
def damage(sqlite_path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that respects nothing."""
    with closing(sqlite3.connect(sqlite_path, isolation_level=None)) as db:
        yield db


@pytest.mark.parametrize(("statement", "node_id", "problem"), DAMAGE)
async def test_damage_to_a_file_is_found(
    sqlite_path: Path,
    damage: sqlite3.Connection,
    statement: str,
    node_id: str | None,
    problem: str,
) -> None:
    """Each kind of damage is named by its row."""
    store = await open_store(f"sqlite:///{sqlite_path}")
    await filled(store)
    damage.execute(statement)

    assert Problem("s", node_id, problem) in await problems(store)
    await store.close()


async def test_a_journal_of_nobody_is_found(sqlite_path: Path, damage: sqlite3.Connection) -> None:
    """Of a session that was never there."""
    store = await open_store(f"sqlite:///{sqlite_path}")
    await store.open_turn(opening())
    damage.execute("UPDATE effects SET sid = 99")

    assert await problems(store) == [Problem("#99", None, "journal of turn t1 in no live session")]
    await store.close()


async def test_journals_are_looked_at_in_pages(
    sqlite_path: Path, damage: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of nobody's is found once, and none of a session that is live."""
    monkeypatch.setattr(checks, "PAGE", 2)
    store = await open_store(f"sqlite:///{sqlite_path}")
    for n in range(5):
        await store.open_turn(opening(f"t{n}"))
        await store.open_turn(opening(f"t{n}", session="live", text="hello"))
    damage.execute("UPDATE effects SET sid = 99 WHERE sid = 1")

    assert await problems(store) == [
        Problem("#99", None, f"journal of turn t{n} in no live session") for n in range(5)
    ]
    await store.close()


async def test_a_check_tells_how_far_it_has_come(
    sqlite_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pieces are bounded, and add up to what the store counts."""
    monkeypatch.setattr(checks, "PAGE", 2)
    store = await open_store(f"sqlite:///{sqlite_path}")
    await filled(store)
    await store.fork("s", "b", "f")
    await grown(store, "x", "y", parent="b")
    await store.tombstone_nodes("s", ["c"])
    counts = await store.stats()
    assert isinstance(store, PagedCheck)
    looked = [page.looked async for page in store.check_pages()]

    assert sum(looked) == counts["sessions"] + counts["nodes"] == 6
    assert max(looked) <= 2
    await store.close()


@pytest.mark.parametrize("scope", [ReadScope.ACTIVE_PATH, ReadScope.FULL_GRAPH])
@pytest.mark.parametrize(
    ("statement", "node_id"),
    [
        ("DELETE FROM nodes WHERE node_id = 'a'", "b"),
        ("UPDATE nodes SET tombstoned = 1 WHERE node_id = 'b'", "c"),
        ("UPDATE nodes SET parent = 3 WHERE node_id = 'a'", "a"),
    ],
)
async def test_a_path_with_a_gap_or_a_cycle_is_no_path(
    sqlite_path: Path,
    damage: sqlite3.Connection,
    scope: ReadScope,
    statement: str,
    node_id: str,
) -> None:
    """What is missing never looks like the conversation's start, and a cycle ends."""
    store = await open_store(f"sqlite:///{sqlite_path}")
    await filled(store)
    damage.execute(statement)

    with pytest.raises(GraphCorrupt) as corrupt:
        await store.load("s", scope)

    assert corrupt.value.node_id == node_id
    await store.close()


async def test_an_orphan_whose_parent_is_lost_keeps_that_parents_name(
    sqlite_path: Path, damage: sqlite3.Connection
) -> None:
    """Off the path a gap hurts nobody, but it never looks like a root."""
    store = await open_store(f"sqlite:///{sqlite_path}")
    await filled(store)
    await grown(store, "x", "y", parent="a")
    damage.execute("DELETE FROM nodes WHERE node_id = 'b'")
    read = await store.load("s", ReadScope.FULL_GRAPH)

    assert read is not None
    assert {node.node_id: node.parent_id for node in read.nodes} == {
        "a": None,
        "c": "#2",
        "x": "a",
        "y": "x",
    }
    await store.close()


@pytest.mark.parametrize("scope", ReadScope)
async def test_a_dangling_leaf_reads_as_no_path(
    sqlite_path: Path, damage: sqlite3.Connection, scope: ReadScope
) -> None:
    """The head still names it, so that healing can tell; the full graph has the rest."""
    store = await open_store(f"sqlite:///{sqlite_path}")
    await filled(store)
    damage.execute("DELETE FROM nodes WHERE node_id = 'c'")
    read = await store.load("s", scope)

    assert read is not None
    assert read.head.leaf == "c"
    rest = ["a", "b"] if scope is ReadScope.FULL_GRAPH else []
    assert [node.node_id for node in read.nodes] == rest
    await store.close()


async def test_damage_to_the_memory_store_is_found() -> None:
    """The reference names the same problems."""
    store = MemoryStore(ManualClock())
    await filled(store)
    rows: Rows = vars(store)["_rows"]
    rows.snapshots.clear()
    rows.nodes["b"].is_tombstoned = True
    found = await problems(store)
    assert Problem("s", None, "the tool state has no body") in found
    assert Problem("s", None, "the plugin state has no body") in found
    assert Problem("s", "c", "its parent is tombstoned, but reachable") in found

    first = rows.nodes.pop("a")
    assert Problem("s", "b", "its parent is missing") in await problems(store)
    rows.nodes["a"] = first
    assert Problem("s", "b", "its parents form a cycle") in await problems(store)
    rows.nodes["c"].is_tombstoned = True
    assert Problem("s", "c", "tombstoned, but reachable") in await problems(store)
    del rows.nodes["c"]
    assert Problem("s", "c", "the leaf is not stored") in await problems(store)


async def test_a_gap_or_a_cycle_in_memory_is_no_path() -> None:
    """The reference refuses what is no path, too."""
    store = MemoryStore(ManualClock())
    await filled(store)
    rows: Rows = vars(store)["_rows"]
    gap = rows.nodes.pop("a")
    with pytest.raises(GraphCorrupt) as missing:
        await store.load("s", ReadScope.ACTIVE_PATH)
    object.__setattr__(gap.node, "parent_id", "c")
    rows.nodes["a"] = gap
    with pytest.raises(GraphCorrupt) as cycle:
        await store.load("s", ReadScope.FULL_GRAPH)

    assert "missing" in str(missing.value)
    assert "cycle" in str(cycle.value)
