"""Opening a PostgreSQL store: its URL, its schema, and what is refused."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import psycopg
import pytest
from psycopg import sql

from sojourn.adapters.open import open_store
from sojourn.adapters.postgres import address, schema
from sojourn.adapters.postgres.sql import SCRIPTS, SQL, blocks
from sojourn.adapters.postgres.sql import read as script
from sojourn.errors import (
    InvalidStoreUrl,
    SchemaTooNew,
    StoreError,
    StoreUnavailable,
    StoreUnusable,
)
from sojourn.testing.conformance.making import chain, commit_of, opening, path_ids, spent, wish
from tests.support.postgres import (
    administer,
    bare_postgres_url,
    database,
    migrated,
    postgres_url,
    server_url,
)
from tests.support.server import free_port

__all__ = ["bare_postgres_url", "migrated", "postgres_url"]


def run(url: str, *statements: str) -> list[tuple[object, ...]]:
    """Run statements, and return the rows of the last one."""
    with psycopg.connect(url, autocommit=True) as connection:
        cursors = [connection.execute(statement.encode()) for statement in statements]
        return cursors[-1].fetchall() if cursors[-1].description else []


def tables(url: str) -> list[tuple[object, ...]]:
    """Return what stands in the store's schema."""
    return run(url, "SELECT relname FROM pg_class WHERE relnamespace::regnamespace::text='sojourn'")


@pytest.fixture
def nobody(bare_postgres_url: str) -> Iterator[str]:
    """The URL of an empty database for a user who may do nothing there."""
    name, secret = f"nobody_{uuid.uuid4().hex}", "hunter2/@:?"
    role = sql.Identifier(name)
    administer(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, sql.Literal(secret)))
    parts = urlsplit(bare_postgres_url)
    place = parts.netloc.rpartition("@")[2]
    yield parts._replace(netloc=f"{name}:{quote(secret, safe='')}@{place}").geturl()
    administer(sql.SQL("DROP ROLE {}").format(role))


async def refusal(url: str) -> StoreError:
    """Return the error of a store that cannot be opened: one clear line without secrets."""
    with pytest.raises(StoreError) as refused:
        await open_store(url)
    assert len(str(refused.value).splitlines()) == 1
    assert "hunter2" not in str(refused.value)
    return refused.value


@pytest.mark.parametrize(
    ("url", "conninfo", "pool"),
    [
        ("postgresql://u:p@h:5/d", "postgresql://u:p@h:5/d", address.DEFAULT_POOL),
        ("postgres://h/d?pool=3", "postgres://h/d", 3),
        ("postgresql://h/d?sslmode=require&pool=20", "postgresql://h/d?sslmode=require", 20),
        ("postgresql:///d?pool=1&host=/tmp", "postgresql:///d?host=/tmp", 1),
    ],
)
def test_the_pool_is_ours_and_the_rest_is_libpqs(url: str, conninfo: str, pool: int) -> None:
    """`?pool=` is taken out of the URL; libpq gets everything else as it was."""
    parsed = address.parsed(url)

    assert (parsed.conninfo, parsed.pool) == (conninfo, pool)


def test_the_driver_prepares_nothing_by_itself() -> None:
    """A statement that one server session has prepared may run in another one, behind a pooler."""
    assert address.parsed("postgresql://h/d").options["prepare_threshold"] is None


def test_the_url_may_say_how_long_to_wait() -> None:
    """What the URL gives is not given again: the later of the two would win."""
    options = address.parsed("postgresql://h/d?connect_timeout=2").options

    assert "connect_timeout" not in options
    assert "tcp_user_timeout" in options


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:hunter2@h/d?pool=0",
        "postgresql://u:hunter2@h/d?pool=many",
        "postgresql://u:hunter2@h/d?pool=",
        "postgresql://u:hunter2@h/d?unknown=1",
        "postgresql://u:hunter2%zz@h/d",
    ],
)
async def test_a_url_that_libpq_would_not_take_is_refused_without_its_password(url: str) -> None:
    """As is a pool that is no positive number; nothing is connected to."""
    with pytest.raises(InvalidStoreUrl) as refused:
        await open_store(url)

    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:hunter2@h:5/d?password=hunter2", "postgresql://h:5/d"),
        ("postgresql://u:hun?ter2@h/d", "postgresql://h/d"),
        ("postgresql:///d?host=/tmp", "postgresql:///tmp/d"),
        ("postgresql://a:1,b:2/d", "postgresql://a,b:1,2/d"),
    ],
)
def test_people_are_shown_host_port_and_database(url: str, shown: str) -> None:
    """No user, no password, no options, wherever in the URL they stand."""
    assert address.parsed(url).shown == shown


