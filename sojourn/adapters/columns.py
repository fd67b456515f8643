"""Columns that mean the same in every database, as typed values."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sojourn.journal import Effect, EffectKind, EffectStatus
from sojourn.usage import Usage

_COMPACT = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


def dumped(value: dict[str, Any] | Sequence[str] | Sequence[int]) -> str:
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


def tokens(usage: Usage) -> tuple[int, int, int, int, int]:
    """Return the five columns of `usage`."""
    return (
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        usage.reasoning_tokens,
    )


def effect(row: Sequence[Any]) -> Effect:
    """Return the effect of `position, effect_key, kind, status, attempt_id, payload, facts`."""
    position, key, kind, status, attempt_id, payload, facts = row
    return Effect(
        position=position,
        effect_key=key,
        kind=EffectKind(kind),
        status=EffectStatus(status),
        attempt_id=attempt_id,
        payload=payload,
        facts=json.loads(facts),
    )
