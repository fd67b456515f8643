from __future__ import annotations

import asyncio
import shutil
import sqlite3
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sojourn.adapters.open import open_store
from sojourn.adapters.sqlite import SqliteStore, rows, sql
from sojourn.adapters.sqlite.migrations import SCHEMA_VERSION
from sojourn.clock import ManualClock
from sojourn.errors import SchemaTooNew
from sojourn.ids import node_id
from sojourn.journal import EffectStatus
from sojourn.ports import SessionStore
from sojourn.reads import ReadScope
from sojourn.testing.conformance.making import grown, problems, vacuumed
from tests.store.test_processes import written

ROOT = Path(__file__).parents[2]
OLD = Path(__file__).parent / "files" / "sqlite-1.db"
DAY = timedelta(days=1)
MADE = datetime(2026, 1, 1, tzinfo=UTC)
LATER = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def old_path(sqlite_path: Path) -> Path:
    """A copy of a file that the first schema made."""
    shutil.copyfile(OLD, sqlite_path)
    return sqlite_path


@pytest.fixture
async def migrated(old_path: Path, clock: ManualClock) -> AsyncIterator[SqliteStore]:
    """That file, opened much later."""
    clock.advance(LATER - clock.now())
    store = await SqliteStore.open(str(old_path), clock=clock)
    yield store
    await store.close()


def queried(path: Path, query: str) -> list[tuple[Any, ...]]:
    """Return what a query of a file gives."""
    with closing(sqlite3.connect(path)) as db:
        return db.execute(query).fetchall()


def shape(path: Path) -> dict[str, list[Any]]:
    """Return the tables of a file with their columns, keys and indexes."""
    names = [name for (name,) in queried(path, "SELECT name FROM sqlite_schema WHERE type='table'")]
    return {
        name: [
            queried(path, f"PRAGMA table_xinfo({name})"),
            sorted(queried(path, f"PRAGMA foreign_key_list({name})")),
            sorted(index[1:] for index in queried(path, f"PRAGMA index_list({name})")),
        ]
        for name in sorted(names)
    }


async def texts(store: SessionStore, session: str) -> list[str]:
    """Return what was said on a session's path."""
    read = await store.load(session, ReadScope.ACTIVE_PATH)
    return [node.message.text for node in read.nodes] if read else []


async def test_an_older_file_is_migrated_when_it_is_opened(migrated: SqliteStore) -> None:
    """Every session reads as before: heads, paths, forks, tool states, ledgers."""
    heads = {head.session_id: head for head in await migrated.heads()}
    assert {key: (head.head_revision, head.turn_count) for key, head in heads.items()} == {
        "branches": (4, 4),
        "chat-1": (4, 4),
        "fork-live": (2, 1),
        "heir": (1, 0),
        "open": (0, 0),
        "parked": (1, 1),
    }
    assert await texts(migrated, "heir") == [
        *("shared 0", "echo shared 0", "shared 1", "echo shared 1")
    ]
    assert await texts(migrated, "chat-1") == [
        *("hello 0", "echo hello 0", "hello 1", "echo hello 1", "hello 2", "echo hello 2"),
        *("where is my order?", "", "", "I looked: order 42 is paid"),
    ]
    whole = [*await texts(migrated, "chat-1"), "go on elsewhere", "echo go on elsewhere"]
    assert await texts(migrated, "fork-live") == whole
    assert all(head.config for key, head in heads.items() if key != "open")
    assert await migrated.usage("chat-1")
    chat = await migrated.load("chat-1", ReadScope.FRAME)
    assert chat is not None
    assert b"look" in (chat.tool_state or b"")
    assert await problems(migrated) == []


async def test_what_an_older_file_had_counts_from_its_migration(
    migrated: SqliteStore, clock: ManualClock
) -> None:
    """Nothing in it is old at once: neither its receipts nor its open turn."""
    await grown(migrated, "new", session="open")
    assert await migrated.forget_receipts(clock.now(), 100) == 0
    assert await migrated.reclaim_journals(clock.now(), 100) == 0
    clock.advance(DAY)

    assert await migrated.forget_receipts(clock.now(), 100) == 6
    assert await migrated.reclaim_journals(clock.now(), 100) == 1
    receipt = await migrated.receipt("chat-1", "order-1")
    assert receipt is not None
    assert receipt.result["status"] == "completed"


async def test_an_open_turn_of_an_older_file_goes_on(migrated: SqliteStore) -> None:
    """Its journal is whole, and an attachment can be begun."""
    journal = await migrated.effects("open", "open-1")

    assert [(effect.effect_key, effect.status) for effect in journal] == [
        ("input", EffectStatus.DONE),
        ("model/1", EffectStatus.DONE),
        ("tool/1/call-1", EffectStatus.STARTED),
    ]
    assert await migrated.has_attachments() is False


async def test_orphans_and_tombstones_of_an_older_file_go(
    migrated: SqliteStore, clock: ManualClock
) -> None:
    """Marked or not, and with the last fork what it had of a deleted session."""
    kept = node_id("branches", "kept", 0)
    assert list(await migrated.orphaned_node_ids("branches")) == [kept]
    assert await migrated.tombstone_orphans("branches", clock.now(), 10) == 1
    assert (await vacuumed(migrated)).nodes == 2
    await migrated.delete("heir")

    assert (await vacuumed(migrated)).nodes == 4
    assert await problems(migrated) == []


