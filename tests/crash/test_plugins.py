"""A worker is killed by SIGKILL amid its plugins' work, and another process commits the turn."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from sojourn import TurnResult
from sojourn.adapters.open import open_store, opened_store
from sojourn.clock import ManualClock
from sojourn.ports import SilentProbe
from sojourn.reads import ReadScope
from sojourn_worker import SojournPlugin
from tests.support.crash_apps import Ledger
from tests.support.plugin_apps import SECRET, diary
from tests.support.server import DevServer
from tests.support.stage import Stage, died
from tests.support.worker_process import ROOT, SOURCES, WorkerProcess

pytestmark = pytest.mark.crash

APP = "tests.support.plugin_apps:diary"
TEXT = f"take note of {SECRET}"


@dataclass(frozen=True)
class Seen:
    """What is stored of a session of the diary."""

    greetings: list[str]
    results: list[str]
    plugins: dict[str, Any]
    body: str

    @classmethod
    async def of(cls, store_url: str, session_id: str) -> Seen:
        """Read it, by a connection of its own."""
        async with opened_store(store_url) as store:
            read = await store.load(session_id, ReadScope.FULL_GRAPH)
        assert read is not None
        parts = [part for node in read.nodes for part in json.loads(node.body)["parts"]]
        entries = json.loads(read.plugin_state or b"{}")
        return cls(
            greetings=[p["content"] for p in parts if "greeted" in p.get("content", "")],
            results=[p["response"] for p in parts if p["type"] == "tool_call_response"],
            plugins={plugin_id: entry.get("state") for plugin_id, entry in entries.items()},
            body="".join(node.body.decode() for node in read.nodes),
        )


def check(seen: Seen, result: TurnResult, *, by: int, counts: dict[str, int]) -> None:
    """Hold what was seen against what the dead process did before it died: it was recorded."""
    assert result.status.value == "completed"
    assert seen.greetings == [f"greeted by {by}"]
    assert seen.results == [f"milk signed by {by}"]
    assert seen.plugins["Diary"] == {"notes": [f"milk by {by}"]}
    used = result.usage
    assert seen.plugins["TokenBudget"] == {"spent": used.input_tokens + used.output_tokens}
    assert SECRET not in seen.body + result.text
    assert counts == {"model 2": 1, "model 4": 1}


@pytest.mark.server
@pytest.mark.parametrize("point", ["tool.recorded", "model.recorded:2"])
async def test_what_plugins_did_is_not_lost_with_their_worker(
    point: str, server: DevServer, tmp_path: Path
) -> None:
    """On Temporal: their messages, results and states stand as the dead worker recorded them."""
    store_url = f"sqlite:///{tmp_path}/sojourn.db"
    plugin = SojournPlugin(diary(store_url, SilentProbe()))
    client = await Client.connect(server.address, plugins=[plugin])
    stage = Stage(client, server.address, tmp_path, store_url)
    with stage.workers:
        victim = WorkerProcess.start(
            APP, server.address, stage.queue, store_url, kill_at=point, log=tmp_path / "log"
        )
        stage.workers.callback(victim.stop)
        sending = asyncio.create_task(stage.send(TEXT, "t-1"))
        await died(victim)
        async with stage.survivor():
            result = await sending
            await stage.session.park()

    seen = await Seen.of(store_url, stage.session_id)
    check(seen, result, by=victim.process.pid, counts=stage.counts)


@pytest.mark.parametrize("point", ["tool.recorded", "model.recorded:2", "commit.before"])
async def test_what_plugins_did_is_not_lost_with_an_embedded_process(
    point: str, tmp_path: Path
) -> None:
    """The process that sends the turn again commits it."""
    store_url = f"sqlite:///{tmp_path}/sojourn.db"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.embedded_main", APP),
        *(store_url, point, "chat-1", "t-1", TEXT),
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, SOURCES))},
    )
    assert await process.wait() == -signal.SIGKILL
    later = datetime.now(UTC) + timedelta(hours=1)  # noqa: TID251 - the dead had real time
    store = await open_store(store_url, clock=ManualClock(later))
    try:
        async with diary(store_url, SilentProbe()).open("chat-1", store=store) as session:
            result = await session.send(TEXT, "t-1")
    finally:
        await store.close()

    seen = await Seen.of(store_url, "chat-1")
    check(seen, result, by=process.pid, counts=Ledger.beside(store_url).counts())
