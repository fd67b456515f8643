"""Large sessions: imported and exported in constant memory, in bounded commits."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Any

import pytest

from sojourn.adapters.open import opened_store
from sojourn.clock import SystemClock
from sojourn.commit import Commit
from sojourn.errors import HalfImported, InvalidInput
from sojourn.ports import SessionStore
from sojourn.reads import ReadScope
from sojourn.transfer import ImportOptions
from tests.embedded.making import app_of
from tests.support.worker_process import ROOT, SOURCES
from tests.transfer import big
from tests.transfer.making import exported, imported, lines, whole

MIB = 1024 * 1024


async def started(*arguments: str) -> Process:
    """Start a process of its own."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.transfer.big", *arguments),
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, SOURCES))},
        stdout=PIPE,
    )


async def ended(*arguments: str) -> dict[str, int]:
    """Run a process, and return what it grew by and its peak."""
    process = await started(*arguments)
    out, _ = await process.communicate()
    assert process.returncode == 0
    told: dict[str, int] = json.loads(out.splitlines()[-1])
    return told


def written(path: Path, size_bytes: int) -> Path:
    """Write the file of a session of so many bytes."""
    with path.open("wb") as out:
        out.writelines(big.made(size_bytes, SystemClock().now()))
    return path


async def test_a_large_session_takes_little_memory(tmp_path: Path, store_url: str) -> None:
    """64 MiB in, and out again, each in a process that grows by less than 32 MiB."""
    file, again = written(tmp_path / "big.jsonl", 64 * MIB), tmp_path / "again.jsonl"
    came = await ended("import", str(file), store_url)
    went = await ended("export", str(again), store_url)

    assert came["grown"] < 32 * MIB
    assert went["grown"] < 32 * MIB
    with file.open("rb") as before, again.open("rb") as after:
        next(before), next(after)
        assert sum(1 for pair in zip(before, after, strict=True) if pair[0] != pair[1]) == 1


class Recording:
    """A store that remembers the sizes of its commits, and may stand still before one."""

    def __init__(self, store: SessionStore) -> None:
        self.sizes: list[int] = []
        self._store = store

    async def adopt(self, commit: Commit, past: Any) -> Any:
        """Apply a commit."""
        self.sizes.append(sum(len(node.body) for node in commit.nodes))
        return await self._store.adopt(commit, past)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


async def test_commits_are_bounded(store: SessionStore, tmp_path: Path) -> None:
    """By bytes and by nodes: the session's size makes their number."""
    file = written(tmp_path / "big.jsonl", 12 * MIB)
    recording: Any = Recording(store)
    await imported(recording, file.read_bytes())

    assert len(recording.sizes) == 4
    assert max(recording.sizes) <= 4 * MIB


@pytest.mark.crash
async def test_a_killed_import_goes_on(tmp_path: Path, store_url: str) -> None:
    """Killed after its first commits; run again it ends, and nothing stands twice."""
    file = written(tmp_path / "big.jsonl", 32 * MIB)
    process = await started("import", str(file), store_url)
    assert process.stdout is not None
    for _ in range(3):
        assert json.loads(await process.stdout.readline())["nodes"]
    process.send_signal(signal.SIGKILL)
    await process.wait()
    async with opened_store(store_url) as store:
        half = await store.head("big")
        assert half is not None
        assert half.config["importing"]["batches"] >= 3
        stored = (await store.stats())["nodes"]
        with pytest.raises(HalfImported):
            await exported(store, "big")

    await ended("import", str(file), store_url)

    async with opened_store(store_url) as store:
        head = await store.head("big")
        assert head is not None
        told = lines(file.read_bytes())
        assert (await store.stats())["nodes"] == told[-1]["nodes"] > stored
        assert (head.turn_count, head.leaf) == (told[0]["turns"], told[0]["leaf"])
        assert head.config == {"agent": "clerk"}
        assert [problem async for problem in store.check()] == []
        again = lines(await exported(store, "big"))
        assert again[1:-1] == told[1:-1]


class Killed(BaseException):
    """Stands for the death of the process."""


