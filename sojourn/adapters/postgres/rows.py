"""Rows of the store as typed values."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sojourn.graph import Node
from sojourn.journal import Effect, EffectKind, EffectStatus
from sojourn.usage import Usage

_COMPACT = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)

Row = tuple[Any, ...]


def instant(stored: datetime) -> datetime:
    """Return a stored time in UTC: the server sends it in a time zone of its own."""
    return stored.astimezone(UTC)


def dumped(value: dict[str, Any]) -> str:
    """Return small JSON as it is stored."""
    return _COMPACT.encode(value)


def usage(tokens: Sequence[Any]) -> Usage:
    """Return the tokens of five columns."""
    spent, written, cache_read, cache_written, reasoning = map(int, tokens)
    return Usage(
        input_tokens=spent,
        output_tokens=written,
        cache_read_tokens=cache_read,
        cache_write_tokens=cache_written,
        reasoning_tokens=reasoning,
    )


def node(row: Row) -> Node:
    """Return the node of `node_id, parent_id, kind, body, turn_id, created_at, seq, parent, ...`.

    A parent that is lost keeps a name.
    """
    node_id, parent_id, kind, body, turn_id, created_at, _, parent = row[:8]
    if parent_id is None and parent is not None:
        parent_id = f"#{parent}"
    return Node(node_id, parent_id, kind, bytes(body), turn_id, instant(created_at))


def effect(row: Row) -> Effect:
    """Return the effect of `position, effect_key, kind, status, attempt_id, payload, facts`."""
    position, key, kind, status, attempt_id, payload, facts = row
    return Effect(
        position=position,
        effect_key=key,
        kind=EffectKind(kind),
        status=EffectStatus(status),
        attempt_id=attempt_id,
        payload=bytes(payload),
        facts=json.loads(facts),
    )
