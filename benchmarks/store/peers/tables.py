"""Peers beside ours, as tables and as lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from benchmarks.commit import TURN_BYTES
from benchmarks.measure import Row, milliseconds
from benchmarks.store.part import Lines, Part, kilobytes
from benchmarks.store.peers.beside import Named, costs
from benchmarks.store.peers.ours import OURS
from benchmarks.store.scale import Scale

PICTURE = "store-cost.svg"
NOTES = (
    f"The same four messages a turn ({TURN_BYTES:,} bytes as we store them), each library with its "
    "own defaults, on a disk that it waits for. LangGraph's checkpointers save one checkpoint a "
    "turn, of plain dictionaries, which is the least that a graph makes; a long thread has its "
    "last checkpoint alone. The floor of a peer is ours on the same kind of database at the same "
    "length; that of ours is the shortest session."
)
LOADING = "The whole conversation, decoded: of ours every node, as messages. Floors as above."
SHOWN = f"![What saving one more turn costs, by the turns that there are]({PICTURE})"
IN_FILE, ON_SERVER = (library.name for library in OURS)


async def measure(scale: Scale) -> list[Part]:
    """Measure ours and those peers that are installed."""
    found = await costs(scale)
    saving = f"{' '.join((NOTES, *found.remarks))}\n\n{SHOWN}"
    saved = _rows(found.saving, milliseconds)
    return [
        Part("Peers: saving a turn", saved, saving, _lines(found.saving)),
        Part("Peers: bytes on disk of a turn", _rows(found.disk, kilobytes), "Floors as above."),
        Part("Peers: loading a conversation", _rows(found.loading, milliseconds), LOADING),
    ]


def _rows(measured: Mapping[int, Named], shown: Callable[[float], str]) -> list[Row]:
    rows: list[Row] = []
    shortest, *_ = measured.values()
    for length, by_name in measured.items():
        for name, value in by_name.items():
            is_ours = name in {IN_FILE, ON_SERVER}
            floor = shortest[name] if is_ours else by_name[_ours_for(name)]
            what = f"{name}, {length:,} turns"
            rows.append(Row(what, shown(value), shown(floor), value / floor))
    return rows


def _ours_for(name: str) -> str:
    return ON_SERVER if "postgres" in name else IN_FILE


def _lines(measured: Mapping[int, Named]) -> Lines:
    """Turn what was measured around: by name, then by length."""
    names, *_ = measured.values()
    return {
        name: {length: each[name] for length, each in measured.items() if name in each}
        for name in names
    }
