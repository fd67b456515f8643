"""What it costs to reconcile attachments that crashes left: rows first, then their bytes."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import Row
from benchmarks.store import dead
from benchmarks.store.part import Part, megabytes, seconds
from benchmarks.store.places import PLACES, ROOT, Place
from benchmarks.store.reconciler import PIECE as ROWS_A_CALL
from benchmarks.store.reconciler import Spent
from benchmarks.store.scale import Scale

LINEAR_BUDGET, MEMORY_BUDGET = 1.5, 32_000_000
NEEDED = 100
NOTES = (
    "Rows of attachments that no commit made permanent are removed by `forget_intents`, "
    f"{ROWS_A_CALL:,} a call, and then as many blobs of a folder by `sweep`; {NEEDED} others stay. "
    "The floor of a time is that of a tenth as many, and the ratio that of one's share. Memory "
    "is by how much the process that does it grows at its largest, against what we allow ourselves."
)


@dataclass(frozen=True)
class Reconciled:
    """What reconciling so many took."""

    count: int
    rows: Spent
    blobs: Spent


async def measure(scale: Scale) -> list[Part]:
    """Measure on both kinds of store."""
    rows: list[Row] = []
    for make in PLACES:
        reconciled: list[Reconciled] = []
        for count in (scale.intents // 10, scale.intents):
            with make() as place, tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
                reconciled.append(await _reconciled(place, Path(folder), count))
        rows += _rows(place.name, *reconciled)
    return [Part("Store: reconciling attachments", rows, NOTES)]


async def _reconciled(place: Place, folder: Path, count: int) -> Reconciled:
    kept = dead.made(count, NEEDED)
    await dead.insert(place, kept)
    dead.write_blobs(folder, kept)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.store.reconciler"),
        *(place.url, str(folder), str(count), str(NEEDED)),
        cwd=ROOT,
        stdin=DEVNULL,
        stdout=PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    rows, blobs = (Spent(**spent) for spent in json.loads(out))
    return Reconciled(count, rows, blobs)


def _rows(name: str, few: Reconciled, many: Reconciled) -> list[Row]:
    times = many.count / few.count
    forgetting, sweeping = f"{many.count:,} intents forgotten", f"{many.count:,} blobs swept"
    return [
        _time(f"{name}, {forgetting}", many.rows, few.rows, times),
        _memory(f"{name}, memory that grows meanwhile", many.rows),
        _time(f"{name}, {sweeping}", many.blobs, few.blobs, times),
        _memory(f"{name}, memory that grows meanwhile", many.blobs),
    ]


def _time(what: str, many: Spent, few: Spent, times: float) -> Row:
    shown = seconds(many.seconds), seconds(few.seconds)
    return Row(what, *shown, many.seconds / few.seconds / times, LINEAR_BUDGET)


def _memory(what: str, many: Spent) -> Row:
    shown = megabytes(many.grown_bytes), megabytes(MEMORY_BUDGET)
    return Row(what, *shown, many.grown_bytes / MEMORY_BUDGET, 1.0)
