"""Databases of older schemas are brought up to date, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from sojourn.adapters.open import open_store
from sojourn.adapters.postgres import schema
from sojourn.adapters.postgres.sql import read
from sojourn.errors import SchemaTooNew
from sojourn.ports import SessionStore
from sojourn.testing.conformance.making import chain, commit_of, path_ids, spent
from tests.support.postgres import bare_postgres_url

__all__ = ["bare_postgres_url"]

OLD = Path(__file__).parent / "files" / "postgres-1.sql"
VERSION = "SELECT version FROM sojourn.schema_version"


@pytest.fixture
def old_url(bare_postgres_url: str) -> str:
    """A database that the code of schema version 1 left."""
    with psycopg.connect(bare_postgres_url, autocommit=True) as connection:
        connection.execute(OLD.read_bytes())
    return bare_postgres_url


def version(url: str) -> int:
    """Return which schema a database has."""
    with psycopg.connect(url) as connection:
        row = connection.execute(VERSION).fetchone()
    assert row is not None
    return int(row[0])


async def soundness(store: SessionStore) -> list[str]:
    """Return what `check` finds."""
    return [str(problem) for problem in [each async for each in store.check()]]


async def test_an_older_database_is_migrated_when_it_is_opened(old_url: str) -> None:
    """What it had is there, its receipts answer, and its open turn goes on."""
    store = await open_store(old_url)
    lease, head = await store.lease("s"), await store.head("s")
    receipt = await store.receipt("s", "t2")
    assert lease is not None
    assert head is not None
    assert receipt is not None
    made = commit_of(lease, 2, *chain("c", "d", "e"), operation_id="t3", usage=(spent(1),))
    grown = await store.commit(made)
    again = await store.commit(made)
    found = await path_ids(store), await path_ids(store, session="f"), await soundness(store)
    ledger = await store.usage("s")
    await store.close()

    assert version(old_url) == schema.SCHEMA_VERSION
    assert (head.head_revision, head.leaf, receipt.leaf) == (2, "c", "c")
    assert (grown.head_revision, grown.replayed, again.replayed) == (3, False, True)
    assert found == (["a", "b", "c", "d", "e"], ["a", "b"], [])
    assert [entry.usage.input_tokens for entry in ledger] == [2]


async def test_a_migration_that_is_cut_off_leaves_the_older_schema(
    old_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever opens it next does all of it."""

    def cut_off(name: str) -> str:
        if name == "functions.sql":
            raise KeyboardInterrupt
        return read(name)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(schema, "read", cut_off)
        with pytest.raises(KeyboardInterrupt):
            await schema.prepare(schema.Address(old_url, old_url, 1, {"autocommit": True}))
    assert version(old_url) == 1

    store = await open_store(old_url)
    found = await soundness(store)
    await store.close()

    assert version(old_url) == schema.SCHEMA_VERSION
    assert found == []


async def test_a_database_that_somebody_newer_migrated_is_refused(old_url: str) -> None:
    """As the code of version 1 refuses this one."""
    with psycopg.connect(old_url, autocommit=True) as connection:
        connection.execute("UPDATE sojourn.schema_version SET version = 3")

    with pytest.raises(SchemaTooNew):
        await open_store(old_url)
