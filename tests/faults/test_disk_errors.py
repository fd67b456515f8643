"""A disk that fails or is full: each step is refused in the store's words, or done."""

from __future__ import annotations

import resource
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sojourn.adapters.sqlite import SqliteStore
from sojourn.clock import ManualClock
from sojourn.errors import StoreUnavailable
from tests.faults.disk import Disk, Event, Fate, replayed
from tests.faults.driver import grouped, store_on
from tests.faults.ledger import Ledger, check_sound
from tests.faults.steps import Told
from tests.faults.work import Work, luck_of

SESSIONS = ["s0", "s1", "s2"]
WAVES = 5
FAULTS = 7  # places in a story where one fails
REOPENINGS = 5

EIO_AT_SYNC = ("sync", sqlite3.SQLITE_IOERR_FSYNC)
EIO_AT_WRITE = ("write", sqlite3.SQLITE_IOERR_WRITE)
ENOSPC = ("write", sqlite3.SQLITE_FULL)
EIO_AT_TRUNCATE = ("truncate", sqlite3.SQLITE_IOERR_TRUNCATE)


def failing(kind: str, code: int, first: int, times: int) -> Fate:
    """Return a fate by which the first `times` events of a kind from the `first` one on fail."""
    seen = 0

    def fate(event: Event) -> int:
        nonlocal seen
        seen += event.kind == kind
        return code if event.kind == kind and first < seen <= first + times else 0

    return fate


async def story(disk: Disk, path: Path, name: str) -> Ledger:
    """Work on a disk, opening it again when that fails; return what the store still had."""
    for _ in range(REOPENINGS):
        try:
            async with store_on(disk, path) as store:
                work = Work(store, "1", luck_of(name), disk.mark, grouped(store))
                await work.go_on(SESSIONS, WAVES)
                ledger = told(disk)
                await ledger.check(store)
                return ledger
        except StoreUnavailable:
            assert told(disk).answers == {}, "it worked, and then failed for good"
    raise AssertionError("it cannot be opened")


def told(disk: Disk) -> Ledger:
    """Return what was told."""
    return Ledger.of(event.data for event in disk.log if event.kind == "mark")


async def check_file(path: Path, ledger: Ledger) -> None:
    """Hold a file against what was told, with the store as it is shipped; send all again."""
    store = await SqliteStore.open(str(path), clock=ManualClock())
    try:
        await ledger.check(store)
        await ledger.send_again(store)
        await ledger.check(store)
    finally:
        await store.close()


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize(
    ("kind", "code"), [EIO_AT_SYNC, EIO_AT_WRITE, ENOSPC, EIO_AT_TRUNCATE], ids=str
)
async def test_a_failing_disk_refuses_what_it_did_not_keep(
    tmp_path: Path, kind: str, code: int, times: int
) -> None:
    """Whoever sends the same again is served; then nothing is lost, not even without power.

    A failed flush loses what it was to keep, as Linux does it: no later one makes up for it.
    """
    name = f"{kind} {code} {times}"
    luck, clean = luck_of(name), Disk("clean")
    await story(clean, tmp_path / "clean.db", name)
    count = sum(event.kind == kind for event in clean.log)
    for first in sorted(luck.sample(range(count), min(FAULTS, count))):
        disk = Disk(f"failing at {first}")
        disk.fate = failing(kind, code, first, times)
        place = tmp_path / str(first)
        place.mkdir()
        try:
            ledger = await story(disk, tmp_path / f"{first}.db", name)
            replayed(disk.log, luck).after_power_loss(place, luck)
            await check_file(place / f"{first}.db", ledger)
        except BaseException as error:
            error.add_note(f"the {kind} number {first} of {count}")
            raise
        finally:
            disk.unregister()
    clean.unregister()


@pytest.mark.parametrize(("kind", "code"), [EIO_AT_SYNC, EIO_AT_WRITE, ENOSPC], ids=str)
async def test_a_disk_that_stays_broken_refuses_every_write_and_still_reads(
    tmp_path: Path, kind: str, code: int
) -> None:
    """Until it is whole again: then the very same store goes on."""
    disk, path = Disk("broken"), tmp_path / "s.db"
    async with store_on(disk, path) as store:
        work = Work(store, "1", luck_of(kind), disk.mark, grouped(store))
        await work.go_on(SESSIONS, 2)
        before = told(disk)
        disk.fate = failing(kind, code, 0, 1_000_000)
        with pytest.raises(StoreUnavailable) as refused:
            await Work(store, "2", luck_of(kind), disk.mark).go_on(SESSIONS, 1)
        assert str(path) in str(refused.value)
        await before.check(store)

        disk.fate = failing(kind, code, 0, 0)
        ledger = told(disk)
        await ledger.send_again(store)
        await ledger.check(store)
    await check_file(path, ledger)
    disk.unregister()


@contextmanager
def cramped(limit_bytes: int) -> Iterator[None]:
    """Let no file of this process grow beyond a limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_file_that_may_not_grow_is_unavailable_until_it_may(tmp_path: Path) -> None:
    """The kernel's own refusal, in the middle of a write; reads go on, and so do later writes."""
    path, papers = tmp_path / "s.db", list[Told]()
    store = await SqliteStore.open(str(path), clock=ManualClock())
    try:
        with cramped(600_000):
            with pytest.raises(StoreUnavailable):
                await Work(store, "1", luck_of("cramped"), papers.append).go_on(SESSIONS)
            await Ledger.of(papers).check(store)
        ledger = Ledger.of(papers)
        await ledger.send_again(store)
        await ledger.check(store)
        await check_sound(store)
    finally:
        await store.close()
    await check_file(path, ledger)
