"""Damage to a SQLite file itself, and to what only SQLite has."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from sojourn.adapters.open import open_store
from sojourn.adapters.sqlite import checks
from sojourn.clock import ManualClock
from sojourn.commit import NewNode
from sojourn.errors import GraphCorrupt
from sojourn.messages import CallStatus, ToolCallPart, assistant, tool_response, user
from sojourn.ports import SessionStore
from sojourn.reads import Problem
from sojourn.residency import Residency
from sojourn.state import load_state
from sojourn.testing.conformance.making import chain, commit_of, problems, vacuumed, wish
from tests.store.damaging import filled

CALL = ToolCallPart(id="c1", name="add")


@pytest.fixture
async def store(sqlite_path: Path) -> AsyncIterator[SessionStore]:
    """A store with something in each table."""
    store = await open_store(f"sqlite:///{sqlite_path}", clock=ManualClock())
    await filled(store)
    yield store
    await store.close()


def broken(path: Path, *statements: str) -> None:
    """Run statements on a file, each by itself."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for statement in statements:
            db.execute(statement)


async def test_an_index_that_has_lost_its_rows_is_found(
    store: SessionStore, sqlite_path: Path
) -> None:
    """Reads that go by it would miss nodes; each finding is a problem of the whole store."""
    await store.close()
    broken(
        sqlite_path,
        "DROP INDEX nodes_by_session",
        "CREATE INDEX nodes_by_session ON nodes (sid) WHERE node_id = 'a'",
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_schema SET sql = 'CREATE INDEX nodes_by_session ON nodes (sid)'"
        " WHERE name = 'nodes_by_session'",
    )
    again = await open_store(f"sqlite:///{sqlite_path}")
    found = [each for each in await problems(again) if "nodes_by_session" in each.problem]
    await again.close()

    assert found
    assert {(each.session_id, each.node_id) for each in found} == {("", None)}
    assert all(each.problem.startswith("the file is damaged: ") for each in found)
    assert all(each.remedy for each in found)


async def test_a_page_of_rubbish_does_not_end_the_check(
    store: SessionStore, sqlite_path: Path
) -> None:
    """What cannot be read is a problem; all other tables are looked at as ever."""
    await store.close()
    with closing(sqlite3.connect(sqlite_path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        page, size = db.execute(
            "SELECT rootpage, page_size FROM sqlite_schema, pragma_page_size WHERE name = 'nodes'"
        ).fetchone()
        db.execute("UPDATE usage SET output_tokens = -1")
        db.commit()
    with sqlite_path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    again = await open_store(f"sqlite:///{sqlite_path}")
    found = {each.problem for each in await problems(again)}
    await again.close()

    assert "the file is damaged: its nodes cannot be read any further" in found
    assert "usage of scripted by agent is negative" in found


async def test_rows_beside_sessions_that_are_not_there_are_found(
    store: SessionStore, sqlite_path: Path
) -> None:
    """A configuration of nobody costs its session, which has none."""
    broken(sqlite_path, "UPDATE configs SET sid = 99 WHERE sid = 1")

    assert await problems(store) == [
        Problem("#99", None, "configuration of no session"),
        Problem("s", None, "its configuration is not stored"),
    ]


async def test_a_fork_that_forgot_whose_node_it_stands_on_is_found(
    store: SessionStore, sqlite_path: Path
) -> None:
    """It would not find the attachments that it shares."""
    broken(sqlite_path, "DELETE FROM forks")

    said = "whose node it was forked at is not noted rightly"
    assert await problems(store) == [Problem("f", None, said)]


@pytest.mark.parametrize("residency", Residency)
async def test_an_id_that_is_stored_twice_is_found_and_never_guessed_at(
    store: SessionStore, sqlite_path: Path, residency: Residency
) -> None:
    """Only a table without its index can have that."""
    await store.close()
    broken(
        sqlite_path,
        "CREATE TABLE copy AS SELECT * FROM nodes",
        "DROP TABLE nodes",
        "ALTER TABLE copy RENAME TO nodes",
        "UPDATE nodes SET node_id = 'a' WHERE node_id = 'b'",
    )
    again = await open_store(f"sqlite:///{sqlite_path}")

    assert Problem("s", "a", "its id is stored twice") in await problems(again)
    with pytest.raises(GraphCorrupt, match="its id is stored twice") as corrupt:
        await load_state(again, "s", residency)
    assert (corrupt.value.facts["session_id"], corrupt.value.node_id) == ("s", "a")
    await again.close()


async def test_a_node_of_no_session_is_found(store: SessionStore, sqlite_path: Path) -> None:
    """By the number that its session had."""
    broken(sqlite_path, "UPDATE nodes SET sid = 99 WHERE node_id = 'y'")

    assert Problem("#99", "y", "its session is not stored") in await problems(store)


async def test_calls_and_results_are_matched_over_pages(
    store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A turn that spans pages is one turn; where the next one begins, the last has ended."""
    monkeypatch.setattr(checks, "PAGE", 1)
    lease = await store.claim(wish(session="tools", executor="t1"))
    said = [user("1 + 2?"), assistant("", CALL), tool_response("c1", "add", 3, CallStatus.DONE)]
    nodes = [
        NewNode(f"n{number}", f"n{number - 1}" if number else None, "message", message.encode())
        for number, message in enumerate(said)
    ]
    await store.commit(commit_of(lease, 0, *nodes))
    open_end = NewNode("n3", "n2", "message", assistant("", CALL).encode())
    later = commit_of(lease, 1, open_end, operation_id="t2")
    await store.commit(later)
    await store.commit(commit_of(lease, 2, *chain("n3", "n4"), operation_id="t3"))

    assert await problems(store) == [Problem("tools", "n3", "its tool call c1 has no result")]


async def test_a_fork_in_the_middle_of_a_turn_is_sound_when_its_origin_is_gone(
    store: SessionStore,
) -> None:
    """The rest of the turn went with the session that it was forked from."""
    lease = await store.claim(wish(session="tools", executor="t1"))
    answered = tool_response("c1", "add", 3, CallStatus.DONE)
    nodes = (
        NewNode("n0", None, "message", assistant("", CALL).encode()),
        NewNode("n1", "n0", "message", answered.encode()),
    )
    await store.commit(commit_of(lease, 0, *nodes, release=True))
    await store.fork("tools", "n0", "early")
    await store.delete("tools")
    assert await problems(store) == []
    await vacuumed(store)

    assert await problems(store) == []
