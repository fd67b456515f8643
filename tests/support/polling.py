"""Waiting for what tells nobody that it has happened."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

INTERVAL_SECONDS = 0.05


async def until(look: Callable[[], Awaitable[T]]) -> T:
    """Look again and again until there is something, and return it."""
    while not (seen := await look()):
        await asyncio.sleep(INTERVAL_SECONDS)
    return seen
