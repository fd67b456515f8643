"""Trying again, in this process, what may end better: elsewhere Temporal does it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sojourn.errors import SojournError, StoreError
from sojourn.raised import place_of

log = logging.getLogger(__name__)

T = TypeVar("T")

STORE_ATTEMPTS = 5
STORE_WAIT_SECONDS = 0.05
MODEL_WAIT_SECONDS = 1.0
MAX_WAIT_SECONDS = 60.0


async def asked(work: Callable[[], Awaitable[T]], attempts: int) -> T:
    """Ask a model until it answers, `attempts` times in all.

    An error of ours says whether asking again can help, and maybe when. Of any other nobody
    knows, and the model is asked again.
    """
    return await _retried(work, _may_help, attempts, MODEL_WAIT_SECONDS)


async def stored(work: Callable[[], Awaitable[T]]) -> T:
    """Do what ends in the store, again if others were in its way there."""
    return await _retried(work, _was_in_the_way, STORE_ATTEMPTS, STORE_WAIT_SECONDS)


async def _retried(
    work: Callable[[], Awaitable[T]],
    may_help: Callable[[Exception], bool],
    attempts: int,
    wait_seconds: float,
) -> T:
    for _ in range(1, attempts):
        try:
            return await work()
        except Exception as error:
            if not may_help(error):
                raise
            log.warning("%s at %s, will retry", type(error).__name__, place_of(error))
            await asyncio.sleep(_wished(error) or wait_seconds)
            wait_seconds = min(wait_seconds * 2, MAX_WAIT_SECONDS)
    return await work()


def _may_help(error: Exception) -> bool:
    return error.retryable if isinstance(error, SojournError) else True


def _was_in_the_way(error: Exception) -> bool:
    return isinstance(error, StoreError) and error.retryable


def _wished(error: Exception) -> float | None:
    return error.facts.get("retry_after_seconds") if isinstance(error, SojournError) else None
