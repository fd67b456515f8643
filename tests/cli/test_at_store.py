"""The session commands that need no server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from sojourn.lease import Claim, LeaseOwner
from sojourn.ports import SessionStore
from tests.cli.conftest import APP, SOJOURN, Cli, environment
from tests.cli.making import asked, content, talk

CONTRACT = {"session_id", "head_revision", "leaf", "turns", "messages", "lease", "tools", "usage"}


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, store_url: str) -> str:
    """The test's store, named by the environment."""
    monkeypatch.setenv("SOJOURN_STORE", store_url)
    return store_url


def test_show_prints_the_contracts_keys(cli: Cli, store: str) -> None:
    """A session is read without a server, whoever made it."""
    view = talk(store, "chat-42", "look at it")
    shown = cli("session", "show", "chat-42", "--json").json

    assert set(shown) >= CONTRACT
    assert shown["head_revision"] == shown["turns"] == 1
    assert shown["leaf"] == view.leaf
    assert shown["tools"] == {"generation": view.tools.generation, "orphaned": []}
    assert [message["role"] for message in shown["messages"]] == [
        "user",
        "assistant",
        "tool",
        "assistant",
    ]
    assert shown["usage"]["output_tokens"] > 0


def test_show_is_readable_without_json(cli: Cli, store: str) -> None:
    """In a pipe it is plain text."""
    talk(store, "chat-42", "hello", "look at it")
    out = cli("session", "show", "chat-42").out

    assert "user: hello" in out
    assert "assistant: you said hello" in out
    assert "[calls look]" in out
    assert "look (done)" in out
    assert "\x1b" not in out


