"""Where stores stand while they are measured, and the floor beneath each."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.commit import BODIES, Raw
from benchmarks.measure import Work
from sojourn.adapters.open import open_store
from sojourn.ports import SessionStore
from tests.support.postgres import database

ROOT = Path(__file__).parents[2]
ASYNCPG: Any = import_module("asyncpg")  # it has no types


@dataclass(frozen=True)
class Place:
    """A database of its own, empty at first.

    Attributes:
        name: what kind it is.
        url: the store in it, durable as it is by default.
        hasty: the same without waiting for the disk, to grow what is measured later.
        floor: opens the one raw transaction of a turn's bytes, as durable.
    """

    name: str
    url: str
    hasty: str
    floor: Callable[[], AbstractAsyncContextManager[Work]]

    @property
    def is_file(self) -> bool:
        """Whether the store is a file of this machine."""
        return self.url.startswith("sqlite:")

    @property
    def path(self) -> Path:
        """The file; of SQLite alone."""
        return Path(self.url.removeprefix("sqlite:///"))

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[SessionStore]:
        """Open the store as it is by default."""
        async with _opened(self.url) as store:
            yield store

    @asynccontextmanager
    async def opened_hastily(self) -> AsyncIterator[SessionStore]:
        """Open the store to grow what is in it."""
        async with _opened(self.hasty) as store:
            yield store


@contextmanager
def sqlite() -> Iterator[Place]:
    """Make a folder for a SQLite file, on the disk of the checkout."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        url = f"sqlite:///{folder}/sessions.db"

        @asynccontextmanager
        async def floor() -> AsyncIterator[Work]:
            raw = Raw(Path(folder) / "raw.db", "full")
            yield raw.write
            raw.connection.close()

        yield Place("SQLite", url, f"{url}?synchronous=normal", floor)


@contextmanager
def postgres() -> Iterator[Place]:
    """Make a database on the server that the tests use."""
    with database() as url:

        @asynccontextmanager
        async def floor() -> AsyncIterator[Work]:
            connection = await ASYNCPG.connect(url)
            # The same bytes: neither compressed nor moved out of the row.
            await connection.execute(
                "CREATE TABLE turns (id bigserial PRIMARY KEY, body bytea STORAGE PLAIN)"
            )
            insert = await connection.prepare("INSERT INTO turns (body) VALUES ($1)")
            body = b"".join(BODIES)
            yield lambda: insert.fetch(body)
            await connection.close()

        separator = "&" if "?" in url else "?"
        hasty = f"{url}{separator}options=-c%20synchronous_commit%3Doff"
        yield Place("PostgreSQL", url, hasty, floor)


PLACES: tuple[Callable[[], AbstractContextManager[Place]], ...] = (sqlite, postgres)


@asynccontextmanager
async def _opened(url: str) -> AsyncIterator[SessionStore]:
    store = await open_store(url)
    try:
        yield store
    finally:
        await store.close()
