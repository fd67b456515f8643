"""Rows of the store as typed values."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sojourn.graph import Node

Row = tuple[Any, ...]


def instant(stored: datetime) -> datetime:
    """Return a stored time in UTC: the server sends it in a time zone of its own."""
    return stored.astimezone(UTC)


def node(row: Row) -> Node:
    """Return the node of `node_id, parent_id, kind, body, turn_id, created_at, seq, parent, ...`.

    A parent that is lost keeps a name.
    """
    node_id, parent_id, kind, body, turn_id, created_at, _, parent = row[:8]
    if parent_id is None and parent is not None:
        parent_id = f"#{parent}"
    return Node(node_id, parent_id, kind, bytes(body), turn_id, instant(created_at))