def test_the_apps_store_is_read_when_no_other_is_named(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--app` is enough, and `--store` wins over it."""
    monkeypatch.chdir(tmp_path)
    talk("sqlite:///in-the-app.db", "chat-1", "hello")
    talk("sqlite:///other.db", "chat-2", "hello")

    def listed(*flags: str) -> list[str]:
        sessions = cli("session", "list", "--json", *flags).json["sessions"]
        return [session["session_id"] for session in sessions]

    assert listed("--app", APP) == ["chat-1"]
    assert listed("--app", APP, "--store", "sqlite:///other.db") == ["chat-2"]


def test_list_shows_every_session_in_order(
    cli: Cli, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many pages there are."""
    monkeypatch.setattr("sojourn_worker.cli.at_store.PAGE", 2)
    for session_id in ("c", "a", "e", "d", "b"):
        assert cli("session", "start", session_id).code == 0
    sessions = cli("session", "list", "--json").json["sessions"]
    lines = cli("session", "list").out.splitlines()

    assert [session["session_id"] for session in sessions] == ["a", "b", "c", "d", "e"]
    assert [line.split()[0] for line in lines] == ["SESSION", "a", "b", "c", "d", "e"]


def test_a_started_session_can_be_shown_and_talked_to(cli: Cli, store: str) -> None:
    """It is durable and visible before its first message, and its lease is given back."""
    started = cli("session", "start", "chat-42", "--app", APP, "--json").json
    shown = cli("session", "show", "chat-42", "--json").json

    assert started == {
        "session_id": "chat-42",
        "agent": "clerk",
        "head_revision": 1,
        "created": True,
    }
    assert (shown["agent"], shown["turns"], shown["messages"]) == ("clerk", 0, [])
    assert shown["lease"]["released"]
    assert talk(store, "chat-42", "hello").turns == 1


def test_starting_twice_changes_nothing(cli: Cli, store: str) -> None:
    """A session that exists is said to exist, which is no error."""
    talk(store, "chat-42", "hello")
    before = cli("session", "show", "chat-42", "--json").json
    started = cli("session", "start", "chat-42", "--agent", "clerk", "--json")

    assert started.code == 0
    assert started.json["created"] is False
    assert cli("session", "show", "chat-42", "--json").json == before


def test_a_child_is_started_with_its_parents_agent(cli: Cli, store: str) -> None:
    """Once, however often it is asked for; a parent that does not exist is refused."""
    cli("session", "start", "chat-42", "--app", APP)
    first = cli("session", "start", "chat-43", "--parent", "chat-42", "--json")
    again = cli("session", "start", "chat-43", "--parent", "chat-42", "--json")
    lost = cli("session", "start", "chat-44", "--parent", "nobody")

    assert (first.json["created"], again.json["created"]) == (True, False)
    assert first.json["agent"] == cli("session", "show", "chat-42", "--json").json["agent"]
    assert lost.code == 1
    assert "nobody" in lost.err


def test_starting_with_another_agent_is_refused(cli: Cli, store: str) -> None:
    """A session keeps its agent."""
    cli("session", "start", "chat-42", "--agent", "clerk")
    ended = cli("session", "start", "chat-42", "--agent", "cook")

    assert ended.code == 1
    assert "'chat-42' exists, with agent 'clerk'" in ended.err


def test_starting_with_an_agent_that_the_app_lacks_makes_nothing(cli: Cli, store: str) -> None:
    """The agent is checked before anything is written."""
    ended = cli("session", "start", "chat-42", "--app", APP, "--agent", "nobody")

    assert ended.code == 1
    assert "no agent 'nobody'" in ended.err
    assert not Path(store.removeprefix("sqlite:///")).exists()


def test_fork_stands_on_the_leaf_or_on_a_node(cli: Cli, store: str) -> None:
    """No node is copied; the fork goes on by itself."""
    view = talk(store, "chat-42", "one", "two")
    first = view.messages[1].node_id

    assert cli("session", "fork", "chat-42", "chat-43", "--json").json["leaf"] == view.leaf
    assert cli("session", "fork", "chat-42", "chat-44", "--at", first).code == 0
    forked = talk(store, "chat-44", "three")
    assert [message.text for message in forked.messages][::2] == ["one", "three"]
    assert cli("session", "show", "chat-42", "--json").json["leaf"] == view.leaf


def test_checkout_moves_the_leaf_durably(cli: Cli, store: str) -> None:
    """The next turn goes on from there, and what was left can be checked out again."""
    view = talk(store, "chat-42", "one", "two")
    moved = cli("session", "checkout", "chat-42", view.messages[1].node_id, "--json").json

    assert moved == {
        "session_id": "chat-42",
        "leaf": view.messages[1].node_id,
        "head_revision": 3,
    }
    branched = talk(store, "chat-42", "three")
    assert [message.text for message in branched.messages][::2] == ["one", "three"]
    assert cli("session", "checkout", "chat-42", view.leaf or "").code == 0
    back = cli("session", "show", "chat-42", "--json").json
    assert [message["text"] for message in back["messages"]][::2] == ["one", "two"]


def test_delete_uses_the_id_up(cli: Cli, store: str) -> None:
    """A deleted session is gone, twice is harmless, and its id is refused for ever."""
    talk(store, "chat-42", "hello")

    assert cli("session", "delete", "chat-42", "--json").json["deleted"] is True
    assert cli("session", "delete", "chat-42").code == 0
    assert cli("session", "show", "chat-42").code == 1
    assert "was deleted" in cli("session", "start", "chat-42").err


@pytest.mark.parametrize("command", [["checkout", "chat-42"], ["delete", "chat-42"]])
def test_a_session_that_is_worked_on_is_left_alone(
    cli: Cli, store: str, command: list[str]
) -> None:
    """Whoever holds the lease is named, and nothing is written."""
    view = talk(store, "chat-42", "one", "two")

    async def hold(opened: SessionStore) -> None:
        await opened.claim(Claim("chat-42", LeaseOwner("somebody", "life-1"), "turn-9"))

    asked(store, hold)
    nodes = [view.messages[0].node_id] if command[0] == "checkout" else []
    ended = cli("session", *command, *nodes, "--json")

    assert ended.code == 1
    assert ended.error[0] == "LeaseHeld"
    assert "held by somebody" in ended.error[1]
    after = cli("session", "show", "chat-42", "--json").json
    assert (after["leaf"], after["head_revision"]) == (view.leaf, 2)
    assert after["lease"]["executor_id"] == "turn-9"


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        (["show", "chat-1"], "UnknownSession", "no session 'chat-1'"),
        (["show", "chat 1"], "InvalidId", "'chat 1' is no valid session id"),
        (["events", "chat-1"], "UnknownSession", "no session 'chat-1'"),
        (["events", "chat-42", "--after", "soon"], "InvalidInput", "'soon' is no cursor"),
        (["delete", "chat-1"], "UnknownSession", "no session 'chat-1'"),
        (["fork", "chat-1", "chat-2"], "UnknownSession", "no session 'chat-1'"),
        (["fork", "chat-42", "chat-42"], "InvalidInput", "there is a session 'chat-42'"),
        (["fork", "chat-42", "a b"], "InvalidId", "'a b' is no valid session id"),
        (["fork", "chat-42", "c", "--at", "n1"], "UnknownNode", "has no node 'n1'"),
        (["fork", "empty", "chat-2"], "InvalidInput", "'empty' has no message yet"),
        (["checkout", "chat-1", "n1"], "UnknownSession", "no session 'chat-1'"),
        (["checkout", "chat-42", "n1"], "UnknownNode", "has no node 'n1'"),
        (["start", "chat 1"], "InvalidId", "'chat 1' is no valid session id"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line_and_changes_nothing(
    cli: Cli, store: str, arguments: list[str], kind: str, words: str
) -> None:
    """The store holds what it held."""
    talk(store, "chat-42", "hello")
    cli("session", "start", "empty")
    before = content(Path(store.removeprefix("sqlite:///")))
    ended = cli("session", *arguments, "--json")

    assert (ended.code, ended.out) == (1, "")
    assert ended.error[0] == kind
    assert words in ended.error[1]
    assert cli("session", *arguments).err == f"error: {ended.error[1]}\n"
    assert content(Path(store.removeprefix("sqlite:///"))) == before


def test_events_until_idle_tells_the_turns_after_a_cursor(cli: Cli, store: str) -> None:
    """Each line is an event; a cursor goes on where its event stood."""
    talk(store, "chat-42", "one", "two")
    ended = cli("session", "events", "chat-42", "--after", "0.0", "--until-idle", "--json")
    lines = [json.loads(line) for line in ended.out.splitlines()]

    assert [line["head_revision"] for line in lines] == [1, 2]
    assert {line["kind"] for line in lines} == {"turn_committed"}
    later = cli(
        "session", "events", "chat-42", "--after", lines[0]["cursor"], "--until-idle"
    ).out.splitlines()
    assert [json.loads(line)["head_revision"] for line in later] == [2]


def test_interrupting_events_is_their_usual_end(store: str) -> None:
    """Ctrl-C ends the watching, and that is no failure."""
    talk(store, "chat-42", "one")
    command = ["session", "events", "chat-42", "--after", "0.0"]
    watching = subprocess.Popen(
        [*SOJOURN, *command], env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert watching.stdout is not None
    assert json.loads(watching.stdout.readline())["kind"] == "turn_committed"
    watching.send_signal(signal.SIGINT)
    _, err = watching.communicate(timeout=30)

    assert (watching.returncode, err) == (0, b"")


def test_a_pipe_that_nobody_reads_ends_a_command_without_a_word(store: str) -> None:
    """As with `| head`."""
    for number in range(3):
        talk(store, f"chat-{number}", "one")
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ended = subprocess.run(
            [*SOJOURN, "session", "list"],
            env=environment(),
            stdout=writing,
            stderr=subprocess.PIPE,
            check=False,
        )
    finally:
        os.close(writing)

    assert (ended.returncode, ended.stderr) == (1, b"")
