"""The scene of workflow tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client

from sojourn.adapters.open import opened_store
from tests.support.scene import Scene
from tests.support.server import DevServer


@pytest.fixture(params=[{}, {"max_cached_workflows": 0}], ids=["cached", "uncached"])
def worker_options(request: pytest.FixtureRequest) -> dict[str, int]:
    """What the test's workers are made with: every law also holds when each task is a replay."""
    return dict(request.param)


@pytest.fixture
async def scene(
    server: DevServer,
    queue: str,
    session_id: str,
    store_url: str,
    plain_client: Client,
    worker_options: dict[str, int],
) -> AsyncIterator[Scene]:
    """A session of the test's own on a SQLite file."""
    async with opened_store(store_url) as store:
        yield Scene(server, queue, session_id, store, plain_client, worker_options=worker_options)
