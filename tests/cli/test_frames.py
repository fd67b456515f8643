"""`session compact` and `session configure`, against a real server and a worker of its own."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Cli, Serving

pytestmark = pytest.mark.server


def test_a_session_is_compacted_and_show_tells_the_frame(
    cli: Cli, served: Serving, session_id: str
) -> None:
    """The whole conversation stays readable, and what the model is shown is told apart."""
    for text in ("one", "two"):
        cli("session", "send", session_id, text)
    compacted = cli("session", "compact", session_id, "--json")
    again = cli("session", "compact", session_id)
    shown = cli("session", "show", session_id, "--json").json
    people = cli("session", "show", session_id)

    assert compacted.code == 0
    frame = compacted.json["frame"]
    assert compacted.json == {
        "session_id": session_id,
        "frame": frame,
        "head_revision": 3,
        "replaced": 2,
        "kept": 2,
    }
    assert again.out == f"{session_id} has nothing to compact\n"
    assert shown["frame"]["node_id"] == frame
    assert (shown["frame"]["reason"], shown["frame"]["messages"]) == ("requested", 3)
    assert (shown["frame"]["head_revision"], shown["turns"]) == (3, 2)
    seeds = [message["seed"] for message in shown["messages"]]
    assert seeds == [False] * 4 + [True] * 3
    assert f"frame     {frame} (requested, opened by head 3, 3 messages)" in people.out


def test_a_summary_may_be_given(cli: Cli, served: Serving, session_id: str) -> None:
    """Then the model is not asked; an empty one is refused."""
    cli("session", "send", session_id, "one")
    empty = cli("session", "compact", session_id, "--summary", " ", "--json")
    cli("session", "compact", session_id, "--summary", "we said one")
    shown = cli("session", "show", session_id, "--json").json

    assert (empty.code, empty.error[0]) == (1, "EmptyText")
    assert shown["messages"][-1]["text"].endswith("we said one")


def test_a_sessions_model_and_tools_are_changed(cli: Cli, served: Serving, session_id: str) -> None:
    """The next turn runs with them; `show` tells what was chosen, and it can be taken back."""
    cli("session", "send", session_id, "hello")
    changed = cli(
        *("session", "configure", session_id, "--model", "scripted:other"),
        *("--disable", "book", "--disable", "look", "--json"),
    )
    answer = cli("session", "send", session_id, "hello", "--json").json
    shown = cli("session", "show", session_id, "--json").json
    back = cli("session", "configure", session_id, "--default-model", "--enable", "book", "--json")
    last = cli("session", "send", session_id, "hello", "--json").json

    assert changed.json["model"] == "scripted:other"
    assert answer["text"] == "the other one"
    assert shown["model"] == {"id": "scripted:other", "chosen": True}
    assert shown["disabled_tools"] == ["book", "look"]
    assert back.json["generation"] > changed.json["generation"]
    assert last["text"] == "you said hello"


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ([], "InvalidInput"),
        (["--model", "nobody:knows"], "UnusableModel"),
        (["--disable", "nothing"], "UnresolvedTool"),
    ],
)
def test_what_cannot_be_changed_is_refused(
    cli: Cli, served: Serving, session_id: str, arguments: list[str], kind: str
) -> None:
    """By one line that names it, and nothing was written."""
    cli("session", "send", session_id, "hello")
    refused = cli("session", "configure", session_id, *arguments, "--json")
    shown = cli("session", "show", session_id, "--json").json

    assert (refused.code, refused.error[0]) == (1, kind)
    assert shown["head_revision"] == 1
