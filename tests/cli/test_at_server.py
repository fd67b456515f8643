"""Talking to sessions: a real dev server, and a real `sojourn worker` in a process of its own."""

from __future__ import annotations

import asyncio
import io
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError

from sojourn.errors import InvalidInput
from sojourn.outcome import TurnResult
from sojourn_worker import SessionClient
from tests.cli.conftest import SOJOURN, Cli, Serving, environment
from tests.cli.making import asked
from tests.support.worker_process import ROOT

pytestmark = pytest.mark.server

CONTRACT = {
    "session_id",
    "turn_id",
    "status",
    "text",
    "head_revision",
    "usage",
    "tool_calls",
}


def is_running(address: str, session_id: str) -> bool:
    """Ask the server whether the session's workflow is open."""

    async def ask() -> bool:
        client = await Client.connect(address)
        try:
            found = await client.get_workflow_handle(f"session/{session_id}").describe()
        except RPCError:
            return False
        return found.status is WorkflowExecutionStatus.RUNNING

    return asyncio.run(ask())


def background(served: Serving, *arguments: str) -> subprocess.Popen[str]:
    """Run a command in a process of its own, beside the test."""
    return subprocess.Popen(
        [*SOJOURN, *arguments],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def approval_line(process: subprocess.Popen[str]) -> list[str]:
    """Read the line that says how to approve, and return its command's arguments."""
    assert process.stderr is not None
    line = process.stderr.readline()
    assert "waits for approval: sojourn " in line, line
    return line.partition("sojourn ")[2].removesuffix(" (or deny)\n").split()


def test_send_prints_exactly_the_contracts_keys(cli: Cli, served: Serving, session_id: str) -> None:
    """And nothing on standard error."""
    ended = cli("session", "send", session_id, "look at it", "--json")

    assert (ended.code, ended.err) == (0, "")
    assert set(ended.json) == CONTRACT
    assert ended.json["status"] == "completed"
    assert ended.json["text"] == "tools said done"
    assert [call["name"] for call in ended.json["tool_calls"]] == ["look"]


def test_send_prints_the_text_alone_for_people(cli: Cli, served: Serving, session_id: str) -> None:
    """In a pipe there is neither a live line nor a colour."""
    ended = cli("session", "send", session_id, "hello")

    assert (ended.code, ended.out, ended.err) == (0, "you said hello\n", "")


def test_the_same_turn_id_prints_the_same_and_runs_nothing(
    cli: Cli, served: Serving, session_id: str
) -> None:
    """Also after the session was parked, and through a worker when no store is named."""
    send = ("session", "send", session_id, "hello", "--turn-id", "t1", "--json")
    first = cli(*send).json
    assert cli(*send).json == first
    assert cli("session", "park", session_id).code == 0
    assert cli(*send, "--store", "sqlite:////nonexistent/elsewhere.db").json == first
    assert cli("session", "show", session_id, "--json").json["turns"] == 1


def test_a_turn_id_with_other_text_is_refused(cli: Cli, served: Serving, session_id: str) -> None:
    """A turn id is one turn for ever."""
    cli("session", "send", session_id, "hello", "--turn-id", "t1")
    ended = cli("session", "send", session_id, "goodbye", "--turn-id", "t1", "--json")

    assert (ended.code, ended.out) == (1, "")
    assert ended.error[0] == "TurnConflict"
    assert cli("session", "show", session_id, "--json").json["turns"] == 1


def test_text_comes_from_standard_input(
    cli: Cli, served: Serving, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`-` reads it to its end; the last line break is the shell's, not the user's."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("grüße\nihr\n".encode())))

    assert cli("session", "send", session_id, "-").out == "you said grüße\nihr\n"


def test_a_failed_turn_exits_with_1_and_still_prints_its_result(
    cli: Cli, served: Serving, session_id: str
) -> None:
    """The result is the answer; the reason is in it, and on standard error."""
    ended = cli("session", "send", session_id, "refuse", "--json")

    assert ended.code == 1
    assert set(ended.json) == CONTRACT | {"error"}
    assert ended.json["status"] == "failed"
    assert ended.json["error"]["type"] == ended.error[0] == "ModelRefused"


def test_a_turn_goes_on_after_the_timeout_and_can_be_cancelled(
    cli: Cli, served: Serving, session_id: str
) -> None:
    """Not waiting any longer is not cancelling; a cancelled turn exits with 0."""
    send = ("session", "send", session_id, "wait", "--turn-id", "t1", "--json")
    ended = cli(*send, "--timeout", "1.5")
    assert ended.code == 1
    assert ended.error[0] == "TurnPending"

    assert cli("session", "cancel", session_id, "t1", "--json").json == {
        "session_id": session_id,
        "turn_id": "t1",
        "cancelled": True,
    }
    again = cli(*send)
    assert (again.code, again.json["status"]) == (0, "cancelled")


def test_a_cancel_that_comes_too_late_says_so(cli: Cli, served: Serving, session_id: str) -> None:
    """First of cancel and commit wins, and the caller is told which."""
    cli("session", "send", session_id, "hello", "--turn-id", "t1")
    ended = cli("session", "cancel", session_id, "t1")

    assert (ended.code, ended.out) == (0, "t1 was committed before\n")


@pytest.mark.parametrize(("answer", "text"), [("approve", "done"), ("deny", "denied")])
def test_a_person_answers_a_call_that_waits(
    cli: Cli, served: Serving, session_id: str, answer: str, text: str
) -> None:
    """The waiting command prints what to type, and goes on once it was typed."""
    sending = background(served, "session", "send", session_id, "book it")
    group, _, *names = approval_line(sending)
    assert cli(group, answer, *names, "--json").json["approved"] is (answer == "approve")
    out, err = sending.communicate(timeout=30)

    assert (sending.returncode, out, err) == (0, f"tools said {text}\n", "")


def test_park_ends_the_workflow(cli: Cli, served: Serving, session_id: str) -> None:
    """Twice is harmless; the next message brings the session back."""
    cli("session", "send", session_id, "hello")
    assert is_running(served.address, session_id)
    assert cli("session", "park", session_id, "--json").json["parked"] is True
    assert not is_running(served.address, session_id)
    assert cli("session", "park", session_id).code == 0
    assert cli("session", "send", session_id, "again", "--json").json["head_revision"] == 2


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (("cancel", "{known}", "t9"), "UnknownTurn"),
        (("cancel", "{unknown}", "t9"), "UnknownSession"),
        (("approve", "{known}", "call-9"), "UnknownCall"),
        (("deny", "{known}", "call-9"), "UnknownCall"),
        (("approve", "{unknown}", "call-9"), "UnknownSession"),
        (("park", "{unknown}"), "UnknownSession"),
        (("send", "{unknown}", "  "), "EmptyText"),
        (("send", "a b", "hello"), "InvalidId"),
        (("send", "{unknown}", "hello", "--turn-id", "a b"), "InvalidId"),
        (("send", "{unknown}", "hello", "--agent", "nobody"), "UnknownAgent"),
    ],
)
def test_what_cannot_be_done_is_refused_and_leaves_nothing_running(
    cli: Cli, served: Serving, session_id: str, arguments: tuple[str, ...], kind: str
) -> None:
    """One line says why; no session is made, and no workflow stays open."""
    known = f"{session_id}-known"
    cli("session", "send", known, "hello")
    cli("session", "park", known)
    names = [argument.format(known=known, unknown=session_id) for argument in arguments]
    ended = cli("session", *names, "--json")

    assert (ended.code, ended.out) == (1, "")
    assert ended.error[0] == kind
    assert not is_running(served.address, session_id)
    assert not is_running(served.address, known)
    assert asked(served.store, lambda store: store.head(session_id)) is None


