"""What PostgreSQL writes in several statements: if the last is refused, none of them stands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import psycopg
import pytest
from psycopg import sql

from sojourn.adapters.postgres import PostgresStore
from sojourn.clock import ManualClock
from sojourn.errors import Contended
from sojourn.ports import SessionStore
from sojourn.testing.conformance.making import chain, commit_of, grown, opening, wish
from tests.faults.test_postgres import REFUSING, make_refusing, make_willing
from tests.support.postgres import migrated, postgres_url, with_pool

__all__ = ["migrated", "postgres_url"]

Write = Callable[[SessionStore], Awaitable[object]]
TABLES = ("sessions", "configs", "nodes", "receipts", "effects")


async def claim(store: SessionStore) -> object:
    """Make a session, its configuration, and its lease."""
    return await store.claim(wish(session="new"))


async def begin(store: SessionStore) -> object:
    """Make a session, its configuration, its lease, and a journal."""
    return await store.open_turn(opening(session="new"))


async def branch(store: SessionStore) -> object:
    """Commit what hangs on another node than the leaf."""
    lease = await store.claim(wish(executor="t9"))
    return await store.commit(commit_of(lease, 1, *chain("a", "c")))


def rows_of(url: str) -> list[list[tuple[object, ...]]]:
    """Return every row, those too that no call of the store would show."""
    with psycopg.connect(url) as connection:
        select = sql.SQL("SELECT * FROM sojourn.{} ORDER BY 1, 2")
        return [
            connection.execute(select.format(sql.Identifier(table))).fetchall() for table in TABLES
        ]


@pytest.mark.parametrize(
    ("write", "last"), [(claim, "configs"), (begin, "effects"), (branch, "receipts")]
)
async def test_a_write_of_several_statements_is_undone_whole(
    postgres_url: str, write: Write, last: str
) -> None:
    """Whoever is refused in the last table has written nothing in the ones before."""
    store = await PostgresStore.open(with_pool(postgres_url, 1), clock=ManualClock())
    try:
        await grown(store, "a", "b")
        await store.claim(wish(executor="t9"))
        with psycopg.connect(postgres_url) as connection:
            connection.execute(REFUSING)
        before = rows_of(postgres_url)
        make_refusing(postgres_url, "40001", 1, [last])
        with pytest.raises(Contended):
            await write(store)
        assert rows_of(postgres_url) == before
        make_willing(postgres_url, last)
        await write(store)
        assert rows_of(postgres_url) != before
    finally:
        await store.close()
