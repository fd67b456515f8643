"""Two stores, of each kind: where sessions come from, and where they go."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
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
def urls(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Urls]:
    """Return the URLs of two stores; a database is made only where one is of that kind."""
    known = {"memory": "memory://", "sqlite": f"sqlite:///{tmp_path}/sojourn.db"}
    source, target = request.param
    with ExitStack() as made:
        if "postgres" in request.param:
            migrated: str = request.getfixturevalue("migrated")
            known["postgres"] = made.enter_context(database(migrated))
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
