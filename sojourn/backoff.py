"""How long to wait between attempts."""

from __future__ import annotations

from datetime import timedelta

MAX_DOUBLINGS = 30


def growing(initial: timedelta, attempt: int, longest: timedelta) -> timedelta:
    """Return the pause after attempt `attempt`, counted from 1: it doubles, up to `longest`."""
    doublings = min(attempt - 1, MAX_DOUBLINGS)
    return min(initial * float(2**doublings), longest)
