"""Replaying recorded histories: would a worker of this version go on with them?"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from google.protobuf.json_format import ParseError
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from sojourn.errors import InvalidInput
from sojourn.outcome import Fault
from sojourn_worker.cli.output import Answer
from sojourn_worker.plugin import SojournPlugin

_EVENT = re.compile(r"HistoryEvent\(id: (\d+), (\w+)")


async def replay(files: Sequence[Path]) -> Answer:
    """Replay each history; one that the workflows would not reproduce is a failure.

    Raises:
        InvalidInput: a file holds no history.
    """
    replayer = Replayer(workflows=[], plugins=[SojournPlugin()])
    seen: list[dict[str, Any]] = []
    for file in files:
        history = _read(file)
        result = await replayer.replay_workflow(history, raise_on_replay_failure=False)
        problem = result.replay_failure and _described(result.replay_failure)
        seen.append({"file": str(file), "events": len(history.events), "problem": problem})
    lines = [f"{entry['file']}: {entry['problem'] or 'replays'}" for entry in seen]
    return Answer({"histories": seen}, "\n".join(lines), _fault(seen))


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


def _described(failure: Exception) -> str:
    text = " ".join(str(failure).split())
    found = _EVENT.search(text)
    place = f"event {found[1]} ({found[2]})" if found else "an event"
    return f"{place} differs from what the workflow does now: {text[:200]}"


def _fault(seen: Sequence[dict[str, Any]]) -> Fault | None:
    bad = [entry for entry in seen if entry["problem"]]
    if not bad:
        return None
    more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
    message = f"{bad[0]['file']}: {bad[0]['problem']}{more}"
    return Fault(type="NondeterminismError", message=message)
