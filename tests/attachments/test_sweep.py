"""A sweep deletes what no row names, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from typing_extensions import override

from sojourn.adapters.blobs.flushed import PartialFile, make_folder
from sojourn.adapters.blobs.folder import FolderBlobs
from sojourn.attachment_ports import BlobInfo
from sojourn.clock import ManualClock
from sojourn.errors import Contended, EmptyRootSet
from sojourn.ports import SessionStore
from sojourn.sweep import Swept, sweep
from sojourn.testing.blob_conformance import chunks, key_of
from sojourn.testing.conformance.making import begun
from tests.attachments.making import TEXT, Watched, committed, keeper, keys_of, unavailable

HOUR = timedelta(hours=1)
NONE = timedelta(0)


@pytest.fixture
def blobs(clock: ManualClock) -> Watched:
    """A blob store with small pages."""
    return Watched(clock, page=2)


async def needed(store: SessionStore, blobs: Watched) -> set[str]:
    """Keep a committed attachment and a pending one; return the keys of their bytes."""
    lease = await begun(store)
    await committed(store, lease, await keeper(store, blobs, lease).put(b"committed", TEXT))
    await keeper(store, blobs, await begun(store, "t2")).put(b"pending", TEXT)
    return await keys_of(blobs)


async def waste(blobs: Watched, count: int) -> set[str]:
    """Write blobs that no row names; return their keys."""
    keys = {key_of(b"waste %d" % number) for number in range(count)}
    for blob_key in keys:
        await blobs.put(blob_key, chunks(b"waste"))
    return keys


async def test_what_no_row_names_goes(
    store: SessionStore, blobs: Watched, clock: ManualClock
) -> None:
    """What a row names stays, committed or pending."""
    wanted = await needed(store, blobs)
    await waste(blobs, 5)
    swept = await sweep(store, blobs, grace=NONE, clock=clock)

    assert await keys_of(blobs) == wanted
    assert swept == Swept(scanned=7, kept=2, deleted=5, is_done=True)


async def test_what_is_younger_than_the_grace_stays(
    store: SessionStore, blobs: Watched, clock: ManualClock
) -> None:
    """By the time that the blob store gives."""
    wanted = await needed(store, blobs)
    await waste(blobs, 3)
    clock.advance(HOUR)
    young = key_of(b"young")
    await blobs.put(young, chunks(b"young"))
    swept = await sweep(store, blobs, grace=HOUR, clock=clock)

    assert await keys_of(blobs) == wanted | {young}
    assert swept == Swept(scanned=6, kept=2, too_young=1, deleted=3, is_done=True)


async def test_an_empty_store_empties_no_blob_store(
    store: SessionStore, blobs: Watched, clock: ManualClock
) -> None:
    """It may be the wrong one; the error says how much is at stake."""
    lost = await waste(blobs, 5)
    with pytest.raises(EmptyRootSet) as refused:
        await sweep(store, blobs, grace=NONE, clock=clock)

    assert refused.value.blobs == 5
    assert await keys_of(blobs) == lost
    assert await sweep(store, blobs, grace=HOUR, clock=clock) == Swept(is_done=True)
    swept = await sweep(store, blobs, grace=NONE, clock=clock, allow_empty=True)
    assert (swept.deleted, await keys_of(blobs)) == (5, set())


async def test_what_is_nobodys_blob_stays(
    store: SessionStore, blobs: Watched, clock: ManualClock
) -> None:
    """A sweep of the wrong place does no harm there."""
    others = {"sha256/report.pdf", "photos/cat.png", key_of(b"a").removeprefix("sha256/")}
    for name in others:
        await blobs.put(name, chunks(b"mine"))
    swept = await sweep(store, blobs, grace=NONE, clock=clock, allow_empty=True)

    assert (swept.deleted, swept.kept, await keys_of(blobs)) == (0, 3, others)


async def test_a_page_that_fails_does_not_stop_the_sweep(
    store: SessionStore, blobs: Watched, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the rows or the blobs could not be reached; the next sweep has that page again."""
    await needed(store, blobs)
    await waste(blobs, 6)
    blobs.failures = [unavailable()]
    asked = store.keys_in_use
    busy = [Contended(reason="busy")]

    async def asking(blob_keys: Sequence[str]) -> set[str]:
        if len(blobs.failures) == 0 and busy:
            raise busy.pop()
        return await asked(blob_keys)

    monkeypatch.setattr(store, "keys_in_use", asking)
    first = await sweep(store, blobs, grace=NONE, clock=clock)
    second = await sweep(store, blobs, grace=NONE, clock=clock)

    assert (first.scanned, first.failed, len(first.faults)) == (8, 4, 2)
    assert first.is_done
    assert first.deleted + second.deleted == 6
    assert (second.failed, second.kept) == (0, 2)


