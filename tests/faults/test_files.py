"""Files that are taken away, replaced or locked up beneath an open store."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sojourn.adapters.open import opened_store
from sojourn.adapters.sqlite import SqliteStore
from sojourn.clock import ManualClock
from sojourn.errors import StoreUnusable
from tests.faults.ledger import Ledger
from tests.faults.steps import Kind, Step, Told, done
from tests.faults.work import Work, luck_of

NOBODY = 65534
CLAIM = Step(Kind.CLAIM, "s0", "late")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody can reach."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o777)
        yield path
        path.chmod(0o777)


@pytest.fixture
def told() -> list[Told]:
    """What the writer of a test says."""
    return []


@pytest.fixture
async def store(folder: Path, told: list[Told]) -> AsyncIterator[SqliteStore]:
    """A store that has been worked on."""
    store = await SqliteStore.open(str(folder / "s.db"), clock=ManualClock())
    await Work(store, "1", luck_of("files"), told.append).go_on(["s0", "s1"], 2)
    yield store
    await store.close()


async def check_file(path: Path, told: list[Told]) -> None:
    """Hold a file against what was told."""
    store = await SqliteStore.open(str(path), clock=ManualClock())
    try:
        await Ledger.of(told).check(store)
    finally:
        await store.close()


@pytest.mark.parametrize("end", ["", "-wal", "-shm"])
async def test_a_store_that_misses_one_of_its_files_refuses(
    folder: Path, store: SqliteStore, end: str
) -> None:
    """Nobody else would find what it wrote, or knew of its locks: it names the file, and stops."""
    (folder / f"s.db{end}").unlink()

    with pytest.raises(StoreUnusable, match=r"s\.db cannot serve .* removed or replaced"):
        await done(store, CLAIM)
    with pytest.raises(StoreUnusable, match=r"s\.db cannot serve .* removed or replaced"):
        await store.head("s0")


@pytest.mark.parametrize("end", ["-wal", "-shm"])
async def test_what_a_store_without_its_log_had_is_saved_when_it_is_closed(
    folder: Path, store: SqliteStore, told: list[Told], end: str
) -> None:
    """It still has the nameless file open, and puts it away."""
    (folder / f"s.db{end}").unlink()
    await store.close()

    await check_file(folder / "s.db", told)


async def test_a_store_whose_file_is_replaced_refuses(folder: Path, store: SqliteStore) -> None:
    """A copy in its place is another file, however alike."""
    shutil.copy(folder / "s.db", folder / "copy.db")
    (folder / "copy.db").replace(folder / "s.db")

    with pytest.raises(StoreUnusable, match=r"s\.db .* removed or replaced"):
        await done(store, CLAIM)


@contextmanager
def nobody() -> Iterator[None]:
    """Be a user who may not do everything."""
    if os.geteuid():
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


async def test_a_file_made_read_only_takes_no_writes_of_who_opens_it(folder: Path) -> None:
    """Rights are looked at when a file is opened: whoever has it open goes on."""
    path, told = folder / "s.db", list[Told]()
    with nobody():
        async with opened_store(f"sqlite:///{path}") as store:
            await Work(store, "1", luck_of("rights"), told.append).go_on(["s0"], 1)
            path.chmod(0o444)
            await Work(store, "2", luck_of("rights"), told.append).go_on(["s0"], 1)
        async with opened_store(f"sqlite:///{path}") as store:
            await Ledger.of(told).check(store)
            with pytest.raises(StoreUnusable, match=r"s\.db cannot serve .* writable"):
                await done(store, CLAIM)
        path.chmod(0o644)
        await check_file(path, told)


async def test_a_file_in_a_folder_that_is_read_only_is_refused(folder: Path) -> None:
    """The log needs a place beside it."""
    path, told = folder / "s.db", list[Told]()
    with nobody():
        async with opened_store(f"sqlite:///{path}") as store:
            await Work(store, "1", luck_of("rights"), told.append).go_on(["s0"], 1)
    folder.chmod(0o555)
    with nobody(), pytest.raises(StoreUnusable, match=r"s\.db cannot serve .* writable"):
        await SqliteStore.open(str(path))
    folder.chmod(0o777)
    await check_file(path, told)
