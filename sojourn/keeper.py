"""Keeping a lease alive while long work goes on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from sojourn.errors import LeaseLost, StoreError
from sojourn.lease import LeaseTimings, check_fence
from sojourn.ports import SessionStore

log = logging.getLogger(__name__)

T = TypeVar("T")


class LeaseKeeper:
    """Renews one lease while work runs under it.

    A renewal that fails for want of the store is tried again at the next interval: only the
    store's word that a newer owner has come means that the lease is lost.
    """

    def __init__(
        self, store: SessionStore, session_id: str, fencing_token: int, timings: LeaseTimings
    ) -> None:
        self._store = store
        self._session_id = session_id
        self._token = fencing_token
        self._timings = timings

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` to its end, or cancel it when the lease is lost.

        Raises:
            LeaseLost: a newer owner has come; `work` was cancelled and has ended.
        """
        working = asyncio.create_task(work)
        renewing = asyncio.create_task(self._renew_until_lost())
        try:
            await asyncio.wait({working, renewing}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise renewing.result()
            return working.result()
        finally:
            await stopped(working, renewing)

    async def _renew_until_lost(self) -> LeaseLost:
        while True:
            await asyncio.sleep(self._timings.renew_interval.total_seconds())
            try:
                stored = await self._store.lease(self._session_id)
                lease = check_fence(stored, self._session_id, self._token)
                await self._store.renew(lease, self._timings.ttl)
            except LeaseLost as lost:
                return lost
            except StoreError as error:
                log.warning("session %s: renewal failed, will retry: %s", self._session_id, error)


async def stopped(*tasks: asyncio.Task[Any]) -> None:
    """Cancel `tasks` and wait until they have ended, however they end."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled():
            task.exception()  # else asyncio complains that nobody looked
