"""Who takes part: each library that is installed, at each length that does not take it too long."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from benchmarks.store.peers.agents import AGENTS
from benchmarks.store.peers.langgraph import LANGGRAPH
from benchmarks.store.peers.ours import OURS
from benchmarks.store.peers.saver import Library, Saver
from benchmarks.store.places import Place
from benchmarks.store.scale import Scale


class Role(NamedTuple):
    """A library, by its name, and how many turns its conversation has."""

    turns: int
    name: str


@dataclass(frozen=True)
class Player:
    """Who plays a role: a saver that has begun a conversation, and where it keeps it.

    Attributes:
        saver: the saver.
        place: where it keeps conversations.
        a_turn: seconds that one of its turns took.
    """

    saver: Saver
    place: Place
    a_turn: float


@dataclass(frozen=True)
class Cast:
    """Those who take part, in order; and who is missing, or was stopped."""

    players: dict[Role, Player] = field(default_factory=dict[Role, Player])
    remarks: list[str] = field(default_factory=list[str])


@asynccontextmanager
async def gathered(scale: Scale) -> AsyncIterator[Cast]:
    """Begin a conversation of each length with each library."""
    cast = Cast()
    libraries = [*OURS, *_installed(cast)]
    async with AsyncExitStack() as stack:
        places = {each.name: stack.enter_context(each.make()) for each in libraries}
        for turns in scale.shared:
            for each in tuple(libraries):
                saver = await stack.enter_async_context(each.opened(places[each.name]))
                a_turn = await _a_turn(saver, turns)
                cast.players[Role(turns, each.name)] = Player(saver, places[each.name], a_turn)
                if a_turn > scale.patience and turns < scale.shared[-1]:
                    libraries.remove(each)
                    cast.remarks.append(_stopped(each.name, turns, scale))
        yield cast


def _installed(cast: Cast) -> list[Library]:
    peers = (*LANGGRAPH, *AGENTS)
    there = [each for each in peers if each.is_installed()]
    missing = [each for each in peers if each not in there]
    cast.remarks.extend(f"{each.name} is not installed: not measured." for each in missing)
    return there


async def _a_turn(saver: Saver, turns: int) -> float:
    """Begin a conversation; return how long a turn takes after the one that warms up."""
    await saver.begin(turns)
    await saver.save()
    started = time.perf_counter()
    await saver.save()
    return time.perf_counter() - started


def _stopped(name: str, turns: int, scale: Scale) -> str:
    limit = f"{scale.patience * 1000:.0f} ms"
    return f"{name} was stopped after {turns:,} turns: a turn takes longer than {limit}."
