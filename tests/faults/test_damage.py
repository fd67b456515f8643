"""Damaged files: told in the store's words, by file or row. What nobody can notice is said here."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from sojourn.adapters.sqlite import SqliteStore
from sojourn.clock import ManualClock
from sojourn.errors import SojournError, StoreError
from tests.faults.ledger import Ledger, check_sound
from tests.faults.steps import Kind, Told
from tests.faults.work import Work, luck_of

SESSIONS = ["s0", "s1", "s2"]
WAVES = 6
PAGE_BYTES = 4096
FLIPS = 120
CUTS = 20
ENDLESS_SECONDS = 10


async def opened(path: Path) -> SqliteStore:
    """Open a store whose clock stands still."""
    return await SqliteStore.open(str(path), clock=ManualClock())


async def written(path: Path, crash_to: Path | None = None) -> Ledger:
    """Work on a file and close it; before that, copy what a crash would leave."""
    told: list[Told] = []
    store = await opened(path)
    try:
        await Work(store, "1", luck_of("damage"), told.append).go_on(SESSIONS, WAVES)
        for end in ("", "-wal") if crash_to else ():
            shutil.copy(f"{path}{end}", f"{crash_to}{end}")
    finally:
        await store.close()
    return Ledger.of(told)


async def found(path: Path, ledger: Ledger) -> bool:
    """Tell whether opening, checking or reading a file says that it is damaged, in time.

    Whatever it says is a `SojournError`, or a problem, or an answer: another error ends the test.
    """
    try:
        store = await opened(path)
    except StoreError as error:
        return str(path) in str(error)
    try:
        async with asyncio.timeout(ENDLESS_SECONDS):
            problems = [problem async for problem in store.check()]
            await read_all(store, ledger)
    except SojournError:
        return True
    finally:
        await store.close()
    return bool(problems)


async def read_all(store: SqliteStore, ledger: Ledger) -> None:
    """Read what a store has, whatever it is."""
    await store.stats()
    await store.heads()
    try:
        await ledger.check(store)
    except AssertionError:
        return  # what is wrong was read: nothing beneath showed


def damaged(path: Path, body: bytes, at: int, by: bytes) -> Path:
    """Write a file with some bytes replaced, and return it."""
    path.write_bytes(body[:at] + by + body[at + len(by) :])
    return path


async def test_a_flipped_byte_shows_nothing_of_what_lies_beneath(tmp_path: Path) -> None:
    """Wherever it is: an error of the store's, a problem, or an answer, and never a traceback."""
    ledger = await written(tmp_path / "s.db")
    whole, luck = (tmp_path / "s.db").read_bytes(), luck_of("flips")
    for _ in range(FLIPS):
        at = luck.randrange(len(whole))
        flipped = damaged(
            tmp_path / "flipped.db", whole, at, bytes([whole[at] ^ luck.randint(1, 255)])
        )
        try:
            await found(flipped, ledger)
        except BaseException as error:
            error.add_note(f"the byte at {at} of {len(whole)}")
            raise


def seen_by_sqlite(path: Path) -> bool:
    """Tell whether SQLite itself can find the damage."""
    with closing(sqlite3.connect(path)) as db:
        try:
            return db.execute("PRAGMA integrity_check").fetchall() != [("ok",)]
        except sqlite3.DatabaseError:
            return True


