"""What it costs to remove orphans, and what those who commit meanwhile wait for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import psycopg

from benchmarks.commit import BODIES, Writer
from benchmarks.measure import Row, milliseconds
from benchmarks.store.part import Part, megabytes, seconds
from benchmarks.store.places import PLACES, Place
from benchmarks.store.scale import Scale
from benchmarks.store.turns import append, pile, writer_of
from sojourn.chores import UpkeepPolicy
from sojourn.clock import SystemClock
from sojourn.ports import SessionStore

LINEAR_BUDGET, WAIT_BUDGET, SIZE_BUDGET = 1.5, 0.100, 0.1
PIECE = UpkeepPolicy().rows_a_piece
PAUSE_SECONDS = 0.01
NOTES = (
    "A session leaves a branch of so many nodes; they are marked by `tombstone_orphans` and "
    f"removed by `vacuum`, {PIECE:,} a call, while a session of another worker commits a turn, "
    f"rests {PAUSE_SECONDS * 1000:.0f} ms, and commits the next. The floor of a time is that of a "
    "tenth as many nodes, and the ratio that of one's share. Sizes are the store's; of PostgreSQL "
    "after the server itself has vacuumed, which it does by itself before long."
)


@dataclass(frozen=True)
class Removed:
    """What removing so many nodes came to; times in seconds, waits the longest of a commit."""

    nodes: int
    marking: float
    marking_wait: float
    removing: float
    removing_wait: float
    full_bytes: int
    left_bytes: int


async def measure(scale: Scale) -> list[Part]:
    """Measure on both kinds of store."""
    rows: list[Row] = []
    for make in PLACES:
        removed: list[Removed] = []
        for nodes in (scale.orphans // 10, scale.orphans):
            with make() as place:
                removed.append(await _removed(place, nodes))
        rows += _rows(place, *removed)
    return [Part("Store: orphans and vacuum", rows, NOTES)]


async def _removed(place: Place, nodes: int) -> Removed:
    async with place.opened_hastily() as store:
        await _abandon(store, nodes)
        neighbour = await writer_of(store, "neighbour")
        full_bytes = (await store.stats())["size_bytes"]
    async with place.opened() as store, place.opened() as another:
        neighbour.store = another
        async with _committing(neighbour) as marking_waits:
            marking = await _mark(store, nodes)
        async with _committing(neighbour) as removing_waits:
            removing = await _remove(store, nodes)
        if not place.is_file:
            _vacuum_server(place)
        left_bytes = (await store.stats())["size_bytes"]
    waits = max(marking_waits), max(removing_waits)
    return Removed(nodes, marking, waits[0], removing, waits[1], full_bytes, left_bytes)


async def _abandon(store: SessionStore, nodes: int) -> None:
    """Make a session that stands on a short path, beside a long one that it left."""
    writer = await writer_of(store, "abandoned")
    await pile(writer, len(BODIES))
    trunk = writer.leaf
    await pile(writer, nodes)
    await append(writer, [], trunk)


@asynccontextmanager
async def _committing(writer: Writer) -> AsyncIterator[list[float]]:
    """Let a session commit now and then; what it waited is whole once the block is over."""
    waits: list[float] = []
    is_over = asyncio.Event()

    async def commit_on() -> None:
        while not is_over.is_set():
            started = time.perf_counter()
            await writer.commit()
            waits.append(time.perf_counter() - started)
            await asyncio.sleep(PAUSE_SECONDS)

    committing = asyncio.create_task(commit_on())
    await asyncio.sleep(0)  # the first commit comes before whatever it is to wait for
    yield waits
    is_over.set()
    await committing


async def _mark(store: SessionStore, nodes: int) -> float:
    started, marked = time.perf_counter(), 0
    before = SystemClock().now() + timedelta(days=1)
    while found := await store.tombstone_orphans("abandoned", before, PIECE):
        marked += found
    assert marked == nodes
    return time.perf_counter() - started


async def _remove(store: SessionStore, nodes: int) -> float:
    started, removed, is_done = time.perf_counter(), 0, False
    while not is_done:
        piece = await store.vacuum(PIECE)
        removed, is_done = removed + piece.nodes, piece.is_done
    assert removed == nodes
    return time.perf_counter() - started


def _vacuum_server(place: Place) -> None:
    with psycopg.connect(place.url, autocommit=True) as connection:
        connection.execute("VACUUM")


def _rows(place: Place, few: Removed, many: Removed) -> list[Row]:
    name, nodes = place.name, f"{many.nodes:,} orphans"
    size = megabytes(many.left_bytes), megabytes(many.full_bytes)
    shrunk = many.left_bytes / many.full_bytes
    return [
        _time(f"{name}, marking {nodes}", (many.marking, few.marking), many.nodes / few.nodes),
        _wait(f"{name}, longest wait of a commit beside the marking", many.marking_wait, None),
        _time(f"{name}, vacuum of {nodes}", (many.removing, few.removing), many.nodes / few.nodes),
        _wait(f"{name}, longest wait of a commit beside vacuum", many.removing_wait, 1.0),
        Row(
            f"{name}, size after against before",
            *size,
            shrunk,
            SIZE_BUDGET if place.is_file else None,
        ),
    ]


def _time(what: str, spent: tuple[float, float], times: float) -> Row:
    many, few = spent
    return Row(what, seconds(many), seconds(few), many / few / times, LINEAR_BUDGET)


def _wait(what: str, wait: float, budget: float | None) -> Row:
    shown = milliseconds(wait), milliseconds(WAIT_BUDGET)
    return Row(what, *shown, wait / WAIT_BUDGET, budget)
