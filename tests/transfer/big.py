"""A process of its own that moves a large session, and prints what it grew by.

Usage: python -m tests.transfer.big make FILE BYTES | import FILE STORE | export FILE STORE
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from sojourn.adapters.open import opened_store
from sojourn.clock import SystemClock
from sojourn.graph import Node
from sojourn.messages import assistant, user
from sojourn.transfer import ImportOptions, export_session, import_session
from sojourn.transfer.line_kinds import HeaderLine, TurnLine
from sojourn.transfer.lines import LineWriter

TEXT = "What is said here is as long as a paragraph is. " * 30


def made(size_bytes: int, at: datetime) -> Iterator[bytes]:
    """Yield the lines of a session of so many bytes, turn after turn."""
    writer, size, turn = LineWriter(), 0, 0
    facts = {
        "scope": "full graph",
        "is_fork": False,
        "head_revision": 1,
        "config": {"agent": "clerk"},
    }
    count = size_bytes // (2 * len(TEXT) + 700)
    leaf = f"n{count - 1}.1"
    yield writer.line(
        HeaderLine.model_validate(
            {"sojourn": 1, "session": "big", "created_at": at, "leaf": leaf, "turns": count} | facts
        )
    )
    parent: str | None = None
    while turn < count:
        for number, said in enumerate((user(f"{turn} {TEXT}"), assistant(f"{turn} {TEXT}"))):
            node_id = f"n{turn}.{number}"
            line = writer.node(Node(node_id, parent, "message", said.encode(), f"t{turn}", at))
            parent, size = node_id, size + len(line)
            yield line
        yield writer.line(
            TurnLine(receipt=f"t{turn}", leaf=parent, at=at, result={"status": "completed"})
        )
        turn += 1
    yield writer.end()


def peak_bytes() -> int:
    """Return the most memory that this process has had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


async def bring(file: Path, store_url: str) -> None:
    """Import a file."""
    before = 0
    async with opened_store(store_url) as store:
        with file.open("rb") as lines:
            async for told in import_session(store, lines, ImportOptions()):
                before = before or peak_bytes()
                print(json.dumps({"nodes": told.nodes}), flush=True)  # noqa: T201 - to the parent
    print(json.dumps({"grown": peak_bytes() - before, "peak": peak_bytes()}))  # noqa: T201


async def take(file: Path, store_url: str) -> None:
    """Export a session into a file."""
    before = peak_bytes()
    async with opened_store(store_url) as store:
        with file.open("wb") as lines:
            async for line in export_session(store, "big"):
                lines.write(line)
    print(json.dumps({"grown": peak_bytes() - before, "peak": peak_bytes()}))  # noqa: T201


if __name__ == "__main__":
    what, path = sys.argv[1], Path(sys.argv[2])
    if what == "make":
        with path.open("wb") as out:
            out.writelines(made(int(sys.argv[3]), SystemClock().now()))
    else:
        asyncio.run((bring if what == "import" else take)(path, sys.argv[3]))
