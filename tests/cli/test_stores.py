"""`sojourn store`, and stores that cannot be used."""

from __future__ import annotations

import io
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from sojourn.adapters.memory import MemoryStore
from sojourn.adapters.sqlite.schema import SCHEMA_VERSION
from tests.cli import apps
from tests.cli.conftest import APP, Cli
from tests.cli.making import content, talk

READERS = [
    ["store", "check"],
    ["store", "stats"],
    ["store", "vacuum"],
    ["store", "upkeep"],
    ["session", "list"],
    ["session", "show", "chat-42"],
]
WRITERS = [["store", "migrate"], ["session", "start", "chat-42"]]


def test_check_counts_and_finds_nothing_wrong(cli: Cli, store_url: str) -> None:
    """A healthy store exits with 0."""
    talk(store_url, "chat-42", "hello")
    ended = cli("store", "check", "--store", store_url, "--json")

    assert ended.code == 0
    assert ended.json == {"sessions": 1, "nodes": 2, "problems": []}
    plain = cli("store", "check", "--store", store_url)
    assert (plain.out, plain.err) == ("1 sessions, 2 nodes, 0 problems\n", "")


def test_check_names_problems_and_exits_with_1(cli: Cli, store_url: str, sqlite_path: Path) -> None:
    """The problems are the answer; the error line counts them."""
    view = talk(store_url, "chat-42", "hello")
    with closing(sqlite3.connect(sqlite_path)) as db:
        db.execute("UPDATE nodes SET body = x'00' WHERE node_id = ?", (view.leaf,))
        db.commit()
    ended = cli("store", "check", "--store", store_url, "--json")

    assert ended.code == 1
    (problem,) = ended.json["problems"]
    assert (problem["session_id"], problem["node_id"]) == ("chat-42", view.leaf)
    assert ended.error == ("StoreDamaged", "the store has 1 problems")
    plain = cli("store", "check", "--store", store_url)
    assert problem["problem"] in plain.out
    assert plain.err == "error: the store has 1 problems\n"


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What a person sees at the terminal that standard error is."""
    written = io.StringIO()
    screen = Console(file=written, force_terminal=True, width=200)
    monkeypatch.setattr("sojourn_worker.cli.upkeep.console", lambda **_: screen)
    return written


def test_check_shows_a_person_the_share_that_is_done(
    cli: Cli, store_url: str, terminal: io.StringIO
) -> None:
    """In the end all of it; programs are shown nothing."""
    talk(store_url, "chat-42", "hello")
    assert cli("store", "check", "--store", store_url, "--json").code == 0
    assert terminal.getvalue() == ""
    assert cli("store", "check", "--store", store_url).code == 0

    assert "checking 1 sessions and 2 nodes" in terminal.getvalue()
    assert "100%" in terminal.getvalue()


def test_check_looks_at_a_store_that_cannot_tell_how_far_it_is(
    cli: Cli, terminal: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store of the app's own, which gives its problems and nothing else."""
    kept = replace(apps.app, store=MemoryStore())
    monkeypatch.setattr(apps, "kept", kept, raising=False)
    ended = cli("store", "check", "--app", "tests.cli.apps:kept")

    assert (ended.code, ended.out) == (0, "0 sessions, 0 nodes, 0 problems\n")
    assert "%" not in terminal.getvalue()


def test_stats_counts(cli: Cli, store_url: str) -> None:
    """As JSON, and as a plain table."""
    talk(store_url, "chat-42", "hello", "again")
    counts = cli("store", "stats", "--store", store_url, "--json").json

    assert (counts["sessions"], counts["nodes"], counts["receipts"]) == (1, 4, 2)
    lines = cli("store", "stats", "--store", store_url).out.splitlines()
    assert lines[1].split() == ["sessions", "1"]


def test_vacuum_says_what_it_removed(cli: Cli, store_url: str) -> None:
    """Nothing is tombstoned here, so nothing goes."""
    talk(store_url, "chat-42", "hello")
    told = cli("store", "vacuum", "--store", store_url, "--json").json

    assert told["vacuum"]["removed"] == 0
    assert told["size_bytes"] > 0
    assert cli("store", "check", "--store", store_url).code == 0


def test_migrate_makes_a_store_and_says_its_schema(
    cli: Cli, store_url: str, sqlite_path: Path
) -> None:
    """An up-to-date store stays as it is."""
    assert cli("store", "migrate", "--store", store_url, "--json").json == {
        "schema_version": SCHEMA_VERSION
    }
    before = content(sqlite_path)
    assert cli("store", "migrate", "--store", store_url).code == 0
    assert content(sqlite_path) == before


@pytest.mark.parametrize("command", READERS)
def test_reading_a_store_that_is_not_there_makes_none(
    cli: Cli, store_url: str, sqlite_path: Path, command: list[str]
) -> None:
    """A mistyped path does not become an empty store."""
    ended = cli(*command, "--store", store_url, "--json")

    assert ended.code == 1
    assert ended.error[0] == "StoreUnusable"
    assert "there is no such file" in ended.error[1]
    assert not sqlite_path.exists()


@pytest.mark.parametrize("command", READERS + WRITERS)
def test_a_newer_schema_is_refused_and_left_alone(
    cli: Cli, store_url: str, sqlite_path: Path, command: list[str]
) -> None:
    """Upgrading Sojourn is the way out, and the line says so."""
    cli("store", "migrate", "--store", store_url)
    with closing(sqlite3.connect(sqlite_path)) as db:
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    before = content(sqlite_path)
    ended = cli(*command, "--store", store_url, "--json")

    assert ended.code == 1
    assert ended.error[0] == "SchemaTooNew"
    assert content(sqlite_path) == before


@pytest.mark.parametrize("command", READERS + WRITERS)
def test_what_is_no_database_is_refused_and_left_alone(
    cli: Cli, store_url: str, sqlite_path: Path, command: list[str]
) -> None:
    """A text file stays the text file that it was."""
    sqlite_path.write_text("a shopping list\n" * 100)
    ended = cli(*command, "--store", store_url)

    assert (ended.code, ended.out) == (1, "")
    assert "the file is not a database" in ended.err
    assert ended.err.count("\n") == 1
    assert sqlite_path.read_text() == "a shopping list\n" * 100


@pytest.mark.parametrize("command", WRITERS)
@pytest.mark.parametrize("folder", ["/proc", "/proc/nowhere"])
def test_a_folder_that_cannot_be_written_is_refused(
    cli: Cli, command: list[str], folder: str
) -> None:
    """Not even the superuser can make a file there."""
    ended = cli(*command, "--store", f"sqlite:///{folder}/sojourn.db")

    assert (ended.code, ended.out) == (1, "")
    assert "cannot serve as a session store" in ended.err
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize("url", ["sqlite://", "mysql://host/db", "sojourn.db"])
def test_what_is_no_store_url_is_refused(cli: Cli, url: str) -> None:
    """The line says what a store's URL looks like."""
    ended = cli("store", "check", "--store", url, "--json")

    assert ended.code == 1
    assert ended.error[0] == "InvalidStoreUrl"


def test_a_store_in_memory_cannot_be_read_from_outside(cli: Cli) -> None:
    """An empty answer would be a lie."""
    ended = cli("session", "list", "--store", "memory://")

    assert ended.code == 1
    assert "seen by its own process alone" in ended.err


def test_an_app_that_does_not_import_is_refused(cli: Cli) -> None:
    """Also where the app is only asked for its store."""
    ended = cli("session", "list", "--app", APP.replace("apps", "no_apps"), "--json")

    assert ended.code == 1
    assert ended.error[0] == "InvalidApp"
