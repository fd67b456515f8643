"""Two stores, of each kind: where sessions come from, and where they go."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from sojourn.adapters.open import open_store
from sojourn.clock import ManualClock
from sojourn.ports import SessionStore
from tests.support.postgres import database, migrated

__all__ = ["migrated"]

# Each kind once as the source, and once as the target.
PAIRS = (("memory", "sqlite"), ("sqlite", "postgres"), ("postgres", "memory"))
Urls = tuple[str, str]


@pytest.fixture(params=PAIRS, ids="-to-".join)
def urls(request: pytest.FixtureRequest, tmp_path: Path, migrated: str) -> Iterator[Urls]:
    """Return the URLs of two stores."""
    with database(migrated) as postgres:
        known = {"memory": "memory://", "postgres": postgres}
        known["sqlite"] = f"sqlite:///{tmp_path}/sojourn.db"
        source, target = request.param
        yield known[source], known[target]


@pytest.fixture
async def here(urls: Urls) -> AsyncIterator[SessionStore]:
    """The store that sessions come from; its time is not that of the other."""
    store = await open_store(urls[0], clock=ManualClock())
    yield store
    await store.close()


@pytest.fixture
async def there(urls: Urls) -> AsyncIterator[SessionStore]:
    """The store that sessions go to."""
    store = await open_store(urls[1])
    yield store
    await store.close()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SessionStore]:
    """A store alone, for what does not depend on its kind."""
    store = await open_store(f"sqlite:///{tmp_path}/alone.db")
    yield store
    await store.close()
