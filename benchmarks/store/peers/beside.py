"""Peers beside ours: what a turn costs to save and on disk, and what a conversation to load."""

from __future__ import annotations

import gc
import random
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean, median

from benchmarks.measure import interleaved
from benchmarks.store.peers.cast import Cast, Player, Role, gathered
from benchmarks.store.peers.saver import size_bytes
from benchmarks.store.scale import Scale

ByRole = Mapping[Role, float]

# A conversation of so many turns is still about as long after those that are measured.
LONG = 1_000
TURNS = 5
HEAVY = 0.010  # whose turn takes so many seconds


@dataclass(frozen=True)
class Costs:
    """What was measured.

    Attributes:
        saving: seconds to save one more turn.
        disk: bytes that one more turn takes.
        loading: seconds to load the conversation.
        remarks: who is missing, and who was stopped.
    """

    saving: ByRole
    disk: ByRole
    loading: ByRole
    remarks: list[str]


async def costs(scale: Scale) -> Costs:
    """Measure in turn, lengths too: a busy minute of the machine spoils none of them alone.

    Those who write very much come last: nobody else's turn shall pay for theirs.
    """
    async with gathered(scale) as cast:
        saved: dict[Role, list[float]] = {role: [] for role in cast.players}
        grown: dict[Role, list[float]] = {role: [] for role in cast.players}
        draw = random.Random(scale.rounds)  # noqa: S311 - nothing secret
        for group in _light(cast), _heavy(cast):
            for _ in range(scale.few):
                for role in draw.sample(group, len(group)):
                    seconds, size = await _turns(role, cast.players[role])
                    saved[role].append(seconds)
                    grown[role].append(size)
        works = {str(role): player.saver.load for role, player in cast.players.items()}
        gc.collect()
        gc.freeze()  # what was made to be saved is in nobody's way
        medians = await interleaved(works, max(scale.few // 4, 1))
    saving = {role: median(each) for role, each in saved.items()}
    disk = {role: fmean(each) for role, each in grown.items()}
    loading = {role: medians[str(role)] for role in saved}
    return Costs(saving, disk, loading, cast.remarks)


def _light(cast: Cast) -> list[Role]:
    return [role for role, player in cast.players.items() if player.a_turn <= HEAVY]


def _heavy(cast: Cast) -> list[Role]:
    return [role for role, player in cast.players.items() if player.a_turn > HEAVY]


async def _turns(role: Role, player: Player) -> tuple[float, float]:
    """Save a few turns, one after another; return the seconds and the bytes of one."""
    if role.turns < LONG:
        await player.saver.begin(role.turns)
    turns = TURNS if player.a_turn <= HEAVY else 1
    before = size_bytes(player.place)
    medians = await interleaved({"": player.saver.save}, turns)
    return medians[""], (size_bytes(player.place) - before) / turns