async def test_deleted_sessions_of_an_older_file_stay_deleted(migrated: SqliteStore) -> None:
    """Their ids are refused, and a fork of one goes on."""
    assert await migrated.head("source") is None
    assert await migrated.head("gone") is None
    await grown(migrated, "next", session="heir")

    assert (await texts(migrated, "heir"))[-1] == "hello"
    assert await problems(migrated) == []


async def test_a_migrated_file_has_the_shape_of_a_new_one(
    migrated: SqliteStore, old_path: Path, tmp_path: Path
) -> None:
    """Tables, columns, keys and indexes."""
    new = await SqliteStore.open(str(tmp_path / "new.db"))
    await new.close()

    assert shape(old_path) == shape(tmp_path / "new.db")
    assert queried(old_path, "PRAGMA user_version") == [(SCHEMA_VERSION,)]
    assert sorted(sql.migrations()) == list(range(2, SCHEMA_VERSION + 1))


async def test_a_migrated_file_is_migrated_once(old_path: Path, clock: ManualClock) -> None:
    """Opened again it is as it was left."""
    await (await SqliteStore.open(str(old_path), clock=clock)).close()
    clock.advance(DAY)
    await (await SqliteStore.open(str(old_path), clock=clock)).close()

    ages = queried(old_path, "SELECT DISTINCT committed_at FROM receipts")
    assert ages == [(rows.micros(MADE),)]


async def came_and_went(store: SessionStore, session: str) -> int:
    """Make a large session, delete it, and return what vacuum gives back of its room."""
    await grown(store, *(f"{session}{n}" for n in range(400)), session=session)
    await store.delete(session)
    return (await vacuumed(store)).freed_bytes


async def test_an_older_file_gives_space_back_after_a_rewrite(
    migrated: SqliteStore, old_path: Path
) -> None:
    """Until then `vacuum` leaves its free pages for what comes; afterwards it cuts them off."""
    assert await came_and_went(migrated, "first") == 0
    ((free,),) = queried(old_path, "PRAGMA freelist_count")
    assert free > 0
    assert await migrated.rewrite() > 0
    assert queried(old_path, "PRAGMA freelist_count") == [(0,)]

    assert await came_and_went(migrated, "second") > 0
    assert await problems(migrated) == []


async def test_the_older_code_can_write_no_turn_to_a_migrated_file(
    migrated: SqliteStore, old_path: Path
) -> None:
    """A process that opened the file before is refused at each effect and each commit."""
    effect = "INSERT OR REPLACE INTO effects (sid, turn_id, effect_key, position, kind, status, "
    effect += "attempt_id, facts, payload) VALUES (1, 't', 'k', 1, 'tool', 'done', 'a', '{}', '')"
    receipt = "INSERT INTO receipts (sid, operation_id, content_hash, head_revision, leaf, result) "
    receipt += "VALUES (1, 't', 'h', 9, NULL, '{}')"
    for statement in (effect, receipt):
        with pytest.raises(sqlite3.IntegrityError, match="NOT NULL"):
            queried(old_path, statement)
    assert await problems(migrated) == []


async def test_a_file_that_somebody_newer_migrates_is_let_go_of(
    migrated: SqliteStore, old_path: Path
) -> None:
    """Neither written nor read any more by who had it open: its rows may mean something else."""
    with closing(sqlite3.connect(old_path, isolation_level=None)) as db:
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")

    with pytest.raises(SchemaTooNew):
        await grown(migrated, "a")
    with pytest.raises(SchemaTooNew):
        await migrated.head("chat-1")


async def test_processes_migrate_one_file_at_once(old_path: Path) -> None:
    """Whoever comes first does it; the others find it done; nobody's commit is lost."""
    url = f"sqlite:///{old_path}"
    outcomes = await asyncio.gather(*(written(url, f"s{n}", "3") for n in range(4)))

    assert [code for code, _ in outcomes] == [0] * 4
    store = await open_store(url)
    assert [head.head_revision for head in await store.heads(after="s")] == [3] * 4
    assert await problems(store) == []
    await store.close()


@pytest.mark.crash
async def test_a_process_killed_in_a_migration_leaves_one_version_or_the_other(
    tmp_path: Path,
) -> None:
    """At every statement of it; whoever opens the file next has all that was in it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.store.opener", str(OLD), str(tmp_path)),
        cwd=ROOT,
        stdin=DEVNULL,
        stdout=PIPE,
    )
    out, _ = await process.communicate()
    copies = [Path(line) for line in out.decode().splitlines()]
    assert process.returncode == 0

    versions: list[int] = []
    for copy in copies:
        ((version,),) = queried(copy, "PRAGMA user_version")
        versions.append(version)
        has_ages = ("committed_at",) in queried(
            copy, "SELECT name FROM pragma_table_info('receipts')"
        )
        assert has_ages == (version == SCHEMA_VERSION)
        store = await SqliteStore.open(str(copy))
        assert await problems(store) == []
        stats = await store.stats()
        assert (stats["sessions"], stats["receipts"], stats["effects"]) == (6, 10, 3)
        await store.close()
    assert versions == sorted(versions)
    assert len(sql.statements(sql.migrations()[2])) < versions.count(1) < len(copies)
