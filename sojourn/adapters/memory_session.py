"""What the memory store keeps of one session."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

from sojourn.adapters import rules
from sojourn.attachment import Attachment, StoredAttachment
from sojourn.commit import Commit, CommitReceipt, Snapshot
from sojourn.journal import Effect, EffectRef, Outcome
from sojourn.lease import Lease
from sojourn.reads import Head, StateRef
from sojourn.usage import Usage

J = TypeVar("J")


def copied(value: J) -> J:
    """Return a JSON value as another store would give it back: shared with nobody."""
    result: J = json.loads(json.dumps(value))
    return result


def read(effect: Effect) -> Effect:
    """Return an effect as another store would give it back: whoever has it may change it."""
    return replace(effect, facts=copied(effect.facts))


@dataclass(slots=True)
class Kept:
    """A session's row of an attachment; pending until `committed_at`."""

    attachment: Attachment
    blob_key: str
    turn_id: str
    intent_at: datetime
    committed_at: datetime | None = None

    def stored(self) -> StoredAttachment:
        """Return the row as others see it."""
        is_committed = self.committed_at is not None
        return StoredAttachment(self.attachment, self.blob_key, self.turn_id, is_committed)


@dataclass(slots=True)
class Journal:
    """The journal of an open turn, and the head that stood when it was opened."""

    head_revision: int
    recorded_at: datetime
    effects: dict[str, Effect] = field(default_factory=dict[str, Effect])


@dataclass(slots=True)
class Session:
    """A session's row and all that belongs to it alone."""

    session_id: str
    family: str
    created_at: datetime
    config: dict[str, Any]
    lease: Lease | None = None
    head_revision: int = 0
    leaf: str | None = None
    origin: str | None = None
    source: str | None = None
    turn_count: int = 0
    last_position: int = 0
    tool_state: StateRef | None = None
    plugin_state: StateRef | None = None
    usage: dict[tuple[str, str], Usage] = field(default_factory=dict[tuple[str, str], Usage])
    receipts: dict[str, CommitReceipt] = field(default_factory=dict[str, CommitReceipt])
    contents: dict[str, str] = field(default_factory=dict[str, str])
    committed_at: dict[str, datetime] = field(default_factory=dict[str, datetime])
    journals: dict[str, Journal] = field(default_factory=dict[str, Journal])
    attachments: dict[str, Kept] = field(default_factory=dict[str, Kept])

    def head(self) -> Head:
        """Return the session's head."""
        return Head(
            session_id=self.session_id,
            head_revision=self.head_revision,
            leaf=self.leaf,
            turn_count=self.turn_count,
            created_at=self.created_at,
            config=copied(self.config),
            tool_state=self.tool_state,
            plugin_state=self.plugin_state,
            usage=Usage.total(self.usage.values()),
        )

    def replay(self, operation_id: str) -> CommitReceipt:
        """Return the receipt of an operation that is asked for again."""
        first = self.receipts[operation_id]
        return replace(first, result=copied(first.result), replayed=True)

    def effects(self, turn_id: str, after: int) -> tuple[Effect, ...]:
        """Return the rows of a turn's journal after a position, in order."""
        journal = self.journals.get(turn_id)
        effects = journal.effects.values() if journal else ()
        newer = [effect for effect in effects if effect.position > after]
        return tuple(read(effect) for effect in sorted(newer, key=lambda effect: effect.position))

    def save_effect(self, ref: EffectRef, outcome: Outcome, now: datetime) -> Effect:
        """Write a row of a journal in the place of an older one of its key."""
        facts = copied(outcome.facts)
        self.last_position += 1
        effect = rules.row(ref, replace(outcome, facts=facts), self.last_position)
        journal = self.journals.setdefault(ref.turn_id, Journal(self.head_revision, now))
        journal.recorded_at = now
        journal.effects[ref.effect_key] = effect
        return read(effect)

    def advance(
        self, commit: Commit, content: str, result: dict[str, Any], now: datetime
    ) -> CommitReceipt:
        """Move the head by one commit, and keep its receipt."""
        self.head_revision += 1
        self.turn_count += commit.is_turn
        self.leaf = commit.leaf
        self.tool_state = _state(commit.tool_state) or self.tool_state
        self.plugin_state = _state(commit.plugin_state) or self.plugin_state
        for entry in commit.usage:
            key = (entry.source, entry.model)
            self.usage[key] = self.usage.get(key, Usage()) + entry.usage
        self.mark(commit, now)
        self.journals.pop(commit.operation_id, None)
        if commit.release and self.lease is not None:
            self.lease = replace(self.lease, released=True)
        receipt = CommitReceipt(
            self.session_id, commit.operation_id, self.head_revision, commit.leaf, result
        )
        self.receipts[commit.operation_id] = receipt
        self.contents[commit.operation_id] = content
        self.committed_at[commit.operation_id] = now
        return replace(receipt, result=copied(result))

    def mark(self, commit: Commit, now: datetime) -> None:
        """Make permanent what a commit names, and what its turn wrote."""
        for attachment_id, kept in self.attachments.items():
            is_named = attachment_id in commit.attachment_ids
            is_ours = kept.committed_at is None and kept.turn_id == commit.operation_id
            if is_named or is_ours:
                kept.turn_id = commit.operation_id
                kept.committed_at = kept.committed_at or now


def _state(snapshot: Snapshot | None) -> StateRef | None:
    return StateRef(snapshot.digest, snapshot.generation) if snapshot else None
