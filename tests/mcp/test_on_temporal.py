"""The tools of servers in sessions on Temporal."""

from __future__ import annotations

from pathlib import Path

import pytest
from temporalio.client import Client

from sojourn.adapters.open import opened_store
from sojourn.errors import NoWorker
from sojourn.mcp import FromEnv
from sojourn.view import SessionView, view_session
from sojourn_worker import SessionClient
from tests.embedded.making import Answers, app_of
from tests.mcp.apps import FOLDER
from tests.mcp.making import TOKEN, Raw, is_running
from tests.support.polling import until
from tests.support.running import running
from tests.support.server import DevServer
from tests.support.worker_process import WorkerProcess

pytestmark = [pytest.mark.server, pytest.mark.timeout(180)]

SAID, ASKED = "MARK-1", "MARK-2"


async def test_a_session_on_temporal_has_the_tools_and_its_history_none_of_what_they_say(
    server: DevServer,
    queue: str,
    session_id: str,
    raw: Raw,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Results and secrets stay out of it; a call whose server died is of unknown outcome."""
    monkeypatch.setenv("CRM_TOKEN", TOKEN)
    source = raw.server(env={"TOKEN": FromEnv("CRM_TOKEN")}, approval=["write"])
    calls = [("echo", {"text": ASKED}), ("leak", {}), ("fail", {})]
    script = Answers(calls, [("crash", {})], "done")
    app = app_of(f"sqlite:///{tmp_path}/sojourn.db", script, sources=[source])

    async with running(server, queue, app) as client:
        session = client.session(session_id)
        result = await session.send(SAID)
        handle = (await Client.connect(server.address)).get_workflow_handle(f"session/{session_id}")
        events = (await handle.fetch_history()).events
        await session.park()

    history = b"".join(event.SerializeToString() for event in events)
    assert [call.status.value for call in result.tool_calls] == [
        "done",
        "done",
        "failed",
        "unknown",
    ]
    assert history.count(SAID.encode()) == 1
    assert ASKED.encode() not in history
    assert TOKEN.encode() not in history
    assert b"[secret]" not in history
    assert [
        path for path in tmp_path.glob("sojourn.db*") if TOKEN.encode() in path.read_bytes()
    ] == []
    assert raw.lines("written") == ["crash"]
    assert not is_running(raw.pid)


async def test_tools_are_orphaned_and_come_back_from_one_worker_to_the_next(
    server: DevServer,
    queue: str,
    session_id: str,
    raw: Raw,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A worker is killed, and its server with it; the next one finds no server, and then one."""
    monkeypatch.setenv(FOLDER, str(raw.folder))
    store = f"sqlite:///{tmp_path}/sojourn.db"
    client = SessionClient(await Client.connect(server.address), task_queue=queue)
    session = client.session(session_id)

    def work() -> WorkerProcess:
        log = tmp_path / "log"
        return WorkerProcess.start("tests.mcp.apps:made", server.address, queue, store, log=log)

    async def answer(text: str) -> str:
        while True:
            try:
                return (await session.send(text)).text
            except NoWorker:
                pass  # it is starting

    async def answered() -> bool:
        return await answer("again") == "done"

    first = work()
    try:
        assert await answer("one") == "done"
        orphan = raw.pid
        raw.flag("refuse")
    finally:
        first.kill()
    second = work()
    try:
        assert await answer("two") == "failed"
        gone = await seen(store, session_id)
        raw.unflag("refuse")
        await until(answered)
        back = await seen(store, session_id)
    finally:
        second.stop()

    assert len(gone.tools.orphaned) == 10
    assert back.tools.orphaned == ()
    assert back.tools.generation == gone.tools.generation + 1
    assert not is_running(orphan)


async def seen(store_url: str, session_id: str) -> SessionView:
    """Read the session."""
    async with opened_store(store_url) as store:
        return await view_session(store, session_id)
