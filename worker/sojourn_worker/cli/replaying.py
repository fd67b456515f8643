"""Replaying recorded histories: would a worker of this version go on with them?"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from google.protobuf.json_format import ParseError
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from sojourn.errors import InvalidInput
from sojourn.outcome import Fault
from sojourn_worker.cli.output import Answer
from sojourn_worker.connect import runtime
from sojourn_worker.plugin import SojournPlugin

MAX_CHARS = 300

_EVENT = re.compile(r"HistoryEvent\(id: (\d+), (\w+)")
_ACTIVITY = re.compile(r"scheduled event '([^']+)'")
_MESSAGE = re.compile(r'message: "((?:[^"\\]|\\.)*)"')


async def replay(paths: Sequence[Path]) -> Answer:
    """Replay each history; one that the workflows would not reproduce is a failure.

    Args:
        paths: files, and folders that stand for the `*.json` in them, by name.

    Raises:
        InvalidInput: a file holds no history, or a folder no file.
    """
    replayer = Replayer(workflows=[], plugins=[SojournPlugin()], runtime=runtime())
    seen: list[dict[str, Any]] = []
    for file in [file for path in paths for file in _files(path)]:
        history = _read(file)
        result = await replayer.replay_workflow(history, raise_on_replay_failure=False)
        problem = result.replay_failure and _described(history, result.replay_failure)
        seen.append({"file": str(file), "events": len(history.events), "problem": problem})
    lines = [
        f"{entry['file']}: {'does not replay' if entry['problem'] else 'replays'}" for entry in seen
    ]
    return Answer({"histories": seen}, "\n".join(lines), _fault(seen))


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    found = sorted(path.glob("*.json"))
    if not found:
        raise InvalidInput(reason=f"{path} holds no *.json file")
    yield from found


def _read(file: Path) -> WorkflowHistory:
    try:
        history = WorkflowHistory.from_json(file.stem, file.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError, KeyError, ParseError, json.JSONDecodeError) as error:
        raise _no_history(file) from error
    if not history.events:
        raise _no_history(file)
    return history


def _no_history(file: Path) -> InvalidInput:
    hint = "`temporal workflow show --output json` writes one"
    return InvalidInput(reason=f"{file} holds no workflow history: {hint}")


def _described(history: WorkflowHistory, failure: Exception) -> str:
    """Say at which event the workflow of today does something else, in Temporal's own words."""
    found = _MESSAGE.search(str(failure))
    text = " ".join((found[1] if found else str(failure)).split())[:MAX_CHARS]
    return f"{_place(history, text)}{text}"


def _place(history: WorkflowHistory, text: str) -> str:
    if event := _EVENT.search(text):
        return f"event {event[1]} ({event[2]}): "
    if activity := _ACTIVITY.search(text):
        for known in history.events:
            if known.activity_task_scheduled_event_attributes.activity_type.name == activity[1]:
                return f"event {known.event_id} (ActivityTaskScheduled): "
    return ""


def _fault(seen: Sequence[dict[str, Any]]) -> Fault | None:
    bad = [entry for entry in seen if entry["problem"]]
    if not bad:
        return None
    more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
    message = f"{bad[0]['file']} does not replay: {bad[0]['problem']}{more}"
    return Fault(type="ReplayFailed", message=message)
