"""Loss of power at any write: the store's own statements on a disk that forgets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from sojourn.adapters.sqlite import SqliteStore, Synchronous
from sojourn.clock import ManualClock
from sojourn.errors import SojournError
from tests.faults.disk import Disk, Event, Platter
from tests.faults.driver import connection, grouped, store_on
from tests.faults.ledger import Ledger
from tests.faults.work import Work, luck_of

SESSIONS = ["s0", "s1", "s2", "s3"]
WAVES = 4
CUTS = 40


async def story(path: Path, name: str, synchronous: Synchronous, pragma: str = "") -> list[Event]:
    """Do some work on a disk, close, and do some more; return the log of the disk."""
    disk = Disk(f"disk {name}")
    for life in ("1", "2"):
        async with store_on(disk, path / "s.db", synchronous) as store:
            await connection(store).execute_fetchall(f"PRAGMA {pragma or 'synchronous'}")
            work = Work(store, life, luck_of(name + life), disk.mark, grouped(store))
            await work.go_on(SESSIONS, WAVES)
    disk.unregister()
    return disk.log


def cuts(log: list[Event], folder: Path, luck: Random) -> Iterator[tuple[Path, Ledger, int]]:
    """Lose power at some events; yield the file, what was told until then, and the event."""
    platter, told, since = Platter(), Ledger(), 0
    for cut in sorted(luck.sample(range(len(log)), CUTS)):
        for event in log[since:cut]:
            platter.take(event, luck)
            told.extend([event.data] if event.kind == "mark" else [])
        since = cut
        place = folder / str(cut)
        place.mkdir()
        platter.after_power_loss(place, luck)
        yield place / "s.db", Ledger(dict(told.answers)), cut


async def reopened(path: Path) -> SqliteStore:
    """Open what a loss of power left with the store as it is shipped."""
    return await SqliteStore.open(str(path), clock=ManualClock())


@pytest.mark.parametrize("name", ["acorn", "beech", "cedar", "dogwood"])
async def test_full_keeps_every_acknowledged_step(tmp_path: Path, name: str) -> None:
    """Wherever the power goes, in whatever order sectors were written; all can be sent again."""
    log = await story(tmp_path, name, Synchronous.FULL)
    luck = luck_of(name)
    for path, ledger, cut in cuts(log, tmp_path, luck):
        store = await reopened(path)
        try:
            await ledger.check(store)
            if luck.random() < 0.3:
                await ledger.send_again(store)
                await ledger.check(store)
        except BaseException as error:
            error.add_note(f"story {name!r}, cut {cut} of {len(log)}")
            raise
        finally:
            await store.close()


@pytest.mark.parametrize("name", ["acorn", "beech"])
async def test_normal_keeps_a_prefix_of_the_commits(tmp_path: Path, name: str) -> None:
    """The last ones may lack, wholly; all can be sent again, in order. Some do lack: it is seen."""
    log = await story(tmp_path, name, Synchronous.NORMAL)
    luck, lost = luck_of(name), 0
    for path, ledger, cut in cuts(log, tmp_path, luck):
        store = await reopened(path)
        try:
            lost += await ledger.check_prefix(store)
            if luck.random() < 0.3:
                await ledger.send_again(store)
                await ledger.check(store)
        except BaseException as error:
            error.add_note(f"story {name!r}, cut {cut} of {len(log)}")
            raise
        finally:
            await store.close()

    assert lost


async def test_a_store_that_never_flushes_is_seen_to_lose(tmp_path: Path) -> None:
    """The control: with `synchronous = OFF`, which the store does not offer, cuts do damage."""
    log = await story(tmp_path, "control", Synchronous.FULL, "synchronous = OFF")
    damaged = 0
    for path, ledger, _ in cuts(log, tmp_path, luck_of("control")):
        try:
            store = await reopened(path)
        except SojournError:
            damaged += 1
            continue
        try:
            await ledger.check(store)
        except (AssertionError, SojournError):
            damaged += 1
        finally:
            await store.close()

    assert damaged > CUTS / 2
