"""Peers beside ours, as tables and as lines."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.commit import TURN_BYTES
from benchmarks.measure import Row, milliseconds
from benchmarks.store.part import Lines, Part, kilobytes
from benchmarks.store.peers.beside import ByRole, costs
from benchmarks.store.peers.cast import Role
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
LOADING = (
    "The whole conversation: ours as messages that were validated, theirs as the dictionaries that "
    "were saved. Floors as above."
)
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


def _rows(measured: ByRole, shown: Callable[[float], str]) -> list[Row]:
    return [_row(role, measured, shown) for role in measured]


def _row(role: Role, measured: ByRole, shown: Callable[[float], str]) -> Row:
    beneath = role._replace(name=_ours_for(role.name))
    if beneath == role:
        beneath = role._replace(turns=min(each.turns for each in measured))
    value, floor = measured[role], measured[beneath]
    what = f"{role.name}, {role.turns:,} turns"
    return Row(what, shown(value), shown(floor), value / floor)


def _ours_for(name: str) -> str:
    return ON_SERVER if "postgres" in name.lower() else IN_FILE


def _lines(measured: ByRole) -> Lines:
    """Sort what was measured by name, and then by length."""
    lines: dict[str, dict[int, float]] = {}
    for role, value in measured.items():
        lines.setdefault(role.name, {})[role.turns] = value
    return lines