def test_an_address_does_not_show_its_secrets() -> None:
    """An address in a traceback or a log keeps the password to itself."""
    assert "hunter2" not in repr(address.parsed("postgresql://u:hunter2@h/d"))


async def test_the_first_open_makes_the_schema(bare_postgres_url: str) -> None:
    """An empty database becomes a store, and stays one."""
    store = await open_store(bare_postgres_url)
    lease = await store.claim(wish())
    await store.close()

    again = await open_store(bare_postgres_url)
    assert await again.lease("s") == lease
    await again.close()


async def test_stores_that_open_at_once_make_one_schema(bare_postgres_url: str) -> None:
    """The first makes it; the others wait for that, and find it made."""
    stores = await asyncio.gather(*(open_store(bare_postgres_url) for _ in range(6)))

    assert run(bare_postgres_url, "SELECT version FROM sojourn.schema_version") == [
        (schema.SCHEMA_VERSION,)
    ]
    for number, store in enumerate(stores):
        assert (await store.claim(wish(session=f"s{number}"))).fencing_token == 1
        await store.close()


def test_processes_that_open_at_once_make_one_schema(bare_postgres_url: str) -> None:
    """As the workers of a fleet do when they are deployed."""
    code = (
        "import asyncio, sys\n"
        "from sojourn.adapters.open import open_store\n"
        "async def main():\n"
        "    store = await open_store(sys.argv[1])\n"
        "    await store.stats()\n"
        "    await store.close()\n"
        "asyncio.run(main())"
    )
    started = [subprocess.Popen([sys.executable, "-c", code, bare_postgres_url]) for _ in range(4)]

    assert [process.wait(timeout=50) for process in started] == [0, 0, 0, 0]