def test_after_a_wrong_agent_the_right_one_answers_at_once(
    cli: Cli, served: Serving, session_id: str
) -> None:
    """No workflow stays behind that remembers the mistake."""
    cli("session", "send", session_id, "hello", "--agent", "nobody")

    assert cli("session", "send", session_id, "hello", "--agent", "clerk").code == 0


@pytest.mark.parametrize(
    ("given", "kind"), [(b"a" * 1_000_001, "TextTooLarge"), (b"\xff\xfe", "InvalidInput")]
)
def test_standard_input_that_cannot_be_sent_is_refused(
    cli: Cli,
    served: Serving,
    session_id: str,
    monkeypatch: pytest.MonkeyPatch,
    given: bytes,
    kind: str,
) -> None:
    """Before anything is asked of the server."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
    ended = cli("session", "send", session_id, "-", "--json")

    assert ended.code == 1
    assert ended.error[0] == kind
    assert not is_running(served.address, session_id)


def test_another_store_than_the_workers_is_found_out(
    cli: Cli, served: Serving, session_id: str, store_url: str
) -> None:
    """An answer that is not there is not shown as an empty one."""
    cli("store", "migrate", "--store", store_url)
    ended = cli("session", "send", session_id, "hello", "--store", store_url, "--json")

    assert (ended.code, ended.out) == (1, "")
    assert "not in this store" in ended.error[1]


def test_a_bad_store_is_refused_before_anything_is_sent(
    cli: Cli, served: Serving, session_id: str, store_url: str
) -> None:
    """The turn does not run first, to fail at its text."""
    Path(store_url.removeprefix("sqlite:///")).write_text("a shopping list\n" * 100)
    ended = cli("session", "send", session_id, "hello", "--store", store_url, "--json")

    assert ended.code == 1
    assert ended.error[0] == "StoreUnusable"
    assert not is_running(served.address, session_id)


def test_interrupting_send_leaves_the_turn_running(
    cli: Cli, served: Serving, session_id: str
) -> None:
    """Ctrl-C ends the waiting, not the turn, and says so."""
    sending = background(served, "session", "send", session_id, "book it", "--turn-id", "t1")
    approval_line(sending)
    sending.send_signal(signal.SIGINT)
    _, err = sending.communicate(timeout=30)

    assert sending.returncode == 130
    assert err.startswith("turn t1 goes on")
    assert err.count("\n") == 1
    assert cli("session", "cancel", session_id, "t1", "--json").json["cancelled"] is True


def test_events_follow_a_turn_on_a_worker(cli: Cli, served: Serving, session_id: str) -> None:
    """From another process, up to the commit, when it ends by itself."""
    sending = background(served, "session", "send", session_id, "book it", "--turn-id", "t1")
    approve = approval_line(sending)
    watching = background(served, "session", "events", session_id, "--until-idle")
    assert watching.stdout is not None
    seen = [json.loads(watching.stdout.readline()) for _ in range(2)]
    assert cli(*approve).code == 0
    out, err = watching.communicate(timeout=30)
    sending.communicate(timeout=30)
    seen += [json.loads(line) for line in out.splitlines()]

    assert (watching.returncode, err) == (0, "")
    assert [event["kind"] for event in seen[:2]] == ["turn_opened", "model_answered"]
    assert (seen[-1]["kind"], seen[-1]["status"]) == ("turn_committed", "completed")
    assert {event["turn_id"] for event in seen} == {"t1"}


def test_a_clients_turn_and_session_tell_their_events(served: Serving, session_id: str) -> None:
    """`turn.events()` ends with the turn, `session.events()` goes on."""

    async def watch() -> tuple[list[str], TurnResult, str]:
        client = await Client.connect(served.address)
        sessions = SessionClient(client, task_queue=served.queue, store=served.store)
        try:
            session = sessions.session(session_id)
            events = session.events()
            first = asyncio.ensure_future(anext(events))
            turn = await session.submit("look at it")
            kinds = [event.kind.value async for event in turn.events()]
            told = (await first).turn_id
            await events.aclose()
            return kinds, await turn.result(), told
        finally:
            await sessions.close()

    kinds, result, told = asyncio.run(watch())

    assert kinds[-1] == "turn_committed"
    assert told == result.turn_id


def test_events_need_a_store(cli: Cli, served: Serving, session_id: str) -> None:
    """A client without one says so, instead of telling nothing."""

    async def watch() -> None:
        client = await Client.connect(served.address)
        session = SessionClient(client, task_queue=served.queue).session(session_id)
        await anext(session.events())

    with pytest.raises(InvalidInput, match="events need the store"):
        asyncio.run(watch())


def test_without_a_store_everything_goes_through_the_worker(
    cli: Cli, served: Serving, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The text is read by an activity, which no history keeps."""
    monkeypatch.delenv("SOJOURN_STORE")

    assert cli("session", "send", session_id, "hello").out == "you said hello\n"
