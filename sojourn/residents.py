"""The process-local cache of live sessions: a hint for speed, never for correctness."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from weakref import WeakValueDictionary

from sojourn.clock import Clock
from sojourn.draft import Draft
from sojourn.journal import Effect
from sojourn.runtime import SessionRuntime

MAX_RESIDENTS = 256
IDLE_AFTER = timedelta(minutes=5)


@dataclass(slots=True)
class Resident:
    """A live session, the draft of its open turn, and when it was last used.

    Attributes:
        concluded: the turn whose plugins were told, in this process, that it ends.
    """

    runtime: SessionRuntime
    used_at: datetime
    turn_id: str = ""
    draft: Draft | None = None
    concluded: str = ""

    def draft_of(self, turn_id: str) -> Draft:
        """Return the draft of `turn_id`, a fresh one if another turn's was kept."""
        if self.draft is None or self.turn_id != turn_id:
            self.turn_id, self.draft = turn_id, Draft()
            self.runtime.plugins.journal.rewind()
        return self.draft

    def absorb(self, turn_id: str, effects: Sequence[Effect], *, lenient: bool = False) -> Draft:
        """Take in what was read of a turn's journal, and return its draft.

        Raises:
            PluginFailed: a plugin cannot take the state that another worker has journaled; it is
                only logged if that is asked for.
        """
        draft = self.draft_of(turn_id)
        draft.absorb(effects)
        self.runtime.plugins.journal.absorb(effects, lenient=lenient)
        return draft


class Residents:
    """Live sessions, at most `limit`, the least recently used leave first, idle ones too.

    A resident serves only the head revision that it stands on; anything else is a rebuild.
    """

    def __init__(self, clock: Clock, limit: int = MAX_RESIDENTS) -> None:
        self._clock = clock
        self._limit = limit
        self._kept: OrderedDict[str, Resident] = OrderedDict()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def __len__(self) -> int:
        return len(self._kept)

    def peek(self, session_id: str) -> Resident | None:
        """Return the resident of a session, whatever head it stands on, or None."""
        return self._kept.get(session_id)

    async def get(
        self, session_id: str, head_revision: int, build: Callable[[], Awaitable[SessionRuntime]]
    ) -> Resident:
        """Return the resident at `head_revision`, building it once however many ask."""
        lock = self._locks.setdefault(session_id, asyncio.Lock())
        async with lock:
            kept = self._kept.get(session_id)
            if kept is None or kept.runtime.head_revision != head_revision:
                self.forget(session_id)
                kept = Resident(await build(), self._clock.now())
                self._kept[session_id] = kept
        kept.used_at = self._clock.now()
        self._kept.move_to_end(session_id)
        self._evict()
        return kept

    def forget(self, session_id: str) -> None:
        """Drop a session from memory; its plugins leave the register."""
        kept = self._kept.pop(session_id, None)
        if kept is not None:
            kept.runtime.unregister_plugin_session()

    def clear(self) -> None:
        """Drop every session from memory."""
        for session_id in list(self._kept):
            self.forget(session_id)

    def _evict(self) -> None:
        idle_since = self._clock.now() - IDLE_AFTER
        while self._kept:
            session_id, oldest = next(iter(self._kept.items()))
            if len(self._kept) <= self._limit and oldest.used_at > idle_since:
                return
            self.forget(session_id)
