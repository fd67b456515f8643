"""Who is told of what models cost, as it is spent."""

from __future__ import annotations

from typing import Protocol

from sojourn.usage import UsageEntry


class Meter(Protocol):
    """Counts what this process has spent; it must neither raise nor wait."""

    def spent(self, entry: UsageEntry) -> None:
        """Take tokens of one answer: recorded in a journal, or bought and lost (`wasted`)."""
        ...

    def lost(self, model: str, attempts: int) -> None:
        """Take questions to a model that nobody knows the cost of."""
        ...


class SilentMeter:
    """Counts nothing."""

    def spent(self, entry: UsageEntry) -> None:
        """Pass over it."""

    def lost(self, model: str, attempts: int) -> None:
        """Pass over it."""
