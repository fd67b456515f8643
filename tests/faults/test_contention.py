"""Processes that write to one file at once, hold its lock, and die with it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from sojourn.adapters.sqlite import SqliteStore, schema
from sojourn.errors import Contended
from tests.faults.ledger import Ledger
from tests.faults.nursery import Nursery, parsed
from tests.faults.rivals import TURNS
from tests.faults.steps import Kind, Step, Told, done
from tests.faults.work import Work, luck_of

RIVALS = ["ann", "bob"]
HOLDER = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN IMMEDIATE")
db.execute("UPDATE sessions SET turn_count = 99")
print("held", flush=True)
sys.stdin.read()
db.execute("ROLLBACK")
"""


@pytest.mark.crash
async def test_two_processes_lose_nothing_to_each_other(tmp_path: Path) -> None:
    """Each gets all its turns in, on its own session and on the shared one, whoever is quicker."""
    path = tmp_path / "s.db"
    papers = [tmp_path / rival for rival in RIVALS]
    with ExitStack() as stack:
        nurseries = [stack.enter_context(Nursery.opened()) for _ in RIVALS]
        for nursery, rival, paper in zip(nurseries, RIVALS, papers, strict=True):
            nursery.start("compete", path, paper, rival)
        assert [nursery.wait() for nursery in nurseries] == [0, 0]
    ledger = Ledger()
    for paper in papers:
        ledger.extend(parsed(paper.read_bytes()))

    shared = [step for step in ledger.steps(Kind.COMMIT) if step.session == "shared"]
    assert sorted(step.revision for step in shared) == list(range(2 * TURNS))
    assert len(ledger.answers) == 4 * TURNS
    store = await SqliteStore.open(str(path))
    try:
        await ledger.check(store)
        assert await ledger.landed(store) == ledger.answers
    finally:
        await store.close()


@contextmanager
def locked(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Let another process hold the write lock, in the middle of a transaction."""
    command, pipe = [sys.executable, "-c", HOLDER, str(path)], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield holder


@pytest.mark.crash
@pytest.mark.parametrize("is_killed", [True, False])
async def test_a_lock_that_another_process_holds_is_waited_for_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_killed: bool
) -> None:
    """Then it is contended, and reads go on; when the holder is done or dead, the same succeeds."""
    monkeypatch.setattr(schema, "BUSY_TIMEOUT_SECONDS", 0.05)
    path, news = tmp_path / "s.db", list[Told]()
    store = await SqliteStore.open(str(path))
    try:
        await Work(store, "1", luck_of("lock"), news.append).go_on(["s0", "s1"], 1)
        claim = Step(Kind.CLAIM, "s0", "late")
        with locked(path) as holder:
            with pytest.raises(Contended):
                await done(store, claim)
            await Ledger.of(news).check(store)
            if is_killed:
                holder.send_signal(signal.SIGKILL)
                holder.wait()
                assert await done(store, claim)
        assert await done(store, claim)
        await Ledger.of(news).check(store)
    finally:
        await store.close()
