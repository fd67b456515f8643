"""The turn journal: each model answer and tool result of an open turn, recorded once."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

INPUT_KEY = "input"


class EffectKind(StrEnum):
    """What an effect is."""

    INPUT = "input"
    MODEL = "model"
    TOOL = "tool"
    SUMMARY = "summary"
    HOOK = "hook"
    WASTED = "wasted"


class EffectStatus(StrEnum):
    """Where an effect stands; all but STARTED are final, and the first writer of one wins."""

    STARTED = "started"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class EffectRef:
    """The name of one effect, and the fence of whoever wants to write it."""

    session_id: str
    turn_id: str
    effect_key: str
    fencing_token: int


@dataclass(frozen=True, slots=True)
class Effect:
    """One row of a turn's journal.

    Attributes:
        position: grows with each new row of the store; read on from it.
        effect_key: `input`, `summary/<head revision>`, `model/<step>`,
            `tool/<step>/<call id>`, `hook/<place>`, or `wasted/<place>/<attempt id>`.
        kind: what it is.
        status: STARTED, or how it ended.
        attempt_id: who started it: a retry of the store's write by the same attempt re-enters.
        payload: the bytes of the node that the commit will make of it, one to a line if a hook
            makes several; empty while STARTED.
        facts: small JSON beside the payload: usage, model, finish reason, call status, plugins'
            states.
    """

    position: int
    effect_key: str
    kind: EffectKind
    status: EffectStatus
    attempt_id: str
    payload: bytes = b""
    facts: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def is_final(self) -> bool:
        """Whether the effect's outcome is recorded."""
        return self.status is not EffectStatus.STARTED


@dataclass(frozen=True, slots=True)
class Outcome:
    """What to record of an effect."""

    kind: EffectKind
    status: EffectStatus
    payload: bytes
    facts: dict[str, Any] = field(default_factory=dict[str, Any])
    attempt_id: str = ""


def model_key(step: int) -> str:
    """Return the effect key of the answer of model step `step`, counted from 1."""
    return f"model/{step}"


def summary_key(head_revision: int) -> str:
    """Return the effect key of the summary of a conversation as it stands on this head."""
    return f"summary/{head_revision}"


def hook_key(place: int | str) -> str:
    """Return the effect key of what plugins said before step `place`, or at the turn's `end`."""
    return f"hook/{place}"


def wasted_key(place: int | str, attempt_id: str) -> str:
    """Return the effect key of an answer that was paid for and lost: of a step, or a `summary`."""
    return f"wasted/{place}/{attempt_id}"


def tool_key(step: int, call_id: str) -> str:
    """Return the effect key of a tool call of step `step`."""
    return f"tool/{step}/{call_id}"
