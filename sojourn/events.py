"""Progress that can be watched from a session's store: coarse, in order, without content.

A store keeps what stands, not what passed: between two looks a turn may run from its opening to
its commit, and then its commit alone is told. What is told did happen.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

from sojourn import ids
from sojourn.clock import Clock, SystemClock
from sojourn.commit import CommitReceipt
from sojourn.errors import InvalidInput, UnknownSession
from sojourn.journal import Effect, EffectKind, EffectStatus
from sojourn.messages import Message
from sojourn.ports import SessionStore

POLL = timedelta(milliseconds=200)


class EventKind(StrEnum):
    """What happened."""

    TURN_OPENED = "turn_opened"
    MODEL_ANSWERED = "model_answered"
    TOOL_STARTED = "tool_started"
    TOOL_ENDED = "tool_ended"
    TURN_COMMITTED = "turn_committed"
    SUMMARISED = "summarised"
    FRAME_OPENED = "frame_opened"


class SessionEvent(BaseModel):
    """One thing that happened in a session.

    Attributes:
        cursor: where to go on after this event.
        step: the model step, of all but a turn's opening and commit.
        call_id: the tool call, of a tool's start and end.
        tool: the tool's name; empty at its start if the model's answer came before the cursor.
        status: how a tool call or a turn ended.
        head_revision: the session's head after a commit.
    """

    model_config = ConfigDict(defer_build=True, frozen=True)

    cursor: str
    kind: EventKind
    session_id: str
    turn_id: str
    step: int | None = None
    call_id: str | None = None
    tool: str | None = None
    status: str | None = None
    head_revision: int | None = None


async def follow(
    store: SessionStore,
    session_id: str,
    after: str | None = None,
    *,
    open_turn: Callable[[], str | None] | None = None,
    until_idle: bool = False,
) -> AsyncGenerator[SessionEvent, None]:
    """Yield a session's events as they are stored; one that does not exist yet is waited for.

    Args:
        store: where the session is kept.
        session_id: the session.
        after: the cursor of the last event that was seen. Without one it begins now, with what
            the open turn has done so far; `"0.0"` begins with the session's first turn.
        open_turn: names the turn that runs in this process; by default the store is asked.
        until_idle: ends when the store knows of nobody who works on the session.

    Raises:
        InvalidInput: `after` is no cursor.
        UnknownSession: the session was deleted.
    """
    looker = await _Looker.after(store, ids.checked("session", session_id), after)
    while True:
        is_last = until_idle and await is_idle(store, session_id)
        turn_id = open_turn() if open_turn else await _executor(store, session_id)
        for event in await looker.look(turn_id):
            yield event
        if is_last:
            return
        await asyncio.sleep(POLL.total_seconds())


async def follow_turn(
    store: SessionStore,
    session_id: str,
    turn_id: str,
    ended: asyncio.Future[Any],
    after: str | None = None,
) -> AsyncGenerator[SessionEvent, None]:
    """Yield one turn's events, and end with its commit, or when `ended` is done without one.

    Raises:
        InvalidInput: `after` is no cursor.
    """
    looker = await _Looker.after(store, session_id, after)
    is_last = False
    while not is_last:
        is_last = ended.done()
        for event in await looker.journal(turn_id):
            yield event
        receipt = await store.receipt(session_id, turn_id)
        if receipt is not None:
            yield looker.committed(receipt)
            return
        if not is_last:
            await asyncio.wait({ended}, timeout=POLL.total_seconds())


async def is_idle(store: SessionStore, session_id: str, clock: Clock | None = None) -> bool:
    """Tell whether the store knows of nobody who works on the session: a queue it cannot see."""
    lease = await store.lease(session_id)
    if lease is None or not lease.is_live((clock or SystemClock()).now()):
        return True
    return await store.receipt(session_id, lease.executor_id) is not None


_UNTOLD = {EffectKind.HOOK, EffectKind.WASTED}


class _Looker:
    """Looks at a session again and again, and tells what is new since the last time."""

    def __init__(self, store: SessionStore, session_id: str, revision: int, position: int) -> None:
        self._store = store
        self._session_id = session_id
        self._revision = revision
        self._position = position
        self._tools: dict[str, str] = {}

    @classmethod
    async def after(cls, store: SessionStore, session_id: str, cursor: str | None) -> _Looker:
        """Stand after a cursor, or at the session's head."""
        if cursor is not None:
            return cls(store, session_id, *_parsed(cursor))
        head = await store.head(session_id)
        return cls(store, session_id, head.head_revision if head else 0, 0)

    async def look(self, open_turn: str | None) -> list[SessionEvent]:
        """Return what is new, in the order in which it happened."""
        journal = await self.journal(open_turn) if open_turn else []
        commits = await self._commits()
        # The journal was read first: commits of its own turn and of later ones come after it.
        turns = [event.turn_id for event in commits]
        place = turns.index(open_turn) if open_turn in turns else len(commits)
        return [*commits[:place], *journal, *commits[place:]]

    async def journal(self, turn_id: str) -> list[SessionEvent]:
        """Return what is new in an open turn."""
        effects = await self._store.effects(self._session_id, turn_id, self._position)
        told = (effect for effect in effects if effect.kind not in _UNTOLD)
        return [self._of_effect(turn_id, effect) for effect in told]

    def committed(self, receipt: CommitReceipt) -> SessionEvent:
        """Tell of a commit: a turn's, or that of a frame."""
        self._revision = max(self._revision, receipt.head_revision)
        is_frame = "frame" in receipt.result
        return SessionEvent(
            cursor=f"{receipt.head_revision}.{self._position}",
            kind=EventKind.FRAME_OPENED if is_frame else EventKind.TURN_COMMITTED,
            session_id=self._session_id,
            turn_id=receipt.operation_id,
            status=receipt.result.get("status"),
            head_revision=receipt.head_revision,
        )

    async def _commits(self) -> list[SessionEvent]:
        head = await self._store.head(self._session_id)
        if head is None and self._revision:
            raise UnknownSession(session_id=self._session_id)
        if head is None or head.head_revision <= self._revision:
            return []
        newest_first = [receipt async for receipt in self._receipts(head.leaf)]
        self._revision = head.head_revision
        return [self.committed(receipt) for receipt in reversed(newest_first)]

    async def _receipts(self, leaf: str | None) -> AsyncIterator[CommitReceipt]:
        """Walk up from the leaf to what is known: it costs what is new, however long the path."""
        node_id, turn_id = leaf, None
        while node_id is not None:
            node = await self._store.node(self._session_id, node_id)
            if node is None:
                return
            if node.turn_id != turn_id:
                turn_id = node.turn_id
                receipt = await self._store.receipt(self._session_id, turn_id)
                if receipt is None or receipt.head_revision <= self._revision:
                    return
                yield receipt
            node_id = node.parent_id

    def _of_effect(self, turn_id: str, effect: Effect) -> SessionEvent:
        self._position = max(self._position, effect.position)
        return SessionEvent(
            cursor=f"{self._revision}.{self._position}",
            session_id=self._session_id,
            turn_id=turn_id,
            **self._facts(effect),
        )

    def _facts(self, effect: Effect) -> dict[str, Any]:
        _, _, place = effect.effect_key.partition("/")
        step, _, call_id = place.partition("/")
        match effect.kind:
            case EffectKind.INPUT:
                return {"kind": EventKind.TURN_OPENED}
            case EffectKind.SUMMARY:
                return {"kind": EventKind.SUMMARISED, "status": effect.status.value}
            case EffectKind.MODEL:
                self._tools |= dict(_names(effect))
                return {"kind": EventKind.MODEL_ANSWERED, "step": int(step)}
            case EffectKind.TOOL:
                facts = {"step": int(step), "call_id": call_id}
                if effect.status is EffectStatus.STARTED:
                    tool = self._tools.get(call_id, "")
                    return {"kind": EventKind.TOOL_STARTED, "tool": tool, **facts}
                status = effect.facts.get("status", effect.status.value)
                tool = Message.decode(effect.payload).tool_responses[0].name
                return {"kind": EventKind.TOOL_ENDED, "tool": tool, "status": status, **facts}
            case EffectKind.HOOK | EffectKind.WASTED:
                raise AssertionError(effect.effect_key)  # not told of: see `journal`


def _names(effect: Effect) -> Iterator[tuple[str, str]]:
    for call in Message.decode(effect.payload).tool_calls:
        yield call.id, call.name


def _parsed(cursor: str) -> tuple[int, int]:
    with suppress(ValueError):
        revision, position = map(int, cursor.split("."))
        return revision, position
    raise InvalidInput(reason=f"{cursor[:40]!r} is no cursor: take it from an event")


async def _executor(store: SessionStore, session_id: str) -> str | None:
    lease = await store.lease(session_id)
    return lease.executor_id if lease else None
