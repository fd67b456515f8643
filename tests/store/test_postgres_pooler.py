"""A PostgreSQL store behind PgBouncer in transaction mode: each transaction on another session."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from sojourn.adapters.postgres import PostgresStore
from sojourn.reads import ReadScope
from sojourn.testing.conformance.making import (
    answer,
    chain,
    commit_of,
    opening,
    path_ids,
    ref,
    result,
    spent,
    wish,
)
from tests.support.postgres import migrated, postgres_url
from tests.support.server import free_port

__all__ = ["migrated", "postgres_url"]

BINARY = os.environ.get("SOJOURN_TEST_PGBOUNCER") or shutil.which("pgbouncer")
SERVER_SESSIONS = 3

pytestmark = pytest.mark.skipif(
    BINARY is None,
    reason="there is no PgBouncer: install the package `pgbouncer`, or name the program in"
    " SOJOURN_TEST_PGBOUNCER",
)

CONFIG = """\
[databases]
* = host={host} port={server_port} user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {sessions}
server_round_robin = 1
"""


def runner(host: str) -> list[str]:
    """Return what makes PgBouncer run as a user who may use the server's socket: not as root."""
    if os.geteuid() != 0:
        return []
    owner = Path(host).stat().st_uid if host.startswith("/") else 65_534
    return ["-u", pwd.getpwuid(owner).pw_name]


def wait_until_listening(port: int) -> None:
    """Return once somebody listens on a port."""
    deadline = time.monotonic() + 20
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert time.monotonic() < deadline, "PgBouncer does not listen"
        time.sleep(0.02)  # there is no event to wait for: the port is the probe


@pytest.fixture
def pooler_url(postgres_url: str) -> Iterator[str]:
    """The URL of an empty store, through PgBouncer."""
    with psycopg.connect(postgres_url) as connection:
        host, name, user = (getattr(connection.info, key) for key in ("host", "dbname", "user"))
        facts = {"host": host, "server_port": connection.info.port, "user": user}
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "pgbouncer.ini")
        config.write_text(CONFIG.format(port=port, sessions=SERVER_SESSIONS, **facts))
        command = [str(BINARY), "-q", *runner(host), str(config)]
        process = subprocess.Popen(command)
        try:
            wait_until_listening(port)
            yield f"postgresql://{user}@127.0.0.1:{port}/{name}?pool=8"
        finally:
            process.terminate()
            process.wait(timeout=20)


@pytest.fixture
async def store(pooler_url: str) -> AsyncIterator[PostgresStore]:
    """An empty store with more connections than there are server sessions."""
    store = await PostgresStore.open(pooler_url)
    yield store
    await store.close()


async def lived(store: PostgresStore, session: str) -> None:
    """Let a session live: turns, effects, branches, a fork, reads, its end."""
    for number in range(4):
        turn, revision = f"t{number}", number
        opened = await store.open_turn(opening(turn, session=session))
        assert opened.lease is not None
        await store.start_effect(ref(opened.lease, "tool/1/x", turn), "a1")
        await store.record_effect(ref(opened.lease, "tool/1/x", turn), result())
        await store.record_effect(ref(opened.lease, "model/1", turn), answer())
        await store.renew(opened.lease, wish().ttl)
        assert len(await store.effects(session, turn)) == 3
        leaf = opened.head.leaf if number != 2 else f"{session}-0"
        nodes = chain(leaf, f"{session}-{number}")
        commit = commit_of(opened.lease, revision, *nodes, usage=(spent(1),), release=True)
        assert (await store.commit(commit)).head_revision == number + 1
        assert (await store.commit(replace(commit, fencing_token=99))).replayed
    assert await path_ids(store, session=session) == [f"{session}-{n}" for n in (0, 2, 3)]
    assert await store.orphaned_node_ids(session) == [f"{session}-1"]
    await store.fork(session, f"{session}-2", f"{session}-fork")
    fork = await path_ids(store, ReadScope.FULL_GRAPH, session=f"{session}-fork")
    assert fork == [f"{session}-0", f"{session}-2"]
    assert (await store.usage(session))[0].usage.input_tokens == 4
    await store.delete(f"{session}-fork")


async def test_sessions_live_behind_a_pooler_as_without_one(store: PostgresStore) -> None:
    """Nothing is prepared, set, or locked for longer than a transaction."""
    await asyncio.gather(*(lived(store, f"s{number}") for number in range(8)))

    assert [problem async for problem in store.check()] == []
    assert (await store.stats())["sessions"] == 8


async def test_a_caller_that_is_cancelled_behind_a_pooler_disturbs_nobody(
    store: PostgresStore,
) -> None:
    """Its statement alone is cancelled, although others use its server session next."""
    lives = [asyncio.create_task(lived(store, f"s{number}")) for number in range(4)]
    while not all(life.done() for life in lives):
        doomed = asyncio.create_task(store.claim(wish(session="doomed")))
        await asyncio.sleep(0.001)
        doomed.cancel()
        await asyncio.wait([doomed])

    await asyncio.gather(*lives)