async def test_a_listing_that_breaks_off_ends_the_sweep(
    store: SessionStore, clock: ManualClock
) -> None:
    """What was seen is settled, and the report says that there is more."""

    class Breaking(Watched):
        @override
        async def list(self) -> AsyncGenerator[Sequence[BlobInfo], None]:
            async for page in super().list():
                yield page
                raise unavailable()

    blobs = Breaking(clock, page=2)
    await waste(blobs, 6)
    swept = await sweep(store, blobs, grace=NONE, clock=clock, allow_empty=True)

    assert (swept.deleted, swept.is_done, len(swept.faults)) == (2, False, 1)


async def test_a_bounded_sweep_is_called_until_it_is_done(
    store: SessionStore, blobs: Watched, clock: ManualClock
) -> None:
    """Each call begins anew, and takes the next ones."""
    wanted = await needed(store, blobs)
    await waste(blobs, 9)
    calls = 0
    swept = Swept()
    while not swept.is_done:
        swept = await sweep(store, blobs, grace=NONE, limit=3, clock=clock)
        calls += 1
        assert swept.deleted <= 3 + 1

    assert calls > 2
    assert await keys_of(blobs) == wanted


async def test_progress_is_told_page_by_page(
    store: SessionStore, blobs: Watched, clock: ManualClock
) -> None:
    """People who wait see that something goes on."""
    await waste(blobs, 5)
    told: list[int] = []
    await sweep(
        store,
        blobs,
        grace=NONE,
        clock=clock,
        allow_empty=True,
        progress=lambda swept: told.append(swept.scanned),
    )

    assert told == [2, 4, 5]


async def test_sweeps_at_once_do_no_harm(
    store: SessionStore, blobs: Watched, clock: ManualClock
) -> None:
    """Each deletes what the others have not."""
    wanted = await needed(store, blobs)
    await waste(blobs, 20)
    await asyncio.gather(*(sweep(store, blobs, grace=NONE, clock=clock) for _ in range(4)))

    assert await keys_of(blobs) == wanted


async def test_what_a_crash_left_half_written_goes(store: SessionStore, tmp_path: Path) -> None:
    """A folder's unfinished files have no row."""
    blobs, blob_key = FolderBlobs(tmp_path), key_of(b"half")
    make_folder((tmp_path / blob_key).parent)
    left = PartialFile(tmp_path / blob_key)
    swept = await sweep(store, blobs, grace=NONE, allow_empty=True)

    assert (swept.deleted, await keys_of(blobs)) == (1, set())
    left.discard()


async def test_a_sweep_cannot_reach_what_is_kept_anew(
    store: SessionStore, clock: ManualClock
) -> None:
    """Bytes that come back while their old blob is being deleted stand under another key."""
    lease = await begun(store)

    class Late(Watched):
        @override
        async def delete(self, blob_keys: Sequence[str]) -> None:
            await keeper(store, self, lease).put(b"body", TEXT)
            await super().delete(blob_keys)

    blobs = Late(clock)
    made = await keeper(store, blobs, lease).put(b"body", TEXT)
    await keeper(store, blobs, lease).drop(made.attachment_id)
    swept = await sweep(store, blobs, grace=NONE, clock=clock, allow_empty=True)

    assert swept.deleted == 1
    assert await keeper(store, blobs, lease).get(made.attachment_id) == b"body"
