"""Each check of the demo's proof can fail: evidence is made up that holds, then bent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from examples.clerk import proof
from examples.clerk.evidence import Evidence, SessionFacts
from examples.clerk.history import Part, SessionHistory
from examples.clerk.invoice import Invoice
from examples.clerk.meter import MODEL_PAID, answer_key
from examples.clerk.story import Kill, Scene, Told
from sojourn import TurnResult, TurnStatus
from sojourn.usage import Usage
from sojourn.view import LeaseView, MessageView, SessionView, ToolsView

NOW = datetime(2024, 5, 2, tzinfo=UTC)
PAID = Scene(("a.txt",), "in a model call", MODEL_PAID)
POSTED = Scene(("b.txt",), "in post_entry", "tool.ran", after_posting=True)
VENDORS = ("Local Ltd", "Alpha Ltd", "Beta Ltd")
INVOICES = [Invoice(f"N-{vendor[0]}", vendor, "2024-05-02", 100) for vendor in VENDORS]
KILL = Kill(pid=1, exit_code=-9, next_pid=2, seconds=3.0)


def told(session_id: str, number: int, scene: Scene, text: str = "") -> Told:
    """Return a turn that completed."""
    result = TurnResult(
        session_id=session_id,
        turn_id=f"turn-{number}",
        status=TurnStatus.COMPLETED,
        text=text,
        head_revision=number,
        usage=Usage(),
    )
    return Told(scene, result, 1.0, number, KILL if scene.point else None)


def message(turn_id: str, role: str, *parts: dict[str, Any]) -> MessageView:
    """Return a message of a turn."""
    return MessageView(
        node_id="node", turn_id=turn_id, role=role, parts=parts, text="", created_at=NOW
    )


def response(turn_id: str, name: str, status: str, value: object) -> MessageView:
    """Return a tool's response."""
    return message(turn_id, "tool", {"name": name, "status": status, "response": value})


def facts(session_id: str, turns: int, *messages: MessageView) -> SessionFacts:
    """Return a sound, parked session of so many turns, with one answer each."""
    answers = [message(f"turn-{number}", "assistant") for number in range(1, turns + 1)]
    lease = LeaseView(
        owner_id="owner",
        incarnation_id="life",
        executor_id="turn",
        fencing_token=turns,
        expires_at=NOW,
        released=True,
    )
    view = SessionView(
        session_id=session_id,
        agent="clerk",
        head_revision=turns,
        leaf="node",
        turns=turns,
        messages=(*answers, *messages),
        lease=lease,
        tools=ToolsView(),
        usage=Usage(),
    )
    return SessionFacts(view, turns, ())


def evidence() -> Evidence:
    """Return evidence on which every promise holds."""
    keys = [
        answer_key(session_id, f"turn-{number}", 1)
        for session_id, number in (("local", 1), ("remote", 1), ("remote", 2))
    ]
    return Evidence(
        embedded=[told("local", 1, Scene(("l.txt",)))],
        told=[told("remote", 1, PAID), told("remote", 2, POSTED, "the outcome was unknown")],
        invoices=INVOICES,
        entries=list(INVOICES),
        local=facts("local", 1),
        remote=facts(
            "remote",
            2,
            response("turn-1", "read_file", "done", "Alpha Ltd, N-A"),
            response("turn-2", "post_entry", "unknown", {"error": "unknown"}),
            response("turn-2", "find_entries", "done", [1]),
        ),
        purchases=Counter([*keys, keys[1]]),
        history=SessionHistory(
            b"book a.txt, book b.txt", {"turn-1": Part(20, 2000), "turn-2": Part(30, 3000)}
        ),
        open_workflows=0,
    )


def with_view(found: Evidence, **changes: Any) -> Evidence:
    """Return evidence in which the session on Temporal looks otherwise."""
    view = found.remote.view.model_copy(update=changes)
    return replace(found, remote=replace(found.remote, view=view))


def with_last(found: Evidence, **changes: Any) -> Evidence:
    """Return evidence in which the last turn went otherwise."""
    return replace(found, told=[*found.told[:-1], replace(found.told[-1], **changes)])


