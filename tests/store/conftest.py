"""The store laws run on every store; each gets a clock that stands still."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sojourn.adapters.open import open_store
from sojourn.clock import ManualClock
from sojourn.ports import SessionStore


@pytest.fixture
def clock() -> ManualClock:
    """The time of the store under test."""
    return ManualClock()


@pytest.fixture
def sqlite_path(tmp_path: Path) -> Path:
    """Where the SQLite store of a test has its file."""
    return tmp_path / "sojourn.db"


@pytest.fixture(params=["memory", "sqlite"])
async def store(
    request: pytest.FixtureRequest, sqlite_path: Path, clock: ManualClock
) -> AsyncIterator[SessionStore]:
    """An empty store of each kind."""
    url = {"memory": "memory://", "sqlite": f"sqlite:///{sqlite_path}"}[request.param]
    store = await open_store(url, clock=clock)
    yield store
    await store.close()
