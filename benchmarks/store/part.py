"""A part of the benchmark: a table, and perhaps lines to draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.measure import Row

Lines = Mapping[str, Mapping[int, float]]


@dataclass(frozen=True)
class Part:
    """What was measured, ready to be published.

    Attributes:
        title: of its section.
        rows: of its table.
        notes: what it is.
        lines: what to draw, if anything: by name, seconds by length.
    """

    title: str
    rows: Sequence[Row]
    notes: str
    lines: Lines = field(default_factory=dict[str, Mapping[int, float]])


def kilobytes(size_bytes: float) -> str:
    """Say a size as people read it."""
    return f"{size_bytes / 1000:,.1f} KB"


def megabytes(size_bytes: float) -> str:
    """Say a large size as people read it."""
    return f"{size_bytes / 1_000_000:,.1f} MB"


def seconds(duration: float) -> str:
    """Say a long duration as people read it."""
    return f"{duration:,.2f} s"
