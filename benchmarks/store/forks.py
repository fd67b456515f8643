"""What it costs to fork a session, short or long: time, and bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import count

from benchmarks.commit import BODIES, Writer
from benchmarks.measure import Row, interleaved, milliseconds
from benchmarks.store.part import Part
from benchmarks.store.places import PLACES, Place
from benchmarks.store.scale import Scale
from benchmarks.store.turns import pile, writer_of

BUDGET = 1.1
NOTES = (
    "Forks at the leaf of a long session against a short one in the same store. The bytes are what "
    "many forks made the store grow by, indexes included, each one's share."
)


async def measure(scale: Scale) -> list[Part]:
    """Measure on both kinds of store."""
    rows: list[Row] = []
    for make in PLACES:
        with make() as place:
            rows += await _forked(place, scale)
    return [Part("Store: forks", rows, NOTES)]


async def _forked(place: Place, scale: Scale) -> list[Row]:
    turns = scale.lengths[0], scale.lengths[-1]
    async with place.opened_hastily() as store:
        writers = [await writer_of(store, f"{each}-turns") for each in turns]
        for writer, each in zip(writers, turns, strict=True):
            await pile(writer, each * len(BODIES))
        numbers = count()
        sizes = [await _growth(writer, numbers, scale.forks) for writer in writers]
    async with place.opened() as store:
        for writer in writers:
            writer.store = store
        works = {writer.session_id: partial(_fork, writer, numbers) for writer in writers}
        medians = await interleaved(works, scale.rounds)
    times = [medians[writer.session_id] for writer in writers]
    return _rows(place, turns, times, sizes)


async def _fork(writer: Writer, numbers: Iterator[int]) -> None:
    assert writer.leaf is not None
    await writer.store.fork(writer.session_id, writer.leaf, f"fork-{next(numbers):08}")


async def _growth(writer: Writer, numbers: Iterator[int], forks: int) -> float:
    """Return by how many bytes a fork makes the store grow."""
    before = (await writer.store.stats())["size_bytes"]
    for _ in range(forks):
        await _fork(writer, numbers)
    return ((await writer.store.stats())["size_bytes"] - before) / forks


def _rows(
    place: Place, turns: tuple[int, int], times: Sequence[float], sizes: Sequence[float]
) -> list[Row]:
    what = f"{place.name}, {{}} to fork {turns[1]:,} turns against {turns[0]:,}"
    (short, long), (small, large) = times, sizes
    return [
        Row(what.format("time"), milliseconds(long), milliseconds(short), long / short, BUDGET),
        Row(what.format("bytes"), f"{large:,.0f} B", f"{small:,.0f} B", large / small, BUDGET),
    ]
