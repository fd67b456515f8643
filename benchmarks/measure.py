"""Measuring on a noisy machine: interleave, repeat, take medians, print ratios."""

from __future__ import annotations

import os
import platform
import random
import sqlite3
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

Work = Callable[[], Awaitable[object]]
PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
PACKAGES = ("temporalio", "pydantic", "aiosqlite")


@dataclass(frozen=True)
class Row:
    """One line of a table; `budget` is the largest ratio that we allow ourselves."""

    what: str
    measured: str
    floor: str
    ratio: float
    budget: float | None = None

    @property
    def verdict(self) -> str:
        """Whether the ratio keeps its budget."""
        if self.budget is None:
            return ""
        return "kept" if self.ratio <= self.budget else "MISSED"


async def interleaved(works: Mapping[str, Work], rounds: int) -> dict[str, float]:
    """Run every work once a round, and return each one's median in seconds.

    In an order drawn anew each round: whoever follows a stranger finds cold caches.
    """
    taken: dict[str, list[float]] = {name: [] for name in works}
    order, draw = list(works.items()), random.Random(rounds)  # noqa: S311 - nothing secret
    for _ in range(rounds):
        draw.shuffle(order)
        for name, work in order:
            started = time.perf_counter()
            await work()
            taken[name].append(time.perf_counter() - started)
    return {name: statistics.median(each) for name, each in taken.items()}


def milliseconds(seconds: float) -> str:
    """Say a duration as people read it."""
    return f"{seconds * 1000:.2f} ms"


def publish(title: str, command: str, rows: Sequence[Row], notes: str, path: Path = PAGE) -> None:
    """Print the table, and put it into docs/benchmarks.md in place of its older self."""
    text = _section(title, command, rows, notes)
    sys.stdout.write(text + "\n")
    page = path.read_text() if path.exists() else "# Benchmarks\n"
    start, end = f"<!-- {title} -->\n", f"<!-- end of {title} -->\n"
    block = f"{start}{text}\n{end}"
    if start in page:
        before, rest = page.split(start, 1)
        page = before + block + rest.split(end, 1)[1]
    else:
        page = f"{page.rstrip()}\n\n{block}"
    path.write_text(page)


def _section(title: str, command: str, rows: Sequence[Row], notes: str) -> str:
    lines = [f"## {title}", "", notes, "", f"Run by `{command}`: {_machine()}.", ""]
    lines += ["| what | measured | floor | ratio | budget | |", "|---|---|---|---|---|---|"]
    for row in rows:
        budget = f"<= {row.budget:g}" if row.budget is not None else ""
        cells = (row.what, row.measured, row.floor, f"{row.ratio:.2f}", budget, row.verdict)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _machine() -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    today = time.strftime("%Y-%m-%d")
    load = os.getloadavg()[0]
    python = platform.python_version()
    cores = os.cpu_count()
    return (
        f"{today}, Python {python}, SQLite {sqlite3.sqlite_version}, {packages}, "
        f"{cores} cores, load {load:.1f}"
    )
