"""What people are shown of damage: what was healed, and one line if nothing can be."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.cli.making import talk


def broken(path: Path, statement: str, *values: str | None) -> None:
    """Run a statement that the store would never run."""
    with closing(sqlite3.connect(path)) as db:
        db.execute(statement, values)
        db.commit()


def test_show_tells_what_was_healed(cli: Cli, store_url: str, sqlite_path: Path) -> None:
    """Before the next message, after it, and to programs as well."""
    view = talk(store_url, "chat-42", "hello", "again")
    healthy = cli("session", "show", "chat-42", "--store", store_url, "--json")
    assert healthy.json["healed"] == []
    broken(sqlite_path, "DELETE FROM nodes WHERE node_id = ?", view.leaf)
    stands_on = view.messages[-2].node_id
    told = {
        "kind": "dangling leaf",
        "node_id": view.leaf,
        "detail": f"the session now stands on {stands_on}",
    }
    shown = cli("session", "show", "chat-42", "--store", store_url, "--json")
    assert (shown.code, shown.json["healed"], shown.json["leaf"]) == (0, [told], stands_on)
    talk(store_url, "chat-42", "once more")

    shown = cli("session", "show", "chat-42", "--store", store_url, "--json")
    assert shown.json["healed"] == [told]
    plain = cli("session", "show", "chat-42", "--store", store_url)
    line = f"healed    dangling leaf at {view.leaf}: the session now stands on {stands_on}"
    assert line in plain.out.splitlines()


@pytest.mark.parametrize(
    ("statement", "at", "reason"),
    [
        ("DELETE FROM nodes WHERE node_id = ?", 1, "its parent is missing"),
        ("UPDATE nodes SET parent = 4 WHERE node_id = ?", 0, "its parents form a cycle"),
        (
            "UPDATE nodes SET body = 'secret?' WHERE node_id = ?",
            1,
            "its message cannot be decoded",
        ),
    ],
)
def test_what_cannot_be_healed_is_one_line(
    cli: Cli, store_url: str, sqlite_path: Path, statement: str, at: int, reason: str
) -> None:
    """It names the session and the row, and shows nothing of what is there."""
    view = talk(store_url, "chat-42", "hello", "again")
    broken(sqlite_path, statement, view.messages[at].node_id)
    ended = cli("session", "show", "chat-42", "--store", store_url, "--json")

    assert (ended.code, ended.out) == (1, "")
    kind, message = ended.error
    assert kind == "GraphCorrupt"
    assert message.startswith("Session 'chat-42' has a damaged graph at node ")
    assert reason in message
    assert "secret" not in message
    plain = cli("session", "show", "chat-42", "--store", store_url)
    assert (plain.code, plain.out, plain.err) == (1, "", f"error: {message}\n")


def test_check_tells_what_to_do(cli: Cli, store_url: str, sqlite_path: Path) -> None:
    """A person reads it behind the problem, a program as a field."""
    view = talk(store_url, "chat-42", "hello")
    broken(sqlite_path, "DELETE FROM nodes WHERE node_id = ?", view.leaf)
    ended = cli("store", "check", "--store", store_url, "--json")
    (problem,) = ended.json["problems"]

    assert problem == {
        "session_id": "chat-42",
        "node_id": view.leaf,
        "problem": "the leaf is not stored",
        "remedy": "send it a message: it goes on from its newest one; or check out another node",
    }
    plain = cli("store", "check", "--store", store_url)
    line = f"chat-42 {view.leaf}: the leaf is not stored (remedy: {problem['remedy']})"
    assert line in plain.out.splitlines()
