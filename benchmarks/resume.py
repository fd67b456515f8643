"""What it costs to bring a cold session back, by residency and length.

Run by `python -m benchmarks.resume [--rounds N]`.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.commit import Writer
from benchmarks.measure import Row, interleaved, milliseconds, publish
from sojourn import Agent, App, ParkedSession, Residency, SessionRuntime
from sojourn.adapters.open import open_store
from sojourn.commit import Commit, NewNode
from sojourn.graph import NodeKind
from sojourn.testing import ScriptedModel

FRAME_TURNS = 50
SHORT, LONG = 100, 10_000
FLAT_BUDGET, LONG_BUDGET_MS = 1.2, 50.0


async def grow(writer: Writer, turns: int) -> None:
    """Commit `turns` turns, the last fifty of them in a frame of their own."""
    await writer.claim()
    while writer.turns < turns - FRAME_TURNS:
        await writer.commit()
    frame = NewNode(f"frame-{writer.session_id}", writer.leaf, NodeKind.FRAME, b'{"v":1}')
    await writer.store.commit(
        Commit(
            session_id=writer.session_id,
            operation_id="frame",
            expected_head_revision=writer.turns,
            fencing_token=writer.token,
            nodes=(frame,),
            leaf=frame.node_id,
            is_turn=False,
        )
    )
    writer.turns += 1
    writer.leaf = frame.node_id
    while writer.turns <= turns:
        await writer.commit()


async def measure(rounds: int) -> list[Row]:
    """Measure both residencies at both lengths, alternating."""
    app = App(agents=[Agent("bench", model=ScriptedModel(lambda _: "yes"))])
    environment = app.environments()["bench"]
    policy = app.agent().policy()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        store = await open_store(f"sqlite:///{folder}/sessions.db?synchronous=normal")
        for turns in (SHORT, LONG):
            await grow(Writer(store, f"session-{turns}"), turns)
        works = {}
        for residency in Residency:
            for turns in (SHORT, LONG):
                parked = ParkedSession(f"session-{turns}", policy, store)
                shared = replace(environment, residency=residency)

                async def resume(parked: ParkedSession = parked, shared: object = shared) -> None:
                    runtime = await SessionRuntime.resume(parked, shared)  # type: ignore[arg-type]
                    assert runtime.messages()
                    runtime.unregister_plugin_session()

                works[f"{residency} at {turns:,} turns"] = resume
        medians = await interleaved(works, rounds)
        await store.close()
    return _rows(medians)


def _rows(medians: dict[str, float]) -> list[Row]:
    rows: list[Row] = []
    for residency in Residency:
        short = medians[f"{residency} at {SHORT:,} turns"]
        long = medians[f"{residency} at {LONG:,} turns"]
        flat = FLAT_BUDGET if residency is Residency.ACTIVE_PATH_ONLY else None
        what = f"{residency}: {LONG:,} turns against {SHORT:,}, frame of {FRAME_TURNS}"
        rows.append(Row(what, milliseconds(long), milliseconds(short), long / short, flat))
    path = medians[f"{Residency.ACTIVE_PATH_ONLY} at {LONG:,} turns"]
    what = f"{Residency.ACTIVE_PATH_ONLY} at {LONG:,} turns against {LONG_BUDGET_MS:.0f} ms"
    share = path * 1000 / LONG_BUDGET_MS
    rows.append(Row(what, milliseconds(path), f"{LONG_BUDGET_MS:.0f} ms", share, 1.0))
    return rows


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rows = asyncio.run(measure(parser.parse_args().rounds))
    notes = (
        "A session of 4-message turns is assembled from the store by `SessionRuntime.resume`, "
        "in a process that has never seen it; the store is open."
    )
    publish("Cold resume", "python -m benchmarks.resume", rows, notes)


if __name__ == "__main__":
    main()
