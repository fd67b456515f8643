"""SIGKILL at any moment: in the schema, in a group of commits, in a vacuum, in a checkpoint."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from random import Random

import pytest

from sojourn.adapters.sqlite import SqliteStore
from tests.faults.ledger import Ledger
from tests.faults.nursery import Ear, Nursery
from tests.faults.steps import Told
from tests.faults.work import luck_of

ROUNDS = int(os.environ.get("SOJOURN_FAULT_ROUNDS", "60"))
LUCK = os.environ.get("SOJOURN_FAULT_LUCK", "dice")
LIVES = 5  # of a file, before the next one is made


async def survived(path: Path, ledger: Ledger, news: list[Told]) -> None:
    """Hold a file against what its writer told before it was killed, and send all that again."""
    ledger.extend(news)
    store = await SqliteStore.open(str(path))
    try:
        await ledger.check(store)
        await ledger.send_again(store, dict.fromkeys(one.step for one in news))
        await ledger.check(store)
    finally:
        await store.close()


def killed(nursery: Nursery, path: Path, name: str, luck: Random) -> list[Told]:
    """Let a writer begin, or come some way, and kill it at any moment; return what it told."""
    steps = max(0, luck.randrange(-10, 80))
    ear = Ear(path.with_name(name))
    nursery.start("work", path, path.with_name(name), name)
    ear.wait_for(steps)
    time.sleep(luck.uniform(0, 0.003 if steps else 0.03))
    assert nursery.kill() == -signal.SIGKILL
    return ear.closed()


@pytest.mark.crash
@pytest.mark.timeout(60 + ROUNDS)
async def test_a_writer_killed_at_any_moment_loses_nothing_that_it_was_told(tmp_path: Path) -> None:
    """What was acknowledged is there once, the rest wholly or not at all; all can be sent again."""
    luck, ledger = luck_of(LUCK), Ledger()
    with Nursery.opened() as nursery:
        for number in range(ROUNDS):
            path = tmp_path / f"{number // LIVES}.db"
            ledger = ledger if number % LIVES else Ledger()
            try:
                news = killed(nursery, path, f"{LUCK}-{number}", luck)
                await survived(path, ledger, news)
            except BaseException as error:
                error.add_note(f"SOJOURN_FAULT_LUCK={LUCK}, round {number}")
                raise
