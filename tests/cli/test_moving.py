"""`sojourn session export` and `import`."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.cli.making import talk


@pytest.fixture
def there(tmp_path: Path) -> str:
    """Another store."""
    return f"sqlite:///{tmp_path}/there.db"


@pytest.fixture
def file(tmp_path: Path) -> str:
    """Where a session is written to."""
    return str(tmp_path / "chat.jsonl")


def test_a_session_goes_through_a_file(cli: Cli, store_url: str, there: str, file: str) -> None:
    """And is the same there: `show` says so, but for the head and the lease."""
    talk(store_url, "chat-42", "look at it", "hello")
    written = cli("session", "export", "chat-42", "--output", file, "--store", store_url, "--json")
    brought = cli("session", "import", file, "--store", there, "--json")
    before = cli("session", "show", "chat-42", "--store", store_url, "--json").json
    after = cli("session", "show", "chat-42", "--store", there, "--json").json

    size = Path(file).stat().st_size
    assert (written.code, written.json["lines"], written.json["bytes"]) == (0, 12, size)
    assert brought.json["created"] is True
    assert (brought.json["turns"], brought.json["nodes"]) == (2, 6)
    assert brought.json["not_kept"] == {"count": 0, "first": []}
    for name in ("lease", "head_revision"):
        before.pop(name), after.pop(name)
    assert after == before
    assert cli("store", "check", "--store", there).code == 0


def test_a_session_goes_through_a_pipe(
    cli: Cli, store_url: str, there: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`-` is standard output, and standard input."""
    talk(store_url, "chat-42", "hello ünïcode")
    out = cli("session", "export", "chat-42", "--store", store_url).out
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(out.encode())))
    brought = cli("session", "import", "-", "--session", "copy", "--store", there)

    assert brought.code == 0
    assert brought.out == "copy imported: 1 turns, 2 nodes\n"
    assert "ünïcode" in out


def test_an_import_is_done_once(cli: Cli, store_url: str, there: str, file: str) -> None:
    """The same again says so and does nothing; another session of that id is refused."""
    talk(store_url, "chat-42", "hello")
    cli("session", "export", "chat-42", "--output", file, "--store", store_url)
    cli("session", "import", file, "--store", there)
    again = cli("session", "import", file, "--store", there)
    refused = cli("session", "import", file, "--store", store_url, "--json")

    assert (again.code, again.out) == (0, "chat-42 was imported already: 1 turns, 2 nodes\n")
    assert (refused.code, refused.error[0]) == (1, "SessionExists")


def test_a_file_that_is_none_is_refused(cli: Cli, there: str, tmp_path: Path) -> None:
    """One line says why; nothing is written."""
    odd = tmp_path / "odd.txt"
    odd.write_text("hello")
    unclear = cli("session", "import", str(odd), "--store", there, "--json")
    missing = cli("session", "import", str(tmp_path / "no.jsonl"), "--store", there, "--json")
    wrong = cli("session", "import", str(odd), "--format", "xml", "--store", there, "--json")

    assert unclear.code == missing.code == 1
    assert "--format" in unclear.error[1]
    assert "No such file" in missing.error[1]
    assert wrong.code == 2
    assert json.loads(cli("session", "list", "--store", there, "--json").out) == {"sessions": []}


def test_a_file_that_cannot_be_written_is_refused(cli: Cli, store_url: str, tmp_path: Path) -> None:
    """And an export that fails leaves no file that looks whole."""
    talk(store_url, "chat-42", "hello")
    folder = tmp_path / "no such folder" / "chat.jsonl"
    unwritable = cli("session", "export", "chat-42", "--output", str(folder), "--store", store_url)
    target = tmp_path / "nobody.jsonl"
    unknown = cli("session", "export", "nobody", "--output", str(target), "--store", store_url)

    assert unwritable.code == unknown.code == 1
    assert "cannot be written" in unwritable.err
    assert not list(tmp_path.glob("nobody*"))


def test_a_session_goes_to_another_library(cli: Cli, store_url: str, file: str) -> None:
    """And comes back; what could not be said is told beside the file."""
    talk(store_url, "chat-42", "look at it")
    options = ("--store", store_url, "--format", "langchain")
    out = cli("session", "export", "chat-42", *options).out
    Path(file).write_text(out, encoding="utf-8")
    brought = cli("session", "import", file, "--session", "copy", "--store", store_url, "--json")

    assert [json.loads(line)["type"] for line in out.splitlines()] == ["human", "ai", "tool", "ai"]
    assert (brought.json["format"], brought.json["turns"]) == ("langchain", 1)
    assert cli("session", "export", "copy", *options).out == out


def test_bytes_need_a_blob_store(cli: Cli, store_url: str, tmp_path: Path) -> None:
    """Without one `--attachments` is wrong usage."""
    talk(store_url, "chat-42", "hello")
    export = ("session", "export", "chat-42", "--attachments", "--store", store_url)
    (tmp_path / "blobs").mkdir()

    assert cli(*export).code == 2
    assert cli(*export, "--blobs", (tmp_path / "blobs").as_uri()).code == 0
