"""The activity of upkeep: a stretch of one chore."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from temporalio import activity

from sojourn.chores import Chore, Piece, UpkeepPolicy
from sojourn.compact import Compact
from sojourn.host import SessionHost
from sojourn.upkeep import Upkeep
from sojourn_activities.failures import translated
from sojourn_activities.heartbeat import beating

STRETCH_SECONDS = 10.0


class Stretch(Compact):
    """Ask for some pieces of a chore, from `cursor` on."""

    chore: Chore
    policy: UpkeepPolicy
    cursor: str = ""


class UpkeepActivities:
    """Chores on the worker's stores.

    Args:
        host: gives the worker's session host.
    """

    def __init__(self, host: Callable[[], Awaitable[SessionHost]]) -> None:
        self._host = host

    @activity.defn(name="store.upkeep")
    @translated
    async def upkeep(self, request: Stretch) -> Piece:
        """Do pieces of a chore for some seconds, and leave the rest to the next stretch.

        One that is cut off is begun again by another worker, and finds less to do.
        """
        host = await self._host()
        upkeep = Upkeep(host.store, host.blobs, request.policy, host.app.clock)
        ends = time.monotonic() + STRETCH_SECONDS
        async with beating():
            whole = await upkeep.piece(request.chore, request.cursor)
            while not whole.is_done and not _is_over(ends):
                whole = (await upkeep.piece(request.chore, whole.cursor)).after(whole)
        return whole


def _is_over(ends: float) -> bool:
    return activity.is_worker_shutdown() or time.monotonic() >= ends
