"""A PostgreSQL store for each test, with a clock that stands still."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from sojourn.adapters.postgres import PostgresStore
from sojourn.clock import ManualClock
from tests.support.postgres import migrated, postgres_url

__all__ = ["migrated", "postgres_url"]


@pytest.fixture
def clock() -> ManualClock:
    """The time of the store under test."""
    return ManualClock()


@pytest.fixture
async def store(postgres_url: str, clock: ManualClock) -> AsyncIterator[PostgresStore]:
    """An empty store."""
    store = await PostgresStore.open(postgres_url, clock=clock)
    yield store
    await store.close()
