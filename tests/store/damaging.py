"""Stores with something in each table, and a hand that respects nothing to break them."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import psycopg
import pytest

from sojourn import ids
from sojourn.adapters.open import open_store
from sojourn.clock import ManualClock
from sojourn.commit import NewNode, Snapshot
from sojourn.ports import SessionStore
from sojourn.testing.conformance.making import (
    begun,
    chain,
    commit_of,
    grown,
    intent,
    spent,
    wish,
)

STATE = Snapshot(ids.digest(b"state"), b"state", 1)
TABLES = {
    *("sessions", "configs", "nodes", "snapshots", "receipts", "effects", "usage"),
    *("attachments", "graves"),
}


EVERYTHING = "SELECT * FROM {}"


class Hand(Protocol):
    """A connection beside the store's own."""

    def execute(self, statement: Any, /) -> Any:
        """Run one statement."""
        ...


@dataclass(frozen=True)
class Broken:
    """A store, and the hand that breaks it."""

    store: SessionStore
    hand: Hand

    def breaks(self, *statements: str) -> None:
        """Run statements that the store would never run."""
        for statement in statements:
            self.hand.execute(statement)

    def rows(self) -> dict[str, list[str]]:
        """Return every row of the store."""
        return {
            table: sorted(map(repr, self.hand.execute(EVERYTHING.format(table)).fetchall()))
            for table in TABLES
        }


async def filled(store: SessionStore) -> None:
    """Make sessions with something in each table.

    Session s stands on c of the path a, b, c; f was forked at b and stands on x; other stands on
    y, and has an open turn t9.
    """
    lease = await begun(store)
    kept = intent(lease)
    await store.begin_attachment(kept)
    states: dict[str, Any] = {"tool_state": STATE, "plugin_state": STATE}
    made = commit_of(lease, 0, *chain(None, "a", "b", "c"), usage=(spent(7),), **states)
    await store.commit(replace(made, attachment_ids=(kept.attachment.attachment_id,), release=True))
    await store.fork("s", "b", "f")
    await grown(store, "x", session="f")
    await store.claim(wish(session="other"))
    await grown(store, "y", session="other")
    await begun(store, "t9", session="other")


async def framed(store: SessionStore) -> None:
    """Make session s of the path a, b, f, c, where f is a frame."""
    lease = await store.claim(wish())
    nodes = (*chain(None, "a", "b"), NewNode("f", "b", "frame", b"{}"), *chain("f", "c"))
    await store.commit(commit_of(lease, 0, *nodes, release=True))


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty store of each kind that has tables is."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/sojourn.db"
    place: str = request.getfixturevalue("postgres_url")
    return place


@pytest.fixture
async def broken(url: str) -> AsyncIterator[Broken]:
    """An empty store, and a hand that respects nothing."""
    store = await open_store(url, clock=ManualClock())
    with hand_at(url) as hand:
        yield Broken(store, hand)
    await store.close()


@contextmanager
def hand_at(url: str) -> Iterator[Hand]:
    """Connect to a store's database, and let no constraint stand in the way."""
    if url.startswith("sqlite"):
        path = url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            yield db
    else:
        options = "-c search_path=sojourn -c session_replication_role=replica"
        with psycopg.connect(url, autocommit=True, options=options) as connection:
            yield connection
