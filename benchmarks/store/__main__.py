"""What the stores cost; run by `python -m benchmarks.store [--only PART] [--rounds N] [--quick]`.

`--quick` shows that all parts work: its figures mean nothing, and stand in no page.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.measure import PAGE, publish
from benchmarks.store import cold, crowd, forks, growth, picture, reconcile, vacuum
from benchmarks.store.part import Part
from benchmarks.store.peers import tables
from benchmarks.store.scale import FULL, QUICK, Scale

PARTS: Mapping[str, Callable[[Scale], Awaitable[Sequence[Part]]]] = {
    "growth": growth.measure,
    "crowd": crowd.measure,
    "cold": cold.measure,
    "forks": forks.measure,
    "vacuum": vacuum.measure,
    "reconcile": reconcile.measure,
    "peers": tables.measure,
}


async def measure(names: Sequence[str], scale: Scale, page: Path) -> None:
    """Measure some parts, and put each into the page as soon as it is done."""
    for name in names:
        started = time.perf_counter()
        for part in await PARTS[name](scale):
            command = f"python -m benchmarks.store --only {name}"
            publish(part.title, command, part.rows, part.notes, page)
            if part.lines and not picture.draw(part.lines, page.with_name(tables.PICTURE)):
                sys.stderr.write("No picture: matplotlib is not installed.\n")
        sys.stderr.write(f"{name}: {time.perf_counter() - started:.0f} s\n")


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=tuple(PARTS), action="append")
    parser.add_argument("--rounds", type=int, help=f"how often; {FULL.rounds} unless given")
    parser.add_argument("--quick", action="store_true", help="show that all parts work")
    options = parser.parse_args()
    scale = QUICK if options.quick else FULL
    scale = replace(scale, rounds=options.rounds or scale.rounds)
    with tempfile.TemporaryDirectory() as scratch:
        page = Path(scratch) / PAGE.name if options.quick else PAGE
        asyncio.run(measure(options.only or tuple(PARTS), scale, page))


if __name__ == "__main__":
    main()