class Dying(Recording):
    """A store whose process dies before, or after, its n-th commit."""

    def __init__(self, store: SessionStore, number: int, *, is_after: bool) -> None:
        super().__init__(store)
        self._left = number
        self._is_after = is_after

    async def adopt(self, commit: Commit, past: Any) -> Any:
        """Apply a commit, or die."""
        self._left -= 1
        if self._left or self._is_after:
            receipt = await super().adopt(commit, past)
        if not self._left:
            raise Killed
        return receipt

    async def release(self, lease: Any) -> None:
        """Give nothing back: the dead do not."""


@pytest.mark.parametrize("is_after", [False, True])
@pytest.mark.parametrize("number", [1, 2, 3])
async def test_an_import_that_dies_at_a_commit_goes_on(
    store: SessionStore, tmp_path: Path, number: int, is_after: bool
) -> None:
    """Before or after any of its commits; its lease is its own, so it need not wait for it."""
    await dies_and_goes_on(store, tmp_path, number, is_after=is_after)


async def test_it_goes_on_in_every_store(here: SessionStore, tmp_path: Path) -> None:
    """As above, once in each."""
    await dies_and_goes_on(here, tmp_path, 2, is_after=True)


async def dies_and_goes_on(
    here: SessionStore, tmp_path: Path, number: int, *, is_after: bool
) -> None:
    """Let an import die at a commit, run it again, and compare the session with the file."""
    file = written(tmp_path / "big.jsonl", 10 * MIB).read_bytes()
    dying: Any = Dying(here, number, is_after=is_after)
    with pytest.raises(Killed):
        await imported(dying, file)
    told = await imported(here, file)

    assert told.is_done
    before = lines(file)
    assert lines(await exported(here, "big"))[1:-1] == before[1:-1]
    head = await here.head("big")
    assert head is not None
    assert head.turn_count == told.turns == before[0]["turns"]


async def half(store: SessionStore, tmp_path: Path) -> bytes:
    """Leave a session half imported; return the file."""
    file = written(tmp_path / "big.jsonl", 10 * MIB).read_bytes()
    dying: Any = Dying(store, 2, is_after=False)
    with pytest.raises(Killed):
        await imported(dying, file)
    lease = await store.lease("big")
    assert lease is not None
    await store.release(lease)
    return file


async def test_a_half_imported_session_takes_no_turns(store: SessionStore, tmp_path: Path) -> None:
    """Until it is whole; the refused turn holds nothing up, and runs afterwards."""
    file = await half(store, tmp_path)
    async with app_of(store).open("big") as session:
        with pytest.raises(HalfImported):
            await session.send("hello", turn_id="early")
        assert (await session.show()).importing
    await imported(store, file)
    async with app_of(store).open("big") as session:
        result = await session.send("hello", turn_id="early")
        assert result.status == "completed"
        assert not (await session.show()).importing


async def test_another_file_does_not_go_on_with_it(store: SessionStore, tmp_path: Path) -> None:
    """Nor does the same one with other wishes."""
    file = await half(store, tmp_path)
    before = await whole(store, "big")
    other = written(tmp_path / "other.jsonl", 9 * MIB).read_bytes()
    with pytest.raises(InvalidInput, match="half imported"):
        await imported(store, other)
    with pytest.raises(InvalidInput, match="half imported"):
        await imported(store, file, ImportOptions(agent="cook"))
    changed = file.replace(b"0 What is said", b"0 What is meant", 1)
    with pytest.raises(InvalidInput, match="half imported"):
        await imported(store, changed)
    assert await whole(store, "big") == before


async def test_an_imported_session_goes_on(here: SessionStore, there: SessionStore) -> None:
    """A turn continues it, with its agent, and what was a turn there is one here."""
    async with app_of(here).open("chat-42") as session:
        await session.send("one", turn_id="first")
        await session.send("two")
    await imported(there, await exported(here))
    async with app_of(there).open("chat-42") as session:
        again = await session.send("one", turn_id="first")
        more = await session.send("three")
    read = await there.load("chat-42", ReadScope.ACTIVE_PATH)

    assert (again.status, again.text) == ("completed", "you said one")
    assert more.status == "completed"
    assert read is not None
    assert read.head.turn_count == 3
    assert [node.message.text for node in read.nodes][::2] == ["one", "two", "three"]
