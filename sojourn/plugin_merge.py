"""Merging plugins' states that two workers changed at the same time, starting from one."""

from __future__ import annotations

from typing import Any

_MISSING = object()


def merged(base: Any, first: Any, second: Any) -> Any:
    """Return a state that has what `first` and `second` each changed of `base`, all being JSON.

    Objects are merged by key; what one side has only appended to a list stands behind what the
    other has made of it. Where both changed the same in another way, `second` wins.
    """
    if second in (first, base):
        return first
    if first == base:
        return second
    if isinstance(first, dict) and isinstance(second, dict):
        return _objects(_as(dict, base), _as(dict, first), _as(dict, second))
    if isinstance(first, list) and isinstance(second, list):
        return _lists(_as(list, base), _as(list, first), _as(list, second))
    return second


def _as(kind: type[Any], value: Any) -> Any:
    return value if isinstance(value, kind) else kind()


def _objects(base: dict[str, Any], first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    merged_items: dict[str, Any] = {}
    for key in dict.fromkeys([*first, *second]):
        was, one, two = (each.get(key, _MISSING) for each in (base, first, second))
        kept = merged(was, one, two)
        if kept is not _MISSING:
            merged_items[key] = kept
    return merged_items


def _lists(base: list[Any], first: list[Any], second: list[Any]) -> list[Any]:
    size = len(base)
    if second[:size] == base:
        return [*first, *second[size:]]
    if first[:size] == base:
        return [*second, *first[size:]]
    return second
