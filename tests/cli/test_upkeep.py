"""`sojourn store vacuum`, `reconcile` and `upkeep`: by hand, and on a schedule."""

from __future__ import annotations

import asyncio
import io
import json
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from temporalio.client import Client, ScheduleActionStartWorkflow, ScheduleDescription
from typing_extensions import override

from sojourn.adapters.blobs.folder import FolderBlobs
from sojourn.adapters.memory import MemoryStore
from sojourn.adapters.postgres.schema import SCHEMA_VERSION
from sojourn.chores import UpkeepPolicy
from sojourn.clock import SystemClock
from sojourn.errors import StoreUnavailable
from sojourn.ports import SessionStore
from sojourn.testing.conformance.making import DAY, begun, wish
from sojourn_worker.cli.options import MAX_DAYS
from tests.attachments.making import committed, keeper, keys_of
from tests.cli import apps
from tests.cli.conftest import Cli
from tests.cli.making import asked
from tests.support.neglected import given_up, waste, with_orphans
from tests.support.postgres import bare_postgres_url
from tests.support.server import DevServer

__all__ = ["bare_postgres_url"]

NONE = {"removed": 0, "freed_bytes": 0}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the blobs stand."""
    return tmp_path / "blobs"


@pytest.fixture
def blobs_url(folder: Path) -> str:
    """The same, as users name it."""
    return folder.as_uri()


def neglect(store_url: str, folder: Path) -> None:
    """Leave some of everything that upkeep removes, and an attachment that is needed."""

    async def leave(store: SessionStore) -> None:
        blobs = FolderBlobs(folder)
        await given_up(store, "given-up", b"abandoned")
        await with_orphans(store, "branched", count=3)
        await with_orphans(store, "deleted", count=3)
        await store.delete("deleted")
        lease = await begun(store, session="kept")
        await committed(store, lease, await keeper(store, blobs, lease).put(b"kept", "text/plain"))
        await waste(blobs, 2)

    asked(store_url, leave)


def blobs_in(folder: Path) -> int:
    """Return how many blobs there are."""
    return len(asyncio.run(keys_of(FolderBlobs(folder))))


def counted(store_url: str) -> dict[str, int]:
    """Return what a store holds."""
    return asked(store_url, lambda store: store.stats())


def test_vacuum_removes_what_was_deleted(cli: Cli, store_url: str, folder: Path) -> None:
    """And nothing that could be read: orphans stay unless their age is given."""
    neglect(store_url, folder)
    ended = cli("store", "vacuum", "--store", store_url, "--json")

    assert (ended.code, ended.err) == (0, "")
    assert set(ended.json) == {"vacuum", "size_bytes"}
    assert ended.json["vacuum"]["removed"] == 4
    assert ended.json["size_bytes"] == counted(store_url)["size_bytes"]
    assert len(asked(store_url, lambda store: store.orphaned_node_ids("branched"))) == 3
    again = cli("store", "vacuum", "--store", store_url)
    assert again.out == f"vacuum: 0 removed\nthe store has {ended.json['size_bytes']} bytes\n"


def test_vacuum_takes_orphans_too_if_it_is_told_their_age(
    cli: Cli, store_url: str, folder: Path
) -> None:
    """Only those that are so old."""
    neglect(store_url, folder)
    young = cli("store", "vacuum", "--store", store_url, "--orphans-older-than", "30", "--json")
    old = cli("store", "vacuum", "--store", store_url, "--orphans-older-than", "0", "--json")

    assert (young.json["orphans"]["removed"], young.json["vacuum"]["removed"]) == (0, 4)
    assert (old.json["orphans"]["removed"], old.json["vacuum"]["removed"]) == (3, 3)
    assert cli("store", "check", "--store", store_url).code == 0


def test_vacuum_gives_room_back(cli: Cli, store_url: str, sqlite_path: Path) -> None:
    """The file is smaller afterwards, by what is told."""
    asked(store_url, lambda store: with_orphans(store, "deleted", count=2_000))
    asked(store_url, lambda store: store.delete("deleted"))
    before = sqlite_path.stat().st_size
    ended = cli("store", "vacuum", "--store", store_url, "--json")

    assert ended.json["vacuum"]["removed"] == 2_001
    assert ended.json["vacuum"]["freed_bytes"] > before // 2
    assert sqlite_path.stat().st_size < before // 2


def test_vacuum_rewrites_a_file_that_is_to_have_no_room_left(
    cli: Cli, store_url: str, sqlite_path: Path
) -> None:
    """What a file of the first schema needs once; nothing but a file can be."""
    asked(store_url, lambda store: with_orphans(store, "kept"))
    with closing(sqlite3.connect(sqlite_path, isolation_level=None)) as db:
        db.execute("PRAGMA auto_vacuum = NONE")
        db.execute("VACUUM")
    asked(store_url, lambda store: with_orphans(store, "deleted", count=2_000))
    asked(store_url, lambda store: store.delete("deleted"))
    plain = cli("store", "vacuum", "--store", store_url, "--json")
    ended = cli("store", "vacuum", "--store", store_url, "--rewrite", "--json")
    size_bytes = plain.json["size_bytes"]

    assert (plain.json["vacuum"]["removed"], plain.json["vacuum"]["freed_bytes"]) == (2_001, 0)
    assert ended.json["rewrite"]["freed_bytes"] > size_bytes // 2
    assert ended.json["size_bytes"] == counted(store_url)["size_bytes"] < size_bytes // 2
    said = cli("store", "vacuum", "--store", store_url, "--rewrite").out.splitlines()[-1]
    assert said == f"rewritten: it has {ended.json['size_bytes']} bytes"


def test_a_store_that_is_no_file_is_not_rewritten(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wrong usage, before anything is done."""
    kept = replace(apps.app, store=MemoryStore())
    monkeypatch.setattr(apps, "kept", kept, raising=False)
    ended = cli("store", "vacuum", "--app", "tests.cli.apps:kept", "--rewrite")

    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("error: Invalid value for --rewrite: only a SQLite file can be")


