"""Making sessions without a server, and looking at stores from the side."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from sojourn.adapters.open import opened_store
from sojourn.ports import SessionStore
from sojourn.view import SessionView, view_session
from tests.cli.apps import app

T = TypeVar("T")


def talk(store_url: str, session_id: str, *texts: str) -> SessionView:
    """Send messages to an embedded session, and return how it stands."""

    async def send() -> SessionView:
        async with app.open(session_id, store=store_url) as session:
            for text in texts:
                await session.send(text)
        return await in_store(store_url, session_id)

    return asyncio.run(send())


async def in_store(store_url: str, session_id: str) -> SessionView:
    """Read a session."""
    async with opened_store(store_url) as store:
        return await view_session(store, session_id)


def asked(store_url: str, ask: Callable[[SessionStore], Awaitable[T]]) -> T:
    """Ask a store something."""

    async def run() -> T:
        async with opened_store(store_url) as store:
            return await ask(store)

    return asyncio.run(run())


def content(path: Path) -> list[str]:
    """Return all that a SQLite file holds; its log may be folded in at any time."""
    with closing(sqlite3.connect(path)) as db:
        return list(db.iterdump())