def with_history(found: Evidence, **changes: Any) -> Evidence:
    """Return evidence in which the server keeps something else."""
    return replace(found, history=replace(found.history, **changes))


def with_lease(found: Evidence, **changes: Any) -> Evidence:
    """Return evidence in which the lease stands otherwise."""
    assert found.remote.view.lease is not None
    return with_view(found, lease=found.remote.view.lease.model_copy(update=changes))


def with_result(found: Evidence, **changes: Any) -> Evidence:
    """Return evidence in which the last turn ended otherwise."""
    return with_last(found, result=found.told[-1].result.model_copy(update=changes))


def with_purchases(found: Evidence, change: Callable[[Counter[str], str], object]) -> Evidence:
    """Return evidence in which the last turn's answer was bought otherwise."""
    bought = found.purchases.copy()
    change(bought, answer_key("remote", "turn-2", 1))
    return replace(found, purchases=bought)


BENT: list[tuple[str, Callable[[Evidence], Evidence]]] = [
    ("workers_were_killed", lambda it: with_last(it, kill=replace(KILL, exit_code=0))),
    ("workers_were_killed", lambda it: with_last(it, kill=replace(KILL, next_pid=KILL.pid))),
    ("workers_were_killed", lambda it: with_last(it, kill=None)),
    ("turns_completed", lambda it: with_result(it, status=TurnStatus.FAILED)),
    ("posted_once", lambda it: replace(it, entries=[*INVOICES, INVOICES[0]])),
    ("posted_once", lambda it: replace(it, entries=INVOICES[1:])),
    ("posted_once", lambda it: replace(it, entries=[*INVOICES[:2], Invoice("N-B", "?", "", 1)])),
    ("unknown_was_told", lambda it: with_result(it, text="booked")),
    (
        "unknown_was_told",
        lambda it: with_view(
            it,
            messages=(*it.remote.view.messages, response("turn-2", "post_entry", "done", 2)),
        ),
    ),
    ("answers_bought_once", lambda it: with_purchases(it, lambda all_, key: all_.update([key]))),
    ("answers_bought_once", lambda it: with_purchases(it, lambda all_, key: all_.pop(key))),
    ("one_commit_a_turn", lambda it: with_view(it, head_revision=3)),
    ("one_commit_a_turn", lambda it: with_view(it, turns=1)),
    ("one_commit_a_turn", lambda it: replace(it, remote=replace(it.remote, receipts=1))),
    ("tokens_rise", lambda it: with_last(it, token=1)),
    ("history_is_flat", lambda it: with_history(it, turns={"turn-1": Part(20, 2000)})),
    (
        "history_is_flat",
        lambda it: with_history(it, turns={"turn-1": Part(1, 2000), "turn-2": Part(1, 5000)}),
    ),
    (
        "history_is_flat",
        lambda it: with_history(it, turns={"turn-1": Part(1, 20_000), "turn-2": Part(1, 30_000)}),
    ),
    ("history_is_private", lambda it: with_history(it, raw=it.history.raw + b"Alpha Ltd")),
    ("history_is_private", lambda it: with_history(it, raw=b"book a.txt")),
    ("idle_is_free", lambda it: replace(it, open_workflows=1)),
    ("idle_is_free", lambda it: with_lease(it, released=False)),
    ("stores_are_sound", lambda it: replace(it, local=replace(it.local, problems=("cycle",)))),
]


def failed(found: Evidence) -> list[str]:
    """Return the names of the checks that fail."""
    return [check.__name__ for check in proof.CHECKS if not check(found).holds]


def test_sound_evidence_is_proved() -> None:
    """Nothing fails without a reason."""
    assert failed(evidence()) == []


@pytest.mark.parametrize(("check", "bend"), BENT)
def test_bent_evidence_fails_its_check(check: str, bend: Callable[[Evidence], Evidence]) -> None:
    """Each lie is seen by the check that is there for it, and by no other."""
    assert failed(bend(evidence())) == [check]


def test_every_check_can_fail() -> None:
    """No check is in the proof that no lie was tried on."""
    assert {check for check, _ in BENT} == {check.__name__ for check in proof.CHECKS}