def test_reconcile_removes_bytes_that_nobody_names(
    cli: Cli, store_url: str, folder: Path, blobs_url: str
) -> None:
    """Those that are older than the grace, which is a day."""
    neglect(store_url, folder)
    soon = SystemClock().now() + DAY
    asked(store_url, lambda store: store.reclaim_journals(soon, 10))
    place = ["--store", store_url, "--blobs", blobs_url]
    young = cli("store", "reconcile", *place, "--json")
    old = cli("store", "reconcile", *place, "--grace", "0", "--json")

    assert (young.code, young.json["intents"], young.json["blobs"]) == (0, NONE, NONE)
    assert set(old.json) == {"intents", "blobs", "size_bytes"}
    assert (old.json["intents"]["removed"], old.json["blobs"]["removed"]) == (1, 2)
    assert (blobs_in(folder), counted(store_url)["attachments"]) == (1, 1)
    lines = cli("store", "reconcile", *place).out.splitlines()
    assert lines[:2] == ["intents: 0 removed", "blobs: 0 removed"]


def test_reconcile_empties_no_blob_store_for_a_store_without_attachments(
    cli: Cli, store_url: str, folder: Path, blobs_url: str
) -> None:
    """It may be the wrong one: --allow-empty says that it is not."""
    asked(store_url, lambda store: store.claim(wish()))
    asyncio.run(waste(FolderBlobs(folder), 3))
    place = ["--store", store_url, "--blobs", blobs_url, "--grace", "0", "--json"]
    refused = cli("store", "reconcile", *place)
    assert (refused.code, blobs_in(folder)) == (1, 3)
    assert refused.error[0] == "EmptyRootSet"
    assert refused.json["blobs"] == NONE
    allowed = cli("store", "reconcile", *place, "--allow-empty")

    assert (allowed.code, allowed.json["blobs"]["removed"], blobs_in(folder)) == (0, 3, 0)


def test_reconcile_wants_a_blob_store(cli: Cli, store_url: str) -> None:
    """Nothing names one: wrong usage."""
    asked(store_url, lambda store: store.stats())
    ended = cli("store", "reconcile", "--store", store_url)

    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("error: Invalid value for --blobs: none is named")
    assert ended.err.count("\n") == 1


def test_reconcile_of_a_folder_that_is_not_there_is_refused(
    cli: Cli, store_url: str, folder: Path, blobs_url: str
) -> None:
    """A mistyped path would look like a blob store without anything to do."""
    asked(store_url, lambda store: store.stats())
    ended = cli("store", "reconcile", "--store", store_url, "--blobs", blobs_url, "--json")

    assert (ended.code, ended.out) == (1, "")
    assert ended.error[0] == "BlobStoreUnavailable"
    assert "there is no such folder" in ended.error[1]
    assert not folder.exists()


@pytest.mark.parametrize("command", ["reconcile", "upkeep"])
def test_blobs_in_memory_cannot_be_seen_from_outside(
    cli: Cli, store_url: str, command: str
) -> None:
    """Nothing to sweep would be a lie."""
    asked(store_url, lambda store: store.stats())
    ended = cli("store", command, "--store", store_url, "--blobs", "memory://")

    assert ended.code == 1
    assert "seen by its own process alone" in ended.err


