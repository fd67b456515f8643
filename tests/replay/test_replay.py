"""Histories of every released version go on with the workflows of today."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.workflow import NondeterminismError

from sojourn.testing import recorded, replay
from tests.replay.record import RECORDINGS

HISTORIES = Path(__file__).parent / "histories"
FILES = sorted(HISTORIES.glob("*/*.json"))


def tampered(file: Path, old: str, new: str) -> WorkflowHistory:
    """Return a history in which an activity has another type."""
    text = file.read_text(encoding="utf-8")
    assert old in text
    return WorkflowHistory.from_json("session/tampered", text.replace(old, new))


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
async def test_a_recorded_history_replays(file: Path) -> None:
    """What a run has done, the workflow of today would do."""
    history = WorkflowHistory.from_json(f"session/{file.stem}", file.read_text(encoding="utf-8"))

    assert list(await replay([history])) == [history.run_id]


async def test_a_folder_of_histories_replays_at_once() -> None:
    """Users replay their own folders by the same two functions."""
    histories = recorded(HISTORIES / "0.1.0")

    assert len(await replay(histories)) == len(histories) > 0


@pytest.mark.parametrize("name", RECORDINGS)
def test_every_recording_is_kept(name: str) -> None:
    """A recording that is named has a history in the repository."""
    assert any(file.stem.startswith(f"{name}-") for file in FILES)


async def test_a_changed_workflow_is_found_out() -> None:
    """Control: an activity of another type does not replay."""
    history = tampered(HISTORIES / "0.1.0" / "tools-1.json", '"turn.step"', '"turn.other"')

    with pytest.raises(NondeterminismError):
        await replay([history])


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_a_recorded_history_names_no_person_and_no_host(file: Path) -> None:
    """What is kept in the repository says nothing of the machine that it was recorded on."""
    text = file.read_text(encoding="utf-8")
    events = json.loads(text)["events"]
    identities = {
        attributes["identity"]
        for event in events
        for attributes in event.values()
        if isinstance(attributes, dict) and "identity" in attributes
    }

    assert identities <= {"sojourn", "history-service"}
    assert "/work/" not in text
    assert "/home/" not in text


def test_the_continued_recording_did_continue() -> None:
    """The recording of continue-as-new has both sides of it."""
    first = json.loads((HISTORIES / "0.1.0" / "continued-1.json").read_text(encoding="utf-8"))
    kinds = [event["eventType"] for event in first["events"]]

    assert kinds[-1] == "EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW"
    assert (HISTORIES / "0.1.0" / "continued-2.json").exists()