async def test_a_current_schema_is_opened_without_a_lock_or_a_write(postgres_url: str) -> None:
    """Even while somebody migrates, and where nothing can be written, as on a standby."""
    name = urlsplit(postgres_url).path.removeprefix("/")
    run(postgres_url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with psycopg.connect(postgres_url) as other:
        other.execute("SELECT pg_advisory_xact_lock(hashtext('sojourn'), hashtext('schema'))")
        store = await open_store(postgres_url)

    assert await store.heads() == []
    with pytest.raises(StoreUnavailable, match="read-only"):
        await store.open_turn(opening())
    await store.close()


async def test_a_newer_schema_is_refused(postgres_url: str) -> None:
    """Nothing in it is touched."""
    run(postgres_url, "UPDATE sojourn.schema_version SET version = 99")

    refused = await refusal(postgres_url)

    assert isinstance(refused, SchemaTooNew)
    assert (refused.found, refused.known) == (99, schema.SCHEMA_VERSION)


async def test_an_older_schema_is_brought_up_to_date(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is stored stays; each step is made once, and the functions are replaced."""
    store = await open_store(postgres_url)
    opened = await store.open_turn(opening())
    await store.close()
    run(postgres_url, "DROP FUNCTION sojourn.release")
    monkeypatch.setattr(schema, "STEPS", (*schema.STEPS, ()))
    monkeypatch.setattr(schema, "SCHEMA_VERSION", len(schema.STEPS))

    newer = await open_store(postgres_url)
    assert opened.lease is not None
    await newer.release(opened.lease)
    await newer.close()

    assert run(postgres_url, "SELECT version FROM sojourn.schema_version") == [(len(schema.STEPS),)]


async def test_a_migration_that_fails_leaves_nothing(bare_postgres_url: str) -> None:
    """Somebody else's schema of that name is refused, and stays as it is."""
    run(bare_postgres_url, "CREATE SCHEMA sojourn", "CREATE TABLE sojourn.sessions (x int)")
    before = tables(bare_postgres_url)

    refused = await refusal(bare_postgres_url)

    assert isinstance(refused, StoreUnusable)
    assert tables(bare_postgres_url) == before


async def test_a_user_without_rights_is_refused(nobody: str) -> None:
    """Whether the schema is to be made or is there already."""
    assert isinstance(await refusal(nobody), StoreUnusable)

    await (await open_store(with_owner(nobody))).close()

    assert isinstance(await refusal(nobody), StoreUnusable)


def with_owner(url: str) -> str:
    """Return the URL of the same database for the user who owns the server."""
    return urlsplit(url)._replace(netloc=urlsplit(server_url()).netloc).geturl()


async def test_a_database_that_cannot_keep_every_text_is_refused() -> None:
    """It must be encoded as UTF-8."""
    with database("template0", "ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'") as url:
        refused = await refusal(url)

    assert isinstance(refused, StoreUnusable)
    assert "SQL_ASCII" in str(refused)


async def test_a_server_that_is_too_old_is_refused(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is changed there."""
    monkeypatch.setattr(schema, "OLDEST_SERVER", 99)

    refused = await refusal(postgres_url)

    assert isinstance(refused, StoreUnusable)
    assert "99" in str(refused)


async def test_a_server_that_does_not_answer_is_unavailable() -> None:
    """The reason says where nobody listens, and trying again can help."""
    port = free_port()

    refused = await refusal(f"postgresql://u:hunter2@127.0.0.1:{port}/d")

    assert isinstance(refused, StoreUnavailable)
    assert f"127.0.0.1:{port}" in str(refused)
    assert "refused" in str(refused)


async def test_a_database_that_is_not_there_is_named() -> None:
    """As the server says it."""
    url = urlsplit(server_url())._replace(path="/nowhere").geturl()

    assert '"nowhere" does not exist' in str(await refusal(url))


async def test_nothing_relies_on_a_search_path(postgres_url: str) -> None:
    """Behind a pooler the path may be anybody's; every name is qualified."""
    name = urlsplit(postgres_url).path.removeprefix("/")
    run(postgres_url, f"ALTER DATABASE {name} SET search_path = 'nowhere'")
    store = await open_store(postgres_url)

    opened = await store.open_turn(opening())
    assert opened.lease is not None
    made = commit_of(opened.lease, 0, *chain(None, "a", "b"), usage=(spent(1),), release=True)
    assert (await store.commit(made)).head_revision == 1
    assert (await store.fork("s", "a", "fork")).leaf == "a"
    assert await path_ids(store, session="fork") == ["a"]
    await store.close()


async def test_times_are_utc_wherever_the_server_is(postgres_url: str) -> None:
    """The server answers in its own time zone; what is returned is the same instant in UTC."""
    name = urlsplit(postgres_url).path.removeprefix("/")
    run(postgres_url, f"ALTER DATABASE {name} SET timezone = 'Asia/Kolkata'")
    store = await open_store(postgres_url)
    (before,) = run(postgres_url, "SELECT clock_timestamp()")[0]
    lease = await store.claim(wish())
    (after,) = run(postgres_url, "SELECT clock_timestamp()")[0]
    stored, head = await store.lease("s"), await store.head("s")
    await store.close()

    assert before < lease.claimed_at < after  # type: ignore[operator]
    assert stored == lease
    assert head is not None
    assert str(head.created_at.tzinfo) == str(lease.claimed_at.tzinfo) == "UTC"


def test_no_two_statements_share_a_name() -> None:
    """The files' statements are one dictionary: a name that came twice would hide one of them."""
    files = [path.name for path in Path(schema.__file__).parent.glob("*.sql")]
    named = [blocks(script(name)) for name in files if name not in SCRIPTS]

    assert sum(map(len, named)) == len(SQL)


def test_psycopg_is_loaded_by_its_own_urls_alone() -> None:
    """Whoever has no PostgreSQL needs no driver; whoever lacks it is told what to install."""
    code = (
        "import asyncio, sys\n"
        "sys.modules['psycopg'] = None\n"
        "from sojourn.adapters.open import open_store\n"
        "asyncio.run(open_store('memory://'))\n"
        "try:\n"
        "    asyncio.run(open_store('postgresql://h/d'))\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.startswith("MissingExtra Run `pip install sojourn[postgres]` first")