PAGES: dict[str, Callable[[bytes, Random], bytes]] = {
    "zeros": lambda _whole, _luck: bytes(PAGE_BYTES),
    "garbage": lambda _whole, luck: luck.randbytes(PAGE_BYTES),
    "another": lambda whole, luck: whole[
        (start := luck.randrange(len(whole) // PAGE_BYTES) * PAGE_BYTES) : start + PAGE_BYTES
    ],
}


@pytest.mark.parametrize("what", PAGES)
async def test_a_page_that_is_lost_is_found(tmp_path: Path, what: str) -> None:
    """Each page of the file, as a disk loses or misplaces them: `check` sees what SQLite sees."""
    ledger = await written(tmp_path / "s.db")
    whole, luck = (tmp_path / "s.db").read_bytes(), luck_of(what)
    missed: list[int] = []
    for at in range(0, len(whole), PAGE_BYTES):
        lost = damaged(tmp_path / "lost.db", whole, at, PAGES[what](whole, luck))
        is_visible = seen_by_sqlite(lost)
        try:
            is_found = await found(lost, ledger)
        except BaseException as error:
            error.add_note(f"page {at // PAGE_BYTES + 1} of {len(whole) // PAGE_BYTES}")
            raise
        missed += [at // PAGE_BYTES + 1] if is_visible and not is_found else []

    assert missed == []


async def test_a_changed_letter_in_a_text_is_not_noticed(tmp_path: Path) -> None:
    """Neither SQLite nor the store keeps checksums of bodies: that is what a file system is for."""
    path = tmp_path / "s.db"
    ledger = await written(path)
    node = ledger.steps(Kind.COMMIT)[0].nodes[0]
    whole = path.read_bytes()
    damaged(path, whole, whole.index(f'"{node}"'.encode()) + 1, b"X")
    store = await opened(path)
    try:
        await check_sound(store)
        stored = await store.node(ledger.steps(Kind.COMMIT)[0].session, node)
        assert stored is not None
        assert stored.message.text == "X" + node[1:]
    finally:
        await store.close()


def cut_short(log: bytes, luck: Random) -> bytes:
    """Cut a log anywhere."""
    return log[: luck.randrange(len(log))]


def flipped(log: bytes, luck: Random) -> bytes:
    """Change one byte of a log."""
    at = luck.randrange(len(log))
    return log[:at] + bytes([log[at] ^ luck.randint(1, 255)]) + log[at + 1 :]


def garbled_end(log: bytes, luck: Random) -> bytes:
    """Cut a log, and let garbage follow."""
    return cut_short(log, luck) + luck.randbytes(luck.randrange(20_000))


@pytest.mark.parametrize("harm", [cut_short, flipped, garbled_end])
async def test_a_damaged_log_leaves_a_prefix_of_the_commits(
    tmp_path: Path, harm: Callable[[bytes, Random], bytes]
) -> None:
    """Whatever follows the first damaged frame never was; the rest can be sent again."""
    image = tmp_path / "image.db"
    ledger = await written(tmp_path / "s.db", crash_to=image)
    log, luck, lost = (tmp_path / "image.db-wal").read_bytes(), luck_of(harm.__name__), 0
    for number in range(CUTS):
        path = tmp_path / f"{number}.db"
        shutil.copy(image, path)
        Path(f"{path}-wal").write_bytes(harm(log, luck))
        store = await opened(path)
        try:
            lost += await ledger.check_prefix(store)
            if luck.random() < 0.2:
                await ledger.send_again(store)
                await ledger.check(store)
        finally:
            await store.close()

    assert lost


async def test_garbage_behind_a_log_is_passed_over(tmp_path: Path) -> None:
    """What was committed before it is all there."""
    path = tmp_path / "s.db"
    ledger = await written(tmp_path / "whole.db", crash_to=path)
    log = Path(f"{path}-wal")
    log.write_bytes(log.read_bytes() + luck_of("garbage").randbytes(9_999))
    store = await opened(path)
    try:
        await ledger.check(store)
    finally:
        await store.close()


@pytest.mark.parametrize("left", [b"", b"garbage" * 4681, bytes(32768)], ids=["empty", "bad", "0"])
async def test_shared_memory_that_a_crash_left_is_made_anew(tmp_path: Path, left: bytes) -> None:
    """It is an index of the log, and holds nothing of its own."""
    path = tmp_path / "s.db"
    ledger = await written(tmp_path / "whole.db", crash_to=path)
    Path(f"{path}-shm").write_bytes(left)
    store = await opened(path)
    try:
        await ledger.check(store)
    finally:
        await store.close()
