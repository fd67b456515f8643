"""A process is killed by SIGKILL while it keeps an attachment, and others go on."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sojourn.adapters.blobs.folder import FolderBlobs
from sojourn.adapters.open import open_store
from sojourn.clock import ManualClock
from sojourn.lease import LeaseOwner
from sojourn.ports import SessionStore
from sojourn.sweep import sweep
from sojourn.testing.conformance.making import begun
from tests.attachments.making import TEXT, committed, keeper, keys_of
from tests.attachments.writer import BODY, POINTS
from tests.support.worker_process import ROOT, SOURCES

pytestmark = pytest.mark.crash

LATER = datetime(2100, 1, 1, tzinfo=UTC)  # when the dead process's lease has expired
HOUR = timedelta(hours=1)


@pytest.fixture
def clock() -> ManualClock:
    """The time of whoever comes after."""
    return ManualClock(LATER)


@pytest.fixture
def blobs(tmp_path: Path) -> FolderBlobs:
    """The folder that the dead process wrote to."""
    return FolderBlobs(tmp_path / "blobs")


@pytest.fixture(params=POINTS)
async def store(
    request: pytest.FixtureRequest, store_url: str, tmp_path: Path, clock: ManualClock
) -> AsyncIterator[SessionStore]:
    """The store of a process that died at some point."""
    arguments = (store_url, str(tmp_path / "blobs"), request.param)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.attachments.writer", *arguments),
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, SOURCES))},
    )
    assert await process.wait() == -signal.SIGKILL
    store = await open_store(store_url, clock=clock)
    yield store
    await store.close()


async def test_the_next_attempt_keeps_the_same_attachment(
    store: SessionStore, blobs: FolderBlobs, clock: ManualClock
) -> None:
    """Whole, and once; a sweep takes what the crash left, and nothing else."""
    lease = await begun(store)
    attachments = keeper(store, blobs, lease)
    made = await attachments.put(BODY, TEXT)
    await sweep(store, blobs, grace=timedelta(0), clock=clock)
    await committed(store, lease, made)
    await sweep(store, blobs, grace=timedelta(0), clock=clock)

    (row,) = await store.attachments("s")
    assert row.is_committed
    assert await keys_of(blobs) == {row.blob_key}
    assert await attachments.get(made.attachment_id) == BODY


async def test_what_nobody_comes_back_for_goes(
    store: SessionStore, blobs: FolderBlobs, clock: ManualClock
) -> None:
    """When the session has gone on without that turn, and upkeep has been."""
    await committed(store, await begun(store, "t2", owner=LeaseOwner("another", "life")))
    clock.advance(HOUR)
    await store.reclaim_journals(clock.now(), 100)
    await store.forget_intents(clock.now(), 100)
    await sweep(store, blobs, grace=timedelta(0), clock=clock, allow_empty=True)

    assert list(await store.attachments("s")) == []
    assert await keys_of(blobs) == set()
