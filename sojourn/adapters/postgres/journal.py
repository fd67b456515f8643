"""The journals of open turns."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sojourn import ids
from sojourn.adapters import columns, rules
from sojourn.adapters.postgres import commits, leases, sessions
from sojourn.adapters.postgres.database import Connection, Database
from sojourn.adapters.postgres.sessions import SessionRow
from sojourn.adapters.postgres.sql import SQL
from sojourn.journal import INPUT_KEY, Effect, EffectRef, Outcome
from sojourn.lease import check_fence
from sojourn.reads import OpenTurn, TurnOpening


async def open_turn(database: Database, opening: TurnOpening, now: datetime | None) -> OpenTurn:
    """Begin or re-enter a turn; in one round trip if nothing stands against it."""
    ids.checked("session", opening.claim.session_id)
    row = await database.row(SQL["try_open_turn"], _opening_facts(opening, now))
    if row is None:
        return await database.write(lambda connection: _open_turn(connection, opening, now))
    session = sessions.live(row)
    ref = _input_ref(opening, session.fencing_token)
    effect = rules.row(ref, rules.input_outcome(opening), session.last_position)
    return OpenTurn(None, session.lease, sessions.head(row), (effect,))


async def record(
    database: Database, ref: EffectRef, outcome: Outcome, now: datetime | None
) -> Effect:
    """Record an effect's outcome, unless it is final; in one round trip if none is there."""
    token = {"session_id": ref.session_id, "token": ref.fencing_token}
    row = await database.row(SQL["try_record"], token | _facts(ref, outcome, now))
    if row is not None and row[0] is not None:
        return rules.row(ref, outcome, row[0])
    return await database.write(lambda connection: _record(connection, ref, outcome, now))


async def effects(database: Database, session_id: str, turn_id: str, after: int) -> list[Effect]:
    """Return what is new in a turn's journal."""
    facts = {"session_id": session_id, "turn_id": turn_id, "after": after}
    return [columns.effect(row) for row in await database.rows(SQL["effects"], facts)]


async def _open_turn(
    connection: Connection, opening: TurnOpening, given_now: datetime | None
) -> OpenTurn:
    """Apply the rules in order: receipt, divergence, claim, input."""
    wish, now = opening.claim, await sessions.now(connection, given_now)
    session = await sessions.ensured(connection, wish.session_id, opening.config, now)
    receipt = await commits.receipt_of(connection, wish.session_id, opening.turn_id)
    if receipt is not None:
        rules.check_input(opening, receipt.result.get("input_digest"))
        return OpenTurn(receipt, None, await sessions.head_of(connection, wish.session_id))
    rules.check_history(opening, session.lease)
    lease = await leases.claim_row(connection, session, wish, now)
    journal = await _journal(connection, session, opening.turn_id)
    known = [effect for effect in journal if effect.effect_key == INPUT_KEY]
    if known:
        rules.check_input(opening, known[0].facts.get("digest"))
    else:
        ref = _input_ref(opening, lease.fencing_token)
        journal = [await _save(connection, session, ref, rules.input_outcome(opening), now)]
    head = await sessions.head_of(connection, wish.session_id)
    return OpenTurn(None, lease, head, tuple(journal))


async def _record(
    connection: Connection, ref: EffectRef, outcome: Outcome, now: datetime | None
) -> Effect:
    """Apply the rules in order: fence, journal, what stands there."""
    session = await sessions.locked(connection, ref.session_id)
    check_fence(session.lease, ref.session_id, ref.fencing_token)
    journal = {
        effect.effect_key: effect for effect in await _journal(connection, session, ref.turn_id)
    }
    rules.check_open(ref, INPUT_KEY in journal)
    current = journal.get(ref.effect_key)
    if current is not None and rules.stands(current, outcome):
        return current
    return await _save(connection, session, ref, outcome, now)


async def _journal(connection: Connection, session: SessionRow, turn_id: str) -> list[Effect]:
    facts = {"sid": session.sid, "turn_id": turn_id}
    found = await connection.execute(SQL["journal"], facts, binary=True)
    return [columns.effect(row) for row in await found.fetchall()]


async def _save(
    connection: Connection,
    session: SessionRow,
    ref: EffectRef,
    outcome: Outcome,
    now: datetime | None,
) -> Effect:
    facts = {"sid": session.sid} | _facts(ref, outcome, now)
    saved = await connection.execute(SQL["save_effect"], facts)
    return rules.row(ref, outcome, (await saved.fetchall())[0][0])


def _facts(ref: EffectRef, outcome: Outcome, now: datetime | None) -> dict[str, Any]:
    return {
        "turn_id": ref.turn_id,
        "effect_key": ref.effect_key,
        "kind": outcome.kind.value,
        "status": outcome.status.value,
        "attempt_id": outcome.attempt_id,
        "facts": columns.dumped(outcome.facts),
        "payload": outcome.payload,
        "now": now,
    }


def _opening_facts(opening: TurnOpening, now: datetime | None) -> dict[str, Any]:
    wish, outcome = opening.claim, rules.input_outcome(opening)
    return {
        "session_id": wish.session_id,
        "turn_id": opening.turn_id,
        "owner_id": wish.owner.owner_id,
        "incarnation_id": wish.owner.incarnation_id,
        "executor_id": wish.executor_id,
        "ttl": wish.ttl,
        "known_token": opening.known_token,
        "payload": outcome.payload,
        "facts": columns.dumped(outcome.facts),
        "now": now,
    }


def _input_ref(opening: TurnOpening, token: int) -> EffectRef:
    return EffectRef(opening.claim.session_id, opening.turn_id, INPUT_KEY, token)
