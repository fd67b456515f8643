"""The journals of open turns."""

from __future__ import annotations

import sqlite3
from datetime import datetime

from sojourn.adapters import columns, rules
from sojourn.adapters.sqlite import commits, leases, rows, sessions
from sojourn.adapters.sqlite.rows import SessionRow
from sojourn.adapters.sqlite.sql import SQL
from sojourn.journal import INPUT_KEY, Effect, EffectRef, Outcome
from sojourn.lease import check_fence
from sojourn.reads import OpenTurn, TurnOpening


def open_turn(db: sqlite3.Connection, opening: TurnOpening, now: datetime) -> OpenTurn:
    """Begin or re-enter a turn: receipt, divergence, claim, input."""
    wish = opening.claim
    session = sessions.find(db, wish.session_id)
    if session is None:
        session = sessions.create(db, wish.session_id, opening.config, rows.micros(now))
    receipt = commits.receipt_of(db, session, opening.turn_id)
    if receipt is not None:
        rules.check_input(opening, receipt.result.get("input_digest"))
        return OpenTurn(receipt, None, sessions.head_of(db, wish.session_id))
    rules.check_history(opening, session.lease)
    lease = leases.claim_row(db, session, wish, now)
    effects = _with_input(db, session, opening, lease.fencing_token, now)
    return OpenTurn(None, lease, sessions.head_of(db, wish.session_id), tuple(effects))


def record_effect(
    db: sqlite3.Connection, ref: EffectRef, outcome: Outcome, now: datetime
) -> Effect:
    """Record an effect's outcome, or that it starts, unless what is recorded stands."""
    session = sessions.existing(db, ref.session_id)
    check_fence(session.lease, ref.session_id, ref.fencing_token)
    rules.check_open(ref, sessions.has_journal(db, session.sid, ref.turn_id))
    found = db.execute(SQL["effect"], (session.sid, ref.turn_id, ref.effect_key)).fetchone()
    current = columns.effect(found) if found else None
    if current is not None and rules.stands(current, outcome):
        return current
    return _save(db, session, ref, outcome, now)


def effects(db: sqlite3.Connection, session_id: str, turn_id: str, after: int) -> list[Effect]:
    """Return what is new in a turn's journal."""
    session = sessions.readable(db, session_id)
    return _after(db, session, turn_id, after) if session else []


def _with_input(
    db: sqlite3.Connection, session: SessionRow, opening: TurnOpening, token: int, now: datetime
) -> list[Effect]:
    journal = _after(db, session, opening.turn_id, 0)
    for effect in journal:
        if effect.effect_key == INPUT_KEY:
            rules.check_input(opening, effect.facts.get("digest"))
            return journal
    ref = EffectRef(session.session_id, opening.turn_id, INPUT_KEY, token)
    return [_save(db, session, ref, rules.input_outcome(opening), now)]


def _save(
    db: sqlite3.Connection, session: SessionRow, ref: EffectRef, outcome: Outcome, now: datetime
) -> Effect:
    effect = rules.row(ref, outcome, session.last_position + 1)
    values = (
        session.sid,
        ref.turn_id,
        effect.effect_key,
        effect.position,
        effect.kind,
        effect.status,
        effect.attempt_id,
        session.head_revision,
        rows.micros(now),
        columns.dumped(effect.facts),
        effect.payload,
    )
    db.execute(SQL["save_effect"], values)
    db.execute(SQL["save_position"], (effect.position, session.sid))
    return effect


def _after(db: sqlite3.Connection, session: SessionRow, turn_id: str, after: int) -> list[Effect]:
    return [
        columns.effect(row) for row in db.execute(SQL["effects"], (session.sid, turn_id, after))
    ]
