"""`sojourn replay`, on the recorded histories of released versions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.support.worker_process import ROOT

RECORDED = sorted((ROOT / "tests/replay/histories").glob("*/*.json"))


@pytest.fixture
def tampered(tmp_path: Path) -> Path:
    """A history in which the first model step was another activity."""
    history = json.loads(next(file for file in RECORDED if "tools" in file.name).read_text())
    scheduled = next(
        event["activityTaskScheduledEventAttributes"]
        for event in history["events"]
        if "activityTaskScheduledEventAttributes" in event
    )
    scheduled["activityType"]["name"] = "turn.other"
    file = tmp_path / "tampered.json"
    file.write_text(json.dumps(history))
    return file


def test_histories_that_replay_exit_with_0(cli: Cli) -> None:
    """Each is named, with the number of its events."""
    files = [str(file) for file in RECORDED[:2]]
    ended = cli("replay", *files, "--json")

    assert (ended.code, ended.err) == (0, "")
    histories = ended.json["histories"]
    assert [(entry["file"], entry["problem"]) for entry in histories] == [
        (file, None) for file in files
    ]
    assert all(entry["events"] > 5 for entry in histories)
    assert cli("replay", files[0]).out == f"{files[0]}: replays\n"


def test_a_history_that_differs_exits_with_1_and_names_file_and_event(
    cli: Cli, tampered: Path
) -> None:
    """One line on standard error; the other files are replayed all the same."""
    good = str(RECORDED[0])
    ended = cli("replay", str(tampered), good)

    assert ended.code == 1
    assert ended.out == f"{tampered}: does not replay\n{good}: replays\n"
    assert ended.err.startswith(f"error: {tampered} does not replay: event ")
    assert "(ActivityTaskScheduled)" in ended.err
    assert "turn.other" in ended.err
    assert ended.err.count("\n") == 1


def test_a_history_that_differs_is_json_when_asked_for(cli: Cli, tampered: Path) -> None:
    """The problem stands in the answer and in the error."""
    ended = cli("replay", str(tampered), "--json")

    assert ended.code == 1
    kind, message = ended.error
    assert kind == "ReplayFailed"
    assert ended.json["histories"][0]["problem"] in message


def test_a_folder_stands_for_the_histories_in_it(cli: Cli, tmp_path: Path, tampered: Path) -> None:
    """Each is named, in order, and one that differs does not hide the others."""
    tampered.rename(tmp_path / "b.json")
    for name in ("a.json", "c.json"):
        (tmp_path / name).write_bytes(RECORDED[0].read_bytes())
    (tmp_path / "README.md").write_text("How they were recorded.")
    ended = cli("replay", str(tmp_path), "--json")
    alone = cli("replay", str(tmp_path / "a.json"), "--json").json["histories"]

    assert ended.code == 1
    histories = ended.json["histories"]
    assert [entry["file"] for entry in histories] == [
        str(tmp_path / name) for name in ("a.json", "b.json", "c.json")
    ]
    assert histories[:1] == alone
    assert "turn.other" in histories[1]["problem"]


def test_a_folder_and_files_may_be_named_together(cli: Cli, tmp_path: Path) -> None:
    """In the order in which they are named."""
    first, folder = tmp_path / "z.json", tmp_path / "more"
    folder.mkdir()
    for file in (first, folder / "a.json"):
        file.write_bytes(RECORDED[0].read_bytes())
    histories = cli("replay", str(first), str(folder), "--json").json["histories"]

    assert [entry["file"] for entry in histories] == [str(first), str(folder / "a.json")]


def test_a_folder_without_histories_is_refused(cli: Cli, tmp_path: Path) -> None:
    """A mistyped path does not pass for a success."""
    (tmp_path / "notes.txt").touch()
    ended = cli("replay", str(tmp_path), "--json")

    assert (ended.code, ended.out) == (1, "")
    assert ended.error[0] == "InvalidInput"
    assert f"{tmp_path} holds no *.json file" in ended.error[1]


@pytest.mark.parametrize("content", ["", "no json", "[]", "{}", '{"events": []}', "\udcff"])
def test_what_is_no_history_is_refused(cli: Cli, tmp_path: Path, content: str) -> None:
    """The line says how to get one."""
    file = tmp_path / "chat-42.json"
    file.write_bytes(content.encode(errors="surrogateescape"))
    ended = cli("replay", str(file))

    assert (ended.code, ended.out) == (1, "")
    assert f"{file} holds no workflow history" in ended.err
    assert ended.err.count("\n") == 1
