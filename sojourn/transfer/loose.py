"""Looking into JSON that others wrote: what is not of the expected kind is empty."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast


def fields(value: Any) -> dict[str, Any]:
    """Return an object, or an empty one for anything else."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def listed(value: Any) -> list[Any]:
    """Return a list, or an empty one for anything else."""
    return [*cast("Iterable[Any]", value)] if isinstance(value, list) else []


def without(value: dict[str, Any], *names: str) -> dict[str, Any]:
    """Return an object without some fields."""
    return {name: each for name, each in value.items() if name not in names}
