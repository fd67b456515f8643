"""Reconciles attachments in a process of its own, whose memory is nobody else's.

Usage: python -m benchmarks.store.reconciler URL FOLDER ROWS NEEDED: prints what it took as JSON.
"""

from __future__ import annotations

import asyncio
import gc
import json
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

from sojourn.adapters.blobs.folder import FolderBlobs
from sojourn.adapters.open import opened_store
from sojourn.attachment_ports import BlobStore
from sojourn.chores import UpkeepPolicy
from sojourn.clock import SystemClock
from sojourn.ports import SessionStore
from sojourn.sweep import sweep

PIECE = UpkeepPolicy().rows_a_piece
STATUS, PEAK_RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass
class Spent:
    """What something took: seconds, and by how much the process grew at its largest."""

    seconds: float = 0.0
    grown_bytes: int = 0


async def main(url: str, folder: Path, rows: int, needed: int) -> None:
    """Remove so many rows, and then as many blobs; the needed ones stay."""
    async with opened_store(url) as store:
        await store.has_attachments()
        with _spending() as forgetting:
            await _forget(store, rows)
        with _spending() as sweeping:
            await _sweep(store, FolderBlobs(folder), rows, needed)
    print(json.dumps([asdict(forgetting), asdict(sweeping)]))


async def _forget(store: SessionStore, count: int) -> None:
    before, forgotten = SystemClock().now(), 0
    while removed := await store.forget_intents(before, PIECE):
        forgotten += removed
    assert forgotten == count


async def _sweep(store: SessionStore, blobs: BlobStore, count: int, needed: int) -> None:
    swept = await sweep(store, blobs, grace=timedelta(0))
    assert (swept.deleted, swept.kept) == (count, needed)


@contextmanager
def _spending() -> Iterator[Spent]:
    """Tell what a block took, once it is over."""
    gc.collect()
    PEAK_RESET.write_text("5")
    before, started, spent = _memory("VmRSS"), time.perf_counter(), Spent()
    yield spent
    spent.seconds = time.perf_counter() - started
    spent.grown_bytes = _memory("VmHWM") - before


def _memory(field: str) -> int:
    found = re.search(rf"{field}:\s+(\d+) kB", STATUS.read_text())
    assert found is not None
    return int(found[1]) * 1024


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
