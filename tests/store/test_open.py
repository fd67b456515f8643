from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from sojourn.adapters.memory import MemoryStore
from sojourn.adapters.open import open_store, opened_store
from sojourn.adapters.sqlite import SqliteStore, schema, sql
from sojourn.adapters.sqlite.connection import Connection
from sojourn.adapters.sqlite.errors import translated
from sojourn.adapters.sqlite.schema import APPLICATION_ID, SCHEMA_VERSION
from sojourn.errors import (
    Contended,
    InvalidStoreUrl,
    SchemaTooNew,
    StoreError,
    StoreUnavailable,
    StoreUnusable,
)
from sojourn.reads import ReadScope
from sojourn.testing.conformance.making import grown, path_ids, wish

NAMED = re.compile(r"^-- (\w+): ", re.MULTILINE)


def names(folder: Path) -> list[str]:
    """Return the names of a folder's files."""
    return sorted(path.name for path in folder.iterdir())


def content(path: Path) -> bytes:
    """Return what a file holds."""
    return path.read_bytes()


def written(path: Path, body: bytes) -> None:
    """Make a file of some bytes."""
    path.write_bytes(body)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "sojourn.db",
        "sqlite:sojourn.db",
        "sqlite://",
        "sqlite:///",
        "sqlite://host/sojourn.db",
        "sqlite:///s.db?synchronous=off",
        "sqlite:///s.db?mode=ro",
        "memory://shared",
        "mysql://somebody:secret@host/db",
    ],
)
async def test_a_url_that_names_no_store_is_refused(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is made, and a password is not repeated."""
    monkeypatch.chdir(tmp_path)

    with pytest.raises(InvalidStoreUrl) as refused:
        await open_store(url)

    assert "secret" not in str(refused.value)
    assert names(tmp_path) == []


async def test_urls_name_their_stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three slashes are relative, four absolute; memory is memory."""
    monkeypatch.chdir(tmp_path)
    for url in ("sqlite:///here.db", f"sqlite:///{tmp_path}/there.db?synchronous=normal"):
        async with opened_store(url) as store:
            assert isinstance(store, SqliteStore)
    async with opened_store("memory://") as store:
        assert isinstance(store, MemoryStore)

    assert names(tmp_path) == ["here.db", "there.db"]


async def test_a_store_that_is_open_already_stays_open(tmp_path: Path) -> None:
    """Who opened it closes it."""
    store = await open_store(f"sqlite:///{tmp_path}/s.db")
    async with opened_store(store) as same:
        assert same is store

    assert await store.head("s") is None
    await store.close()


@pytest.mark.parametrize(("option", "level"), [("", 2), ("?synchronous=normal", 1)])
async def test_a_commit_is_flushed_unless_told_otherwise(
    sqlite_path: Path, option: str, level: int
) -> None:
    """FULL by default, NORMAL by choice; a write-ahead log and foreign keys in any case."""
    store = await open_store(f"sqlite:///{sqlite_path}{option}")
    writer: Connection = vars(store)["_writer"]
    found: list[tuple[object, ...]] = await writer.transact(
        lambda db: [
            db.execute(f"PRAGMA {pragma}").fetchone()
            for pragma in ("synchronous", "journal_mode", "foreign_keys", "busy_timeout")
        ]
    )
    await store.close()

    assert found == [(level,), ("wal",), (1,), (5000,)]


async def test_a_store_is_found_again(sqlite_path: Path) -> None:
    """Sessions, tokens and nodes survive the process; one file is left when it is closed."""
    url = f"sqlite:///{sqlite_path}"
    async with opened_store(url) as store:
        await grown(store, "a", "b")
    assert names(sqlite_path.parent) == [sqlite_path.name]
    async with opened_store(url) as store:
        assert await path_ids(store, ReadScope.FULL_GRAPH) == ["a", "b"]
        assert (await store.claim(wish())).fencing_token == 2


async def test_a_newer_schema_is_refused_and_left_alone(sqlite_path: Path) -> None:
    """The error names both versions."""
    async with opened_store(f"sqlite:///{sqlite_path}"):
        pass
    with closing(sqlite3.connect(sqlite_path)) as db:
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    before = content(sqlite_path)

    with pytest.raises(SchemaTooNew) as refused:
        await open_store(f"sqlite:///{sqlite_path}")

    assert (refused.value.found, refused.value.known) == (SCHEMA_VERSION + 1, SCHEMA_VERSION)
    assert content(sqlite_path) == before


@pytest.mark.parametrize("script", ["CREATE TABLE notes (x)", "PRAGMA application_id = 7"])
async def test_another_programs_database_is_refused_and_left_alone(
    sqlite_path: Path, script: str
) -> None:
    """Not even its journal mode is changed."""
    with closing(sqlite3.connect(sqlite_path, isolation_level=None)) as db:
        db.execute(script)
    before = content(sqlite_path)

    with pytest.raises(StoreUnusable, match="another program"):
        await open_store(f"sqlite:///{sqlite_path}")

    assert content(sqlite_path) == before


async def test_a_file_that_is_no_database_is_refused(sqlite_path: Path) -> None:
    """And left alone."""
    written(sqlite_path, b"Dear diary, " * 1000)

    with pytest.raises(StoreUnusable, match="not a database"):
        await open_store(f"sqlite:///{sqlite_path}")

    assert content(sqlite_path) == b"Dear diary, " * 1000


async def test_an_empty_file_becomes_a_store(sqlite_path: Path) -> None:
    """As `tempfile` makes them."""
    written(sqlite_path, b"")
    async with opened_store(f"sqlite:///{sqlite_path}") as store:
        await store.claim(wish())

    with closing(sqlite3.connect(sqlite_path)) as db:
        assert db.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("missing/s.db", "does not exist"),
        ("file/s.db", "does not exist"),
        (".", "it is a folder"),
        ("/proc/sojourn.db", "cannot be opened"),
        (":memory:", "write-ahead log"),
    ],
)
async def test_a_place_that_cannot_hold_a_store_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, reason: str
) -> None:
    """With the reason, and what to do about it."""
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "file", b"")

    with pytest.raises(StoreUnusable, match=reason):
        await open_store(f"sqlite:///{place}")


