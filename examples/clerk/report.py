"""The report: what happened turn by turn, and the proof, for people and for programs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from examples.clerk.evidence import Evidence, SessionFacts
from examples.clerk.proof import Line
from examples.clerk.story import Told

TITLE = "What happened (E: embedded, T: on Temporal; model: answers; events and bytes of history):"
WORDS = ("turn", "killed at", "status", "tools")
FIGURES = ("model", "token", "head", "events", "bytes", "s")


@dataclass(frozen=True, slots=True)
class Report:
    """A demo that was played and checked."""

    folder: Path
    found: Evidence
    proof: Sequence[Line]
    seconds: float

    @property
    def proved(self) -> bool:
        """Whether every promise holds."""
        return all(line.holds for line in self.proof)

    def turns(self) -> list[dict[str, Any]]:
        """Return what is known of each turn, in the order of the story."""
        found = self.found
        return [
            *(_turn(told, found.local, found, "embedded") for told in found.embedded),
            *(_turn(told, found.remote, found, "Temporal") for told in found.told),
        ]

    def as_json(self) -> str:
        """Return the report for programs."""
        return json.dumps(
            {
                "proved": self.proved,
                "folder": str(self.folder),
                "seconds": round(self.seconds, 1),
                "turns": self.turns(),
                "proof": [asdict(line) for line in self.proof],
            },
            indent=2,
        )

    def show(self, console: Console) -> None:
        """Print the report for people."""
        console.print(TITLE)
        console.print(_table(self.turns()))
        for line in self.proof:
            mark = "[green]✓[/]" if line.holds else "[red]✗[/]"
            console.print(f"{mark} {escape(line.claim)}: [bold]{escape(line.figure)}[/]")
        failed = sum(not line.holds for line in self.proof)
        verdict = "[green]proved[/]" if self.proved else f"[red]not proved: {failed} failed[/]"
        console.print(f"{verdict} in {self.seconds:.0f} s")


def _turn(told: Told, facts: SessionFacts, found: Evidence, where: str) -> dict[str, Any]:
    result = told.result
    part = found.history.turns.get(result.turn_id) if where == "Temporal" else None
    return {
        "where": where,
        "session_id": result.session_id,
        "turn_id": result.turn_id,
        "text": told.scene.text,
        "killed": told.scene.killed,
        "point": told.scene.point,
        "kill": asdict(told.kill) if told.kill else None,
        "status": result.status.value,
        "answer": result.text,
        "model_answers": facts.answer_count(result.turn_id),
        "tool_calls": [(call.name, call.status) for call in facts.calls(result.turn_id)],
        "token": told.token,
        "head_revision": result.head_revision,
        "history_events": part.events if part else 0,
        "history_bytes": part.size_bytes if part else 0,
        "seconds": round(told.seconds, 2),
    }


def _table(turns: Sequence[dict[str, Any]]) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=0)
    for name in WORDS:
        table.add_column(name, no_wrap=name != "tools")
    for name in FIGURES:
        table.add_column(name, no_wrap=True, justify="right")
    for turn in turns:
        table.add_row(*(escape(cell) for cell in _cells(turn)))
    return table


def _cells(turn: dict[str, Any]) -> Sequence[str]:
    on_server = turn["where"] == "Temporal"
    return (
        turn["turn_id"].replace("turn-", "T" if on_server else "E"),
        turn["point"] or "-",
        turn["status"],
        _tools(turn["tool_calls"]),
        str(turn["model_answers"]),
        str(turn["token"]),
        str(turn["head_revision"]),
        str(turn["history_events"]) if on_server else "-",
        f"{turn['history_bytes']:,}" if on_server else "-",
        f"{turn['seconds']:.1f}",
    )


def _tools(calls: Sequence[tuple[str, str]]) -> str:
    names = Counter(name if status == "done" else f"{name} {status}" for name, status in calls)
    return ", ".join(name if count == 1 else f"{count} {name}" for name, count in names.items())