def test_upkeep_by_hand_does_every_chore(
    cli: Cli, store_url: str, folder: Path, blobs_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is young stays, unless it is told that no age is needed."""
    neglect(store_url, folder)
    monkeypatch.setenv("SOJOURN_STORE", store_url)
    monkeypatch.setenv("SOJOURN_BLOBS", blobs_url)
    young = cli("store", "upkeep", "--json")
    flags = ("--journals-older-than", "--grace", "--orphans-older-than", "--receipts-older-than")
    old = cli("store", "upkeep", "--json", *(word for flag in flags for word in (flag, "0")))

    assert (young.code, young.err) == (0, "")
    assert set(young.json) == {"journals", "intents", "vacuum", "blobs", "size_bytes"}
    assert young.json["journals"] == young.json["intents"] == young.json["blobs"] == NONE
    assert young.json["vacuum"]["removed"] == 4
    assert {chore: old.json[chore]["removed"] for chore in old.json if chore != "size_bytes"} == {
        "journals": 1,
        "intents": 1,
        "receipts": 2,
        "orphans": 3,
        "vacuum": 3,
        "blobs": 2,
    }
    assert (blobs_in(folder), cli("store", "check").code) == (1, 0)
    lines = cli("store", "upkeep").out.splitlines()
    assert lines[:-1] == [f"{name}: 0 removed" for name in young.json if name != "size_bytes"]


def test_a_postgres_store_is_made_and_looked_after(
    cli: Cli, bare_postgres_url: str, folder: Path
) -> None:
    """By the same commands."""
    made = cli("store", "migrate", "--store", bare_postgres_url, "--json")
    neglect(bare_postgres_url, folder)
    flags = ("--journals-older-than", "--grace", "--orphans-older-than")
    ages = [word for flag in flags for word in (flag, "0")]
    ended = cli("store", "upkeep", "--store", bare_postgres_url, "--json", *ages)

    assert made.json == {"schema_version": SCHEMA_VERSION}
    assert {name: ended.json[name]["removed"] for name in ended.json if name != "size_bytes"} == {
        "journals": 1,
        "intents": 1,
        "orphans": 3,
        "vacuum": 7,
    }
    assert cli("store", "check", "--store", bare_postgres_url).code == 0


def test_upkeep_without_a_blob_store_does_the_other_chores(
    cli: Cli, store_url: str, folder: Path
) -> None:
    """An app that keeps no attachments has none."""
    neglect(store_url, folder)
    ended = cli("store", "upkeep", "--store", store_url, "--json")

    assert (ended.code, set(ended.json)) == (0, {"journals", "intents", "vacuum", "size_bytes"})
    assert blobs_in(folder) == 3


def test_what_is_never_too_old_is_not_looked_for(cli: Cli, store_url: str, folder: Path) -> None:
    """`never` is an age too."""
    neglect(store_url, folder)
    ended = cli(
        *("store", "upkeep", "--store", store_url, "--json"),
        *("--journals-older-than", "never", "--orphans-older-than", "never"),
    )

    assert set(ended.json) == {"intents", "vacuum", "size_bytes"}


class Away(MemoryStore):
    """A store that cannot reclaim journals now."""

    @override
    async def reclaim_journals(self, *_: object) -> int:
        """Be away."""
        raise StoreUnavailable(url="memory://", reason="it is away")


def test_a_chore_that_fails_does_not_stop_the_next(
    cli: Cli, folder: Path, blobs_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was done is told on standard output, what failed in one line on standard error."""
    store = Away()
    asyncio.run(with_orphans(store, "branched"))
    asyncio.run(waste(FolderBlobs(folder), 1))
    monkeypatch.setattr(apps, "away", replace(apps.app, store=store), raising=False)
    command = ("store", "upkeep", "--app", "tests.cli.apps:away", "--orphans-older-than", "0")
    one = cli(*command, "--json")
    two = cli(*command, "--blobs", blobs_url, "--grace", "0")

    assert (one.code, one.json["orphans"]["removed"], one.json["vacuum"]["removed"]) == (1, 1, 1)
    assert one.error == ("StoreUnavailable", "The store memory:// cannot be used now: it is away.")
    assert two.code == 1
    assert two.out.startswith("journals: 0 removed\n")
    assert two.err == (
        "error: The store memory:// cannot be used now: it is away.; The store names no "
        "attachment, and 1 blobs would go: allow it if that is right.\n"
    )


def test_a_person_at_a_terminal_sees_what_is_being_removed(
    cli: Cli, store_url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Programs are shown nothing."""
    neglect(store_url, folder)
    written = io.StringIO()
    screen = Console(file=written, force_terminal=True, width=200)
    monkeypatch.setattr("sojourn_worker.cli.tidying.console", lambda **_: screen)
    assert cli("store", "vacuum", "--store", store_url, "--json").code == 0
    assert written.getvalue() == ""
    assert cli("store", "vacuum", "--store", store_url, "--orphans-older-than", "0").code == 0

    assert "vacuum: 3 removed" in written.getvalue()


@pytest.mark.parametrize("age", ["soon", "nan", "-1", "inf", str(MAX_DAYS + 1), ""])
@pytest.mark.parametrize(
    "flag", ["--journals-older-than", "--grace", "--orphans-older-than", "--receipts-older-than"]
)
def test_what_is_no_age_is_wrong_usage(cli: Cli, store_url: str, flag: str, age: str) -> None:
    """The line says what an age looks like."""
    ended = cli("store", "upkeep", "--store", store_url, f"{flag}={age}")

    assert (ended.code, ended.out) == (2, "")
    assert f"{age!r} is no age in days" in ended.err
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize(
    ("flags", "wrong"),
    [
        (["--every", "6h", "--store", "sqlite:///x.db"], "--store"),
        (["--every", "6h", "--blobs", "file:///x"], "--blobs"),
        (["--every", "never", "--app", "tests.cli.apps:app"], "--app"),
        (["--store", "sqlite:///x.db", "--task-queue", "gpu"], "--task-queue"),
        (["--every", ""], "--every"),
        (["--every", "6"], "--every"),
        (["--every", "0h"], "--every"),
        (["--every", "-6h"], "--every"),
        (["--every", "6 h"], "--every"),
        (["--every", "366d"], "--every"),
        (["--every", "999999999999d"], "--every"),
        (["--every", "sometimes"], "--every"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_scheduled_is_wrong_usage(cli: Cli, flags: list[str], wrong: str) -> None:
    """Nor is a flag passed over that names what would not be looked after."""
    ended = cli("store", "upkeep", *flags)

    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"error: Invalid value for {wrong}: ")
    assert ended.err.count("\n") == 1


def test_a_schedule_without_a_server_is_refused(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one line that says where it was looked for."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    ended = cli("store", "upkeep", "--every", "6h", "--json")

    assert (ended.code, ended.error[0]) == (1, "ServerUnavailable")


@pytest.fixture
def scheduling(
    cli: Cli, server: DevServer, queue: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """A server for the commands, and a queue whose schedule goes with the test."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", server.address)
    monkeypatch.setenv("SOJOURN_TASK_QUEUE", queue)
    yield queue
    cli("store", "upkeep", "--every", "never")


def found(server: DevServer, queue: str) -> tuple[ScheduleDescription, dict[str, Any]]:
    """Return the schedule of a queue, and the policy that it runs with."""

    async def look() -> tuple[ScheduleDescription, dict[str, Any]]:
        client = await Client.connect(server.address)
        described = await client.get_schedule_handle(f"sojourn-upkeep/{queue}").describe()
        assert isinstance(described.schedule.action, ScheduleActionStartWorkflow)
        (policy,) = described.schedule.action.args
        return described, json.loads(policy.data)

    return asyncio.run(look())


@pytest.mark.server
def test_upkeep_is_put_on_a_schedule_changed_and_taken_off(
    cli: Cli, server: DevServer, scheduling: str
) -> None:
    """The schedule runs with what the flags said; without any, with the policy's own ages."""
    made = cli("store", "upkeep", "--every", "6h", "--json")
    first, ages = found(server, scheduling)
    changed = cli("store", "upkeep", "--every", "90m", "--orphans-older-than", "30")
    second, more = found(server, scheduling)
    removed = cli("store", "upkeep", "--every", "never", "--json")

    assert (made.code, made.json) == (
        0,
        {
            "task_queue": scheduling,
            "schedule_id": f"sojourn-upkeep/{scheduling}",
            "every_seconds": 21_600.0,
        },
    )
    assert [each.every for each in first.schedule.spec.intervals] == [timedelta(hours=6)]
    assert UpkeepPolicy.model_validate(ages) == UpkeepPolicy()
    assert changed.out == (
        f"every 90m on the workers of {scheduling}: schedule sojourn-upkeep/{scheduling}\n"
    )
    assert [each.every for each in second.schedule.spec.intervals] == [timedelta(minutes=90)]
    assert UpkeepPolicy.model_validate(more) == UpkeepPolicy(orphans_days=30)
    assert removed.json == {"task_queue": scheduling, "removed": True}
    nothing = cli("store", "upkeep", "--every", "never")
    assert (nothing.code, nothing.out) == (0, "there was no schedule\n")


@pytest.mark.server
def test_a_schedule_that_the_server_refuses_is_one_line(
    cli: Cli, server: DevServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An id that is too long for it, as an example."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", server.address)
    queue = f"{uuid.uuid4()}" * 40
    ended = cli("store", "upkeep", "--every", "6h", "--task-queue", queue, "--json")

    assert (ended.code, ended.error[0]) == (1, "ServerUnavailable")
    assert "INVALID_ARGUMENT" in ended.error[1]
