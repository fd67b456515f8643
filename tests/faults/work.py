"""A writer's work on a store: turns of several sessions at once, branches, forks, upkeep."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from sojourn.errors import Contended, StoreUnavailable
from sojourn.ports import SessionStore
from tests.faults.steps import Kind, Step, Tell, Told, done

PICTURE = "ab" * 32  # an attachment that everybody has
PATIENCE = 6  # times that a step is sent before its error counts

Together = Callable[[Sequence[Coroutine[Any, Any, Any]]], Awaitable[list[Any]]]


def luck_of(name: str) -> Random:
    """Return choices that are always the same for a name."""
    return Random(name)  # noqa: S311 - nobody is to be surprised


async def gathered(calls: Sequence[Coroutine[Any, Any, Any]]) -> list[Any]:
    """Make calls at once."""
    return await asyncio.gather(*calls)


@dataclass(frozen=True, slots=True)
class Stand:
    """An open turn: where its session stands, and with which lease."""

    turn: Step
    token: int
    head_revision: int
    leaf: str | None

    def step(self, kind: Kind, **facts: Any) -> Step:
        """Return a step of the turn."""
        return replace(self.turn, kind=kind, **facts)


class Work:
    """Does steps and tells of each, before and after; every choice comes from `luck`."""

    def __init__(
        self,
        store: SessionStore,
        life: str,
        luck: Random,
        tell: Tell,
        together: Together = gathered,
    ) -> None:
        self._store = store
        self._life = life
        self._luck = luck
        self._tell = tell
        self._together = together
        self._count = 0

    async def go_on(self, sessions: Sequence[str], waves: int | None = None) -> None:
        """Give every session a turn, and one of them more, as often as told, or for ever."""
        extras = (self._branch, self._fork, self._vacuum)
        while waves is None or self._count < waves:
            self._count += 1
            await self._wave(sessions)
            await self._luck.choice(extras)(self._luck.choice(sessions))

    async def _wave(self, sessions: Sequence[str]) -> None:
        stands = await self._together([self._opened(session) for session in sessions])
        await self._together([self._do(stand, Kind.RECORD, key="model/1") for stand in stands])
        await self._together([self._do(stand, Kind.START, key="tool/1/c") for stand in stands])
        await self._together([self._do(stand, Kind.RECORD, key="tool/1/c") for stand in stands])
        await self._together([self._do(stand, Kind.ATTACH, key=PICTURE) for stand in stands])
        await self._together([self._commit(stand) for stand in stands])

    async def _branch(self, session: str) -> None:
        """Grow a branch, leave it, and throw it away with all that hangs nowhere."""
        side = await self._opened(session, "side")
        await self._commit(side)
        back = Step(Kind.CLAIM, session, side.turn.name + ".back")
        claimed = replace(side, turn=back, token=await self._send(back))
        revision = side.head_revision + 1
        await self._do(claimed, Kind.COMMIT, parent=side.leaf, revision=revision)
        orphans = tuple(await self._store.orphaned_node_ids(session))
        await self._send(Step(Kind.TOMBSTONE, session, nodes=orphans))

    async def _fork(self, session: str) -> None:
        """Fork, give the fork a turn, and delete some."""
        head = await self._store.head(session)
        name = f"fork.{session}.{self._life}.{self._count}"
        await self._send(Step(Kind.FORK, session, name, parent=head.leaf if head else None))
        await self._commit(await self._opened(name))
        if self._luck.random() < 0.5:
            await self._send(Step(Kind.DELETE, name))

    async def _vacuum(self, _session: str) -> None:
        await self._send(Step(Kind.VACUUM))

    async def _opened(self, session: str, suffix: str = "turn") -> Stand:
        turn = Step(Kind.OPEN, session, f"{session}.{self._life}.{self._count}.{suffix}")
        token = await self._send(turn)
        head = await self._store.head(session)
        return Stand(turn, token, head.head_revision if head else 0, head.leaf if head else None)

    async def _commit(self, stand: Stand) -> None:
        nodes = tuple(f"{stand.turn.name}.{letter}" for letter in "abc"[: self._luck.randint(1, 3)])
        facts = {"nodes": nodes, "parent": stand.leaf, "revision": stand.head_revision}
        await self._do(stand, Kind.COMMIT, **facts)

    async def _do(self, stand: Stand, kind: Kind, **facts: Any) -> int:
        return await self._send(stand.step(kind, **facts), stand.token)

    async def _send(self, step: Step, token: int = 0) -> int:
        self._tell(Told(step))
        answer = await patient(lambda: done(self._store, step, token))
        self._tell(Told(step, answer))
        return answer


async def patient(call: Callable[[], Awaitable[int]]) -> int:
    """Make a call; while it is answered that trying again can help, make the same again."""
    for _ in range(PATIENCE - 1):
        try:
            return await call()
        except (Contended, StoreUnavailable):
            continue
    return await call()
