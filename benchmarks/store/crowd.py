"""What many sessions that commit at once gain from each other."""

from __future__ import annotations

from functools import partial

from benchmarks.measure import Row, Work, interleaved
from benchmarks.store import flushes
from benchmarks.store.committer import commit_all, names
from benchmarks.store.part import Part
from benchmarks.store.places import PLACES, Place
from benchmarks.store.scale import Scale
from benchmarks.store.turns import writer_of

BUDGET, FLUSH_BUDGET = 0.5, 0.2
NOTES = (
    "Sessions commit a turn each, so many of them at any time, from one process with one store; "
    "the floor is the same turns committed one at a time, so that a ratio of 0.5 is twice the "
    "speed. Of one at a time the floor is the raw transaction. Flushes are those of a process of "
    "its own that opens the store, lets each session commit once and closes it: `strace` counts "
    "them for SQLite, checkpoints included; the server itself for PostgreSQL, its background "
    "writers included."
)


async def measure(scale: Scale) -> list[Part]:
    """Measure on both kinds of store."""
    rows: list[Row] = []
    notes = [NOTES]
    for make in PLACES:
        with make() as place:
            rows += await _crowded(place, scale)
            for at_once in (scale.at_once[0], scale.at_once[-1]):
                count = await flushes.counted(place, scale.sessions, at_once)
                if count is None:
                    notes.append(f"{place.name}, {at_once} at once: flushes not counted.")
                else:
                    rows.append(_flushed(place, scale, at_once, count))
    return [Part("Store: many sessions at once", rows, " ".join(notes))]


async def _crowded(place: Place, scale: Scale) -> list[Row]:
    async with place.opened_hastily() as store:
        writers = [await writer_of(store, name) for name in names(scale.sessions)]
    async with place.opened() as store, place.floor() as floor:
        for writer in writers:
            writer.store = store
        works: dict[str, Work] = {
            str(at_once): partial(commit_all, writers, at_once) for at_once in scale.at_once
        }
        works["floor"] = partial(_repeat, floor, scale.sessions)
        medians = await interleaved(works, scale.passes)
    return _rows(place, scale, medians)


async def _repeat(floor: Work, times: int) -> None:
    for _ in range(times):
        await floor()


def _rows(place: Place, scale: Scale, medians: dict[str, float]) -> list[Row]:
    rows: list[Row] = []
    alone, most = str(scale.at_once[0]), str(scale.at_once[-1])
    for at_once, spent in medians.items():
        if at_once == "floor":
            continue
        floor = medians["floor" if at_once == alone else alone]
        what = f"{place.name}, {scale.sessions:,} sessions, {at_once} at once"
        shown = _speed(scale, spent), _speed(scale, floor)
        rows.append(Row(what, *shown, spent / floor, BUDGET if at_once == most else None))
    return rows


def _speed(scale: Scale, spent: float) -> str:
    return f"{scale.sessions / spent:,.0f} commits/s"


def _flushed(place: Place, scale: Scale, at_once: int, count: int) -> Row:
    is_ours = place.is_file and at_once == scale.at_once[-1]
    what = f"{place.name}, flushes a commit, {at_once} at once"
    shown = f"{count:,} flushes", f"{scale.sessions:,} commits"
    return Row(what, *shown, count / scale.sessions, FLUSH_BUDGET if is_ours else None)
