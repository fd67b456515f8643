from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sojourn.adapters.open import open_store, opened_store
from sojourn.clock import ManualClock
from sojourn.reads import ReadScope
from sojourn.testing.conformance.making import grown, path_ids
from sojourn.usage import Usage

ROOT = Path(__file__).parents[2]
LATER = datetime(2100, 1, 1, tzinfo=UTC)  # when the dead process's lease has expired


async def written(*arguments: str) -> tuple[int, list[str]]:
    """Run a writer process to its end; return its exit code and its lines."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.store.writer"),
        *arguments,
        cwd=ROOT,
        stdin=DEVNULL,
        stdout=PIPE,
    )
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode().splitlines()


async def test_processes_open_one_new_file_at_once(sqlite_path: Path) -> None:
    """Whoever comes first makes the schema; the others find it; nobody's commit is lost."""
    url = f"sqlite:///{sqlite_path}"
    outcomes = await asyncio.gather(*(written(url, f"s{n}", "3") for n in range(4)))

    assert [code for code, _ in outcomes] == [0] * 4
    async with opened_store(url) as store:
        heads = await store.heads()
        assert [(head.session_id, head.head_revision) for head in heads] == [
            (f"s{n}", 3) for n in range(4)
        ]
        assert [problem async for problem in store.check()] == []


async def test_processes_on_one_session_never_overwrite_each_other(sqlite_path: Path) -> None:
    """Every commit that was told as done is on the path, each on a revision of its own."""
    url = f"sqlite:///{sqlite_path}"
    outcomes = await asyncio.gather(*(written(url, "s", "8") for _ in range(2)))
    lines = [line.split() for _, told in outcomes for line in told]

    assert sorted(int(revision) for revision, _ in lines) == list(range(1, 17))
    async with opened_store(url) as store:
        told = [leaf for _, leaf in sorted(lines, key=lambda line: int(line[0]))]
        assert await path_ids(store) == told
        head = await store.head("s")
        assert head is not None
        assert (head.turn_count, head.usage) == (16, Usage(input_tokens=16))


@pytest.mark.crash
@pytest.mark.parametrize(
    "kill_at",
    [
        "COMMIT#1",
        "BEGIN#2",
        "INSERT INTO nodes",
        "UPDATE sessions SET head_revision",
        "INSERT INTO usage",
        "DELETE FROM effects",
        "INSERT INTO receipts",
        "COMMIT#2",
    ],
)
async def test_a_process_killed_in_a_commit_leaves_all_of_it_or_nothing(
    sqlite_path: Path, kill_at: str
) -> None:
    """At every statement: claim, insert, head, ledger, receipt; the file is sound and goes on."""
    url = f"sqlite:///{sqlite_path}"
    code, lines = await written(url, "s", "2", kill_at)

    assert code == -signal.SIGKILL
    assert len(lines) == 1
    store = await open_store(url, clock=ManualClock(LATER))
    try:
        read = await store.load("s", ReadScope.FULL_GRAPH)
        assert read is not None
        assert (read.head.head_revision, len(read.nodes)) == (1, 1)
        assert read.head.usage == Usage(input_tokens=1)
        assert (await store.stats())["receipts"] == 1
        assert [problem async for problem in store.check()] == []
        assert (await grown(store, "next")).head_revision == 2
    finally:
        await store.close()
