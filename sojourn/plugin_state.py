"""The stored form of plugins' states: one entry a plugin, under its id."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic_core import from_json

from sojourn.errors import AssemblyError


class PluginEntry(BaseModel):
    """What is stored of one plugin: its state, and of which version and revision that is."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore")

    version: str
    revision: int
    state: Any = None


Entries = Mapping[str, PluginEntry]
# How deep a value may stand in what is stored: readers go down no more than some 200 levels.
_LEVELS = 16
_ADAPTER: TypeAdapter[dict[str, PluginEntry]] = TypeAdapter(dict[str, PluginEntry])


def encode(entries: Entries) -> bytes:
    """Return the bytes to store: the same entries always give the same ones."""
    return as_bytes(_ADAPTER.dump_python(dict(entries), exclude_defaults=True))


def decode(body: bytes | None) -> dict[str, PluginEntry]:
    """Read stored bytes; nothing stored gives no entries.

    Raises:
        AssemblyError: they are none that `encode` could have made.
    """
    try:
        return _ADAPTER.validate_json(body) if body else {}
    except ValidationError:
        raise AssemblyError(reason="the stored plugin state is malformed") from None


def as_json(state: Any) -> Any:
    """Return a copy of `state` as JSON has it, which later changes do not reach.

    Raises:
        TypeError: it has no JSON form.
        ValueError: likewise; or it could not be read again, being nested too deeply, or no Unicode.
    """
    copy = from_json(b"".join((b"[" * _LEVELS, as_bytes(state), b"]" * _LEVELS)))
    for _ in range(_LEVELS):
        (copy,) = copy
    return copy


def fingerprint(entries: Entries) -> int:
    """Return a number that moves with an id, a version or a revision; 0 if there is no entry."""
    if not entries:
        return 0
    facts = [[key, each.version, each.revision] for key, each in sorted(entries.items())]
    return int.from_bytes(hashlib.sha256(as_bytes(facts)).digest()[:7], "big")


def as_bytes(value: Any) -> bytes:
    """Return JSON as bytes: equal values always give the same ones.

    Raises:
        TypeError: `value` has no JSON form.
        ValueError: likewise.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode()
