"""Trying again, in this process, what may end better: elsewhere Temporal does it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sojourn.errors import SojournError
from sojourn.raised import place_of

log = logging.getLogger(__name__)

T = TypeVar("T")

STORE_ATTEMPTS = 5
STORE_WAIT_SECONDS = 0.05
MODEL_WAIT_SECONDS = 1.0
MAX_WAIT_SECONDS = 60.0


async def retried(work: Callable[[], Awaitable[T]], attempts: int, wait_seconds: float) -> T:
    """Do `work` until it succeeds, `attempts` times in all; the waits between double.

    An error of ours says whether trying again can help, and maybe when. Of any other nobody
    knows, and it is tried again.
    """
    for _ in range(1, attempts):
        try:
            return await work()
        except Exception as error:
            if isinstance(error, SojournError) and not error.retryable:
                raise
            log.warning("%s at %s, will retry", type(error).__name__, place_of(error))
            await asyncio.sleep(_asked(error) or wait_seconds)
            wait_seconds = min(wait_seconds * 2, MAX_WAIT_SECONDS)
    return await work()


async def stored(work: Callable[[], Awaitable[T]]) -> T:
    """Do a short store operation, again if others were in its way."""
    return await retried(work, STORE_ATTEMPTS, STORE_WAIT_SECONDS)


def _asked(error: Exception) -> float | None:
    return error.facts.get("retry_after_seconds") if isinstance(error, SojournError) else None
