"""How much is measured: everything, or just enough to see that all parts work."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """Sizes of what is built, and how often each thing is done.

    Attributes:
        lengths: turns of the sessions that a turn is committed to.
        rounds: how often; of what takes long, a fraction.
        sessions: how many sessions commit at once.
        at_once: how many of them at any time.
        passes: how often each of them commits.
        cold: turns of the sessions that are resumed.
        forks: how many forks share what a store grows by.
        orphans: nodes that vacuum removes.
        intents: rows and blobs that a reconciliation removes.
        shared: turns of the sessions that peers save beside ours.
        patience: the longest turn of a peer, in seconds, after which it is spared longer sessions.
    """

    lengths: tuple[int, ...] = (10, 1_000, 10_000)
    rounds: int = 300
    sessions: int = 1_000
    at_once: tuple[int, ...] = (1, 8, 32)
    passes: int = 5
    cold: tuple[int, ...] = (100, 1_000, 10_000)
    forks: int = 1_500
    orphans: int = 100_000
    intents: int = 100_000
    shared: tuple[int, ...] = (10, 100, 1_000, 10_000)
    patience: float = 0.25

    @property
    def few(self) -> int:
        """How often what takes long is done."""
        return max(self.rounds // 15, 2)


FULL = Scale()
QUICK = Scale(
    lengths=(2, 20),
    rounds=4,
    sessions=32,
    at_once=(1, 32),
    passes=1,
    cold=(52, 60),
    forks=100,
    orphans=2_000,
    intents=2_000,
    shared=(2, 20),
)
