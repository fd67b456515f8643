"""The runtime laws hold on every store and under every residency."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sojourn.adapters.open import open_store
from sojourn.clock import ManualClock
from sojourn.ports import SessionStore
from sojourn.residency import Residency
from tests.runtime.making import Damage


@pytest.fixture
def clock() -> ManualClock:
    """The store's time."""
    return ManualClock()


@pytest.fixture(params=["memory", "sqlite"])
async def store(
    request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock
) -> AsyncIterator[SessionStore]:
    """An empty store of each kind."""
    url = {"memory": "memory://", "sqlite": f"sqlite:///{tmp_path}/sojourn.db"}[request.param]
    store = await open_store(url, clock=clock)
    yield store
    await store.close()


@pytest.fixture
def damage(store: SessionStore, tmp_path: Path) -> Damage:
    """A way to break the store."""
    return Damage(store, tmp_path / "sojourn.db")


@pytest.fixture(params=list(Residency), ids=str)
def residency(request: pytest.FixtureRequest) -> Residency:
    """Each residency."""
    kind: Residency = request.param
    return kind
