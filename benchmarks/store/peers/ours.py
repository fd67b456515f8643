"""Sojourn, doing what is asked of its peers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from typing_extensions import override

from benchmarks.commit import Writer
from benchmarks.store.peers.saver import MESSAGES, Library, Saver
from benchmarks.store.places import Place, postgres, sqlite
from benchmarks.store.turns import grow, writer_of
from sojourn import ids
from sojourn.messages import Message
from sojourn.ports import SessionStore
from sojourn.reads import ReadScope


class OurSaver(Saver):
    """Sessions, with their leases, receipts and ledgers."""

    def __init__(self, store: SessionStore, hasty: SessionStore) -> None:
        self._store = store
        self._hasty = hasty
        self._writer = Writer(store, "none")

    @override
    async def begin(self, turns: int) -> None:
        self._writer = await writer_of(self._hasty, ids.mint("session"))
        await grow(self._writer, turns)
        self._writer.store = self._store

    @override
    async def save(self) -> None:
        await self._writer.commit()

    @override
    async def load(self) -> None:
        read = await self._store.load(self._writer.session_id, ReadScope.FULL_GRAPH)
        assert read is not None
        messages = [Message.decode(node.body) for node in read.nodes]
        assert len(messages) == self._writer.turns * MESSAGES


@asynccontextmanager
async def opened(place: Place) -> AsyncIterator[Saver]:
    """Open a store twice: to measure, and to grow what is measured."""
    async with place.opened() as store, place.opened_hastily() as hasty:
        yield OurSaver(store, hasty)


OURS = (
    Library("Sojourn, SQLite", "aiosqlite", sqlite, opened),
    Library("Sojourn, PostgreSQL", "psycopg", postgres, opened),
)
