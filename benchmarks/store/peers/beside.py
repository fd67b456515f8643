"""Peers beside ours: what a turn costs to save and on disk, and what a conversation to load."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from statistics import fmean, median

from benchmarks.commit import BODIES
from benchmarks.measure import interleaved
from benchmarks.store.peers.agents import AGENTS
from benchmarks.store.peers.langgraph import LANGGRAPH
from benchmarks.store.peers.ours import OURS
from benchmarks.store.peers.saver import Library, Saver, size_bytes
from benchmarks.store.places import Place
from benchmarks.store.scale import Scale

Named = Mapping[str, float]


@dataclass
class Costs:
    """What was measured: by length, then by library.

    Attributes:
        saving: seconds to save one more turn.
        disk: bytes that one more turn takes.
        loading: seconds to load the conversation.
        remarks: who is missing, and who was spared what.
    """

    saving: dict[int, Named] = field(default_factory=dict[int, Named])
    disk: dict[int, Named] = field(default_factory=dict[int, Named])
    loading: dict[int, Named] = field(default_factory=dict[int, Named])
    remarks: list[str] = field(default_factory=list[str])


async def costs(scale: Scale) -> Costs:
    """Measure all that are installed, at each length until they take too long."""
    found = Costs()
    libraries = [*OURS, *(each for each in (*LANGGRAPH, *AGENTS) if _is_there(each, found))]
    for length in scale.shared:
        await _measure(libraries, length, scale, found)
        slow = [each for each in libraries if found.saving[length][each.name] > scale.patience]
        libraries = [each for each in libraries if each not in slow]
        found.remarks += [
            f"{each.name} was stopped after {length:,} turns: "
            f"a turn takes longer than {scale.patience * 1000:.0f} ms."
            for each in slow
            if length < scale.shared[-1]
        ]
    return found


def _is_there(library: Library, found: Costs) -> bool:
    if library.is_installed():
        return True
    found.remarks.append(f"{library.name} is not installed: not measured.")
    return False


async def _measure(libraries: list[Library], length: int, scale: Scale, found: Costs) -> None:
    async with AsyncExitStack() as stack:
        places = {each.name: stack.enter_context(each.make()) for each in libraries}
        savers = {
            each.name: await stack.enter_async_context(each.opened(places[each.name]))
            for each in libraries
        }
        rounds = scale.few if length == scale.shared[-1] else scale.few * 3
        # A conversation is another one before it has grown much.
        step = min(max(length // 10, 5), rounds)
        saved: list[Named] = []
        grown: list[Named] = []
        for _ in range(rounds // step):
            for saver in savers.values():
                await saver.begin(length)
            before = _sizes(places)
            saved.append(await interleaved({n: s.save for n, s in savers.items()}, step))
            after = _sizes(places)
            grown.append({name: (after[name] - before[name]) / step for name in places})
        found.saving[length] = {name: median(each[name] for each in saved) for name in savers}
        found.disk[length] = {name: fmean(each[name] for each in grown) for name in savers}
        loads = {n: partial(_load, s, (length + step) * len(BODIES)) for n, s in savers.items()}
        found.loading[length] = await interleaved(loads, max(scale.few // 4, 1))


async def _load(saver: Saver, messages: int) -> None:
    assert await saver.load() == messages


def _sizes(places: Mapping[str, Place]) -> dict[str, int]:
    return {name: size_bytes(place) for name, place in places.items()}
