"""What a turn's commit costs as its session grows."""

from __future__ import annotations

from benchmarks.commit import TURN_BYTES, Writer
from benchmarks.measure import Row, interleaved, milliseconds
from benchmarks.store.part import Part
from benchmarks.store.places import PLACES, Place
from benchmarks.store.scale import Scale
from benchmarks.store.turns import grow, writer_of

BUDGET, FLAT_BUDGET, DISK_BUDGET = 2.0, 1.1, 1.5
NOTES = (
    f"A turn of 4 messages, {TURN_BYTES:,} bytes, is committed with its receipt, usage and head to "
    "sessions of several lengths that stand in one store. The floor is one raw transaction that "
    "inserts the same bytes as one row: by `sqlite3` at `synchronous=FULL`; by `asyncpg`, with a "
    "prepared statement, over the same kind of socket. In turn, in an order drawn anew each round; "
    "medians."
)


async def measure(scale: Scale) -> list[Part]:
    """Measure on both kinds of store."""
    rows: list[Row] = []
    for make in PLACES:
        with make() as place:
            rows += await _grown(place, scale)
    return [Part("Store: a turn's commit, by length", rows, NOTES)]


async def _grown(place: Place, scale: Scale) -> list[Row]:
    writers: dict[int, Writer] = {}
    async with place.opened_hastily() as store:
        for length in scale.lengths:
            writers[length] = await writer_of(store, f"{length}-turns")
            await grow(writers[length], length)
    async with place.opened() as store, place.floor() as floor:
        for writer in writers.values():
            writer.store = store
        works = {str(length): writer.commit for length, writer in writers.items()}
        medians = await interleaved({**works, "floor": floor}, scale.rounds)
        size_bytes = (await store.stats())["size_bytes"]
    turns = sum(writer.turns for writer in writers.values())
    return [*_rows(place, scale, medians), _disk(place, turns, size_bytes)]


def _rows(place: Place, scale: Scale, medians: dict[str, float]) -> list[Row]:
    floor = medians["floor"]
    rows: list[Row] = []
    for length in scale.lengths:
        ours = medians[str(length)]
        what = f"{place.name}, at {length:,} turns"
        rows.append(Row(what, milliseconds(ours), milliseconds(floor), ours / floor, BUDGET))
    short, long = (medians[str(length)] for length in (scale.lengths[0], scale.lengths[-1]))
    what = f"{place.name}, longest against shortest"
    rows.append(Row(what, milliseconds(long), milliseconds(short), long / short, FLAT_BUDGET))
    return rows


def _disk(place: Place, turns: int, size_bytes: int) -> Row:
    per_turn = size_bytes / turns
    what = f"{place.name}, bytes on disk for each of {turns:,} turns"
    measured, floor = f"{per_turn:,.0f} B", f"{TURN_BYTES:,} B"
    return Row(what, measured, floor, per_turn / TURN_BYTES, DISK_BUDGET)
