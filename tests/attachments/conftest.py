"""Every attachment law runs on the memory and the SQLite store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sojourn.adapters.open import open_store
from sojourn.clock import ManualClock
from sojourn.ports import SessionStore


@pytest.fixture
def clock() -> ManualClock:
    """The time of the stores under test."""
    return ManualClock()


@pytest.fixture(params=["memory", "sqlite"])
async def store(
    request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock
) -> AsyncIterator[SessionStore]:
    """A fresh session store."""
    url = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/sojourn.db"
    store = await open_store(url, clock=clock)
    yield store
    await store.close()
