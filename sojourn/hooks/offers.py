"""Which of a session's tools a model is offered in one question."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Offer:
    """What a plugin changes of what a model sees of the tools: it can take away, and explain.

    Attributes:
        hidden: ids of tools that are not offered and cannot be called.
        notes: what is added to tools' descriptions, by tool id.
    """

    hidden: Collection[str] = ()
    notes: Mapping[str, str] = field(default_factory=dict[str, str])