class Patience:
    """A clock of the thread that opens: each pause does something, each look is later."""

    def __init__(self, on_pause: Callable[[], object], seconds_a_look: float) -> None:
        self.now = 0.0
        self.sleep: Callable[[float], object] = lambda _seconds: on_pause()
        self.seconds_a_look = seconds_a_look

    def monotonic(self) -> float:
        """Return the time, which goes on with every look."""
        self.now += self.seconds_a_look
        return self.now


@pytest.mark.parametrize("lets_go", [True, False])
async def test_a_file_that_another_process_is_making_is_waited_for(
    sqlite_path: Path, monkeypatch: pytest.MonkeyPatch, lets_go: bool
) -> None:
    """Bounded: it is opened when the other is done, or contended."""
    monkeypatch.setattr(schema, "BUSY_TIMEOUT_SECONDS", 0.01)
    with closing(
        sqlite3.connect(sqlite_path, isolation_level=None, check_same_thread=False)
    ) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("CREATE TABLE half_made (x)")
        patience = Patience(lambda: other.execute("ROLLBACK"), 0.001 if lets_go else 1.0)
        monkeypatch.setattr(schema, "time", patience)
        if lets_go:
            async with opened_store(f"sqlite:///{sqlite_path}") as store:
                assert list(await store.heads()) == []
        else:
            with pytest.raises(Contended):
                await open_store(f"sqlite:///{sqlite_path}")


async def test_a_store_without_its_reader_is_not_open(
    sqlite_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was opened before the failure is closed again."""

    def fails(path: str, url: str) -> sqlite3.Connection:
        raise StoreUnusable(url=url, reason=f"no reader of {path}")

    monkeypatch.setattr(schema, "open_reader", fails)
    with pytest.raises(StoreUnusable, match="no reader"):
        await open_store(f"sqlite:///{sqlite_path}")

    assert names(sqlite_path.parent) == [sqlite_path.name]


@pytest.mark.parametrize(
    ("code", "kind", "retryable"),
    [
        (sqlite3.SQLITE_BUSY, Contended, True),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, Contended, True),
        (sqlite3.SQLITE_LOCKED, Contended, True),
        (sqlite3.SQLITE_FULL, StoreUnavailable, True),
        (sqlite3.SQLITE_IOERR_FSYNC, StoreUnavailable, True),
        (sqlite3.SQLITE_READONLY, StoreUnusable, False),
        (sqlite3.SQLITE_CORRUPT, StoreUnusable, False),
        (sqlite3.SQLITE_NOTADB, StoreUnusable, False),
        (sqlite3.SQLITE_CONSTRAINT, StoreUnusable, False),
    ],
)
def test_what_sqlite_says_is_told_by_whether_to_try_again(
    code: int, kind: type[StoreError], retryable: bool
) -> None:
    """Busy and full may pass; damaged and read-only last."""
    error = sqlite3.OperationalError("the words of SQLite")
    error.sqlite_errorcode = code
    answer = translated(error, "sqlite:///s.db")

    assert type(answer) is kind
    assert answer.retryable is retryable


def test_every_statement_is_named_once_compiles_and_is_used() -> None:
    """The `.sql` files of queries hold what the store runs and nothing else."""
    folder = Path(sql.__file__).parent
    named = [
        line.removeprefix("-- ").partition(": ")[0]
        for file in sql.QUERIES
        for line in sql.read(file).splitlines()
        if re.match(r"-- \w+: ", line)
    ]
    code = "".join(path.read_text("utf-8") for path in folder.glob("*.py"))
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(sql.read("schema.sql"))
        for name, statement in sql.SQL.items():
            facts: dict[str, None] = dict.fromkeys(re.findall(r":(\w+)", statement))
            arguments = facts or (None,) * statement.count("?")
            db.execute(f"EXPLAIN {statement}", arguments)
            assert f'"{name}"' in code
    assert sorted(named) == sorted(sql.SQL)


async def test_a_store_whose_file_is_taken_away_refuses(sqlite_path: Path) -> None:
    """SQLite would go on in a file without a name; what it took would be lost with the process."""
    async with opened_store(f"sqlite:///{sqlite_path}") as store:
        await store.claim(wish())
        sqlite_path.unlink()

        with pytest.raises(StoreUnusable, match="removed or replaced"):
            await store.claim(wish())
