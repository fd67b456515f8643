"""Writers that want the same: each its own session, and one that all of them write to."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from sojourn.errors import Contended, LeaseHeld
from sojourn.ports import SessionStore
from tests.faults.steps import Kind, Step, Tell, Told, done

TURNS = 60  # of each rival, in each of its two sessions


async def compete(store: SessionStore, rival: str, tell: Tell) -> None:
    """Give the own session and the shared one their turns, telling of each commit."""
    for number in range(TURNS):
        for session in (f"own-{rival}", "shared"):
            turn = Step(Kind.OPEN, session, f"{session}.{rival}.{number}", owner=rival)
            step = await _committed(store, turn)
            tell(Told(step, step.revision + 1))


async def _committed(store: SessionStore, turn: Step) -> Step:
    """Commit a turn, however often others are in the way."""
    while True:
        try:
            token = await done(store, turn)
            head = await store.head(turn.session)
            assert head is not None
            step = replace(turn, kind=Kind.COMMIT, nodes=(f"{turn.name}.a",), parent=head.leaf)
            step = replace(step, revision=head.head_revision)
            await done(store, step, token)
        except (LeaseHeld, Contended):
            await asyncio.sleep(0)
        else:
            return step
