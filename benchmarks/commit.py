"""What a turn's commit costs on SQLite, against one raw transaction of the same bytes.

Run by `python -m benchmarks.commit [--rounds N] [--synchronous full|normal]`.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import tempfile
from datetime import timedelta
from pathlib import Path

from benchmarks.measure import Row, interleaved, milliseconds, publish
from sojourn import ids
from sojourn.adapters.open import open_store
from sojourn.commit import Commit, NewNode
from sojourn.lease import Claim, LeaseOwner
from sojourn.messages import CallStatus, ToolCallPart, assistant, tool_response, user
from sojourn.ports import SessionStore
from sojourn.usage import Usage, UsageEntry

LENGTHS = (10, 1_000, 5_000)
BUDGET, DISK_BUDGET, FLAT_BUDGET = 2.0, 1.5, 1.1


def turn_bodies() -> list[bytes]:
    """Return the four messages of a turn with one tool call: 3.25 KB."""
    call = ToolCallPart(id="call-1", name="read_file", arguments={"path": "x" * 60})
    messages = (
        user("u" * 900),
        assistant("", call),
        tool_response("call-1", "read_file", "r" * 1_200, CallStatus.DONE),
        assistant("a" * 700),
    )
    return [message.encode() for message in messages]


BODIES = turn_bodies()
TURN_BYTES = sum(map(len, BODIES))


class Writer:
    """Commits turns to one session, one after another."""

    def __init__(self, store: SessionStore, session_id: str) -> None:
        self.store = store
        self.session_id = session_id
        self.turns = 0
        self.leaf: str | None = None
        self.token = 0

    async def claim(self) -> None:
        """Take the session's lease for a day."""
        wish = Claim(self.session_id, LeaseOwner.fresh(), "benchmark", timedelta(days=1))
        self.token = (await self.store.claim(wish)).fencing_token

    async def commit(self) -> None:
        """Commit the next turn."""
        turn_id, parent = f"turn-{self.turns:08}", self.leaf
        nodes: list[NewNode] = []
        for ordinal, body in enumerate(BODIES):
            node_id = ids.node_id(self.session_id, turn_id, ordinal)
            nodes.append(NewNode(node_id, parent, "message", body))
            parent = node_id
        usage = Usage(input_tokens=900, output_tokens=200)
        await self.store.commit(
            Commit(
                session_id=self.session_id,
                operation_id=turn_id,
                expected_head_revision=self.turns,
                fencing_token=self.token,
                nodes=tuple(nodes),
                leaf=parent,
                usage=(UsageEntry(source="turn", model="own:benchmark", usage=usage),),
                result={"turn_id": turn_id, "status": "completed", "answer_node": parent},
            )
        )
        self.turns += 1
        self.leaf = parent


class Raw:
    """One raw sqlite3 transaction of the same bytes: the floor."""

    def __init__(self, path: Path, synchronous: str) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.execute("PRAGMA journal_mode=WAL")
        self.connection.execute(f"PRAGMA synchronous={synchronous}")
        self.connection.execute("CREATE TABLE turns (id INTEGER PRIMARY KEY, body BLOB)")
        self.body = b"".join(BODIES)

    async def write(self) -> None:
        """Insert one turn's bytes."""
        self.connection.execute("BEGIN IMMEDIATE")
        self.connection.execute("INSERT INTO turns (body) VALUES (?)", (self.body,))
        self.connection.execute("COMMIT")


async def measure(rounds: int, synchronous: str) -> list[Row]:
    """Grow a session to each length, and let them and the floor take turns."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        path = Path(folder) / "sessions.db"
        raw = Raw(Path(folder) / "raw.db", synchronous)
        store = await open_store(f"sqlite:///{path}?synchronous={synchronous}")
        writers = [await grown(store, length) for length in LENGTHS]
        works = {writer.session_id: writer.commit for writer in writers}
        medians = await interleaved({**works, "raw": raw.write}, rounds)
        await store.close()
        raw.connection.close()
        turns, size = sum(writer.turns for writer in writers), path.stat().st_size
    rows = [_against_raw(length, synchronous, medians) for length in LENGTHS]
    flat = medians[f"{LENGTHS[-1]}-turns"] / medians[f"{LENGTHS[0]}-turns"]
    rows.append(Row("the same, longest against shortest", "", "", flat, FLAT_BUDGET))
    per_turn = size / turns
    what = f"disk per turn, {turns:,} turns, indexes and receipts included"
    disk = Row(what, f"{per_turn:,.0f} B", f"{TURN_BYTES:,} B", per_turn / TURN_BYTES, DISK_BUDGET)
    return [*rows, disk]


async def grown(store: SessionStore, length: int) -> Writer:
    """Return the writer of a session that has `length` turns."""
    writer = Writer(store, f"{length}-turns")
    await writer.claim()
    while writer.turns < length:
        await writer.commit()
    return writer


def _against_raw(length: int, synchronous: str, medians: dict[str, float]) -> Row:
    ours, floor = medians[f"{length}-turns"], medians["raw"]
    what = f"commit at {length:,} turns, synchronous={synchronous}"
    return Row(what, milliseconds(ours), milliseconds(floor), ours / floor, BUDGET)


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=400)
    parser.add_argument("--synchronous", choices=("full", "normal"), default="full")
    options = parser.parse_args()
    rows = asyncio.run(measure(options.rounds, options.synchronous))
    notes = (
        f"A turn of 4 messages, {TURN_BYTES:,} bytes, committed with its receipt, usage and head; "
        "the floor is one raw `sqlite3` transaction that inserts the same bytes as one row at the "
        "same `synchronous`. Runs alternate; medians."
    )
    publish(f"Commit ({options.synchronous})", "python -m benchmarks.commit", rows, notes)


if __name__ == "__main__":
    main()
