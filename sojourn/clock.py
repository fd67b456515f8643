"""Where time comes from: a `Clock` is passed in, never read from the system in passing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """A source of the current time, timezone-aware and in UTC."""

    def now(self) -> datetime:
        """Return the current time."""
        ...


class SystemClock:
    """The operating system's wall clock."""

    def now(self) -> datetime:
        """Return the current time in UTC."""
        return datetime.now(UTC)  # noqa: TID251 - the one place that may


class ManualClock:
    """A clock that stands still until it is told to move: for tests."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = start

    def now(self) -> datetime:
        """Return the time that the clock was last set to."""
        return self._now

    def advance(self, by: timedelta) -> None:
        """Move the clock by `by`, which may be negative (a clock jump)."""
        self._now += by
