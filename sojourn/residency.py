"""Residency: how much of a session's graph is kept in memory."""

from __future__ import annotations

from enum import StrEnum

from sojourn.graph import SessionGraph
from sojourn.reads import ReadScope


class Residency(StrEnum):
    """How much of a session's graph is kept in memory.

    KEEP_ALL keeps every node. ACTIVE_PATH_ONLY keeps the active path back to the current frame,
    and needs a store to read the rest from.
    """

    KEEP_ALL = "keep_all"
    ACTIVE_PATH_ONLY = "active_path_only"

    @property
    def scope(self) -> ReadScope:
        """What to read from a store when a session is brought to life."""
        return ReadScope.FULL_GRAPH if self is Residency.KEEP_ALL else ReadScope.FRAME

    def trim(self, graph: SessionGraph) -> SessionGraph:
        """Return what stays resident of a healed graph."""
        return graph if self is Residency.KEEP_ALL else graph.trimmed()
