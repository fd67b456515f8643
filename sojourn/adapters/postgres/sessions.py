"""Sessions: their rows, heads and ledgers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sojourn import ids
from sojourn.adapters import columns
from sojourn.adapters.postgres import rows
from sojourn.adapters.postgres.database import Connection
from sojourn.adapters.postgres.sql import SQL
from sojourn.errors import SessionDeleted, UnknownSession
from sojourn.lease import Lease, LeaseOwner
from sojourn.reads import Head, StateRef
from sojourn.usage import UsageEntry


class SessionRow(NamedTuple):
    """A row of `sessions`, its columns in order; times are as the server sent them."""

    sid: int
    session_id: str
    family: int
    origin: int | None
    created_at: datetime
    deleted_at: datetime | None
    head_revision: int
    leaf: str | None
    leaf_seq: int | None
    last_seq: int
    turn_count: int
    tool_digest: str | None
    tool_generation: int | None
    plugin_digest: str | None
    plugin_generation: int | None
    last_position: int
    fencing_token: int
    owner_id: str | None
    incarnation_id: str | None
    executor_id: str | None
    claimed_at: datetime | None
    expires_at: datetime | None
    released: bool

    @property
    def lease(self) -> Lease | None:
        """The stored lease; None if the session was never claimed."""
        if self.owner_id is None or self.incarnation_id is None or self.executor_id is None:
            return None
        return Lease(
            session_id=self.session_id,
            owner=LeaseOwner(self.owner_id, self.incarnation_id),
            executor_id=self.executor_id,
            fencing_token=self.fencing_token,
            claimed_at=rows.instant(self.claimed_at or self.created_at),
            expires_at=rows.instant(self.expires_at or self.created_at),
            released=self.released,
        )


SESSION_COLUMNS = len(SessionRow._fields)
HEAD_COLUMNS = SESSION_COLUMNS + 6


def live(row: rows.Row) -> SessionRow:
    """Return a row of `sessions` as a session.

    Raises:
        SessionDeleted: it is what a deleted one left.
    """
    session = SessionRow._make(row[:SESSION_COLUMNS])
    if session.deleted_at is not None:
        raise SessionDeleted(session_id=session.session_id)
    return session


def seen(row: rows.Row) -> SessionRow | None:
    """Return a row of `sessions` as a session; of a deleted one nothing can be read."""
    session = SessionRow._make(row[:SESSION_COLUMNS])
    return session if session.deleted_at is None else None


async def find(connection: Connection, session_id: str) -> SessionRow | None:
    """Return a live session's row, or None.

    Raises:
        SessionDeleted: there was one.
    """
    row = await _row(connection, "session", session_id)
    return live(row) if row else None


async def existing(connection: Connection, session_id: str) -> SessionRow:
    """Return a live session's row.

    Raises:
        UnknownSession: there is none.
        SessionDeleted: there was one.
    """
    return _known(await find(connection, session_id), session_id)


async def locked(connection: Connection, session_id: str) -> SessionRow:
    """Return a live session's row, and keep others from writing it until the transaction ends.

    Raises:
        UnknownSession, SessionDeleted: as `existing`.
    """
    return _known(await find_locked(connection, session_id), session_id)


async def find_locked(connection: Connection, session_id: str) -> SessionRow | None:
    """Do what `locked` does, but for a session that is not there: that is None.

    Raises:
        SessionDeleted: there was one.
    """
    row = await _row(connection, "locked_session", session_id)
    return live(row) if row else None


async def ensured(
    connection: Connection, session_id: str, config: dict[str, Any], now: datetime
) -> SessionRow:
    """Do what `locked` does, making the session if there is none.

    Raises:
        InvalidId: there can be none.
        SessionDeleted: there was one.
    """
    session = await find_locked(connection, ids.checked("session", session_id))
    if session is not None:
        return session
    facts = {"session_id": session_id, "now": now}
    made = await (await connection.execute(SQL["insert_session"], facts)).fetchone()
    if made is not None:
        config_facts = {"sid": made[0], "config": columns.dumped(config)}
        await connection.execute(SQL["insert_config"], config_facts)
    return await locked(connection, session_id)


async def readable(connection: Connection, session_id: str) -> SessionRow | None:
    """Return a live session's row; of a deleted one nothing can be read."""
    row = await _row(connection, "session", session_id)
    return seen(row) if row else None


async def now(connection: Connection, given: datetime | None) -> datetime:
    """Return the time that was given, or else that of the server's clock."""
    if given is not None:
        return given
    cursor = await connection.execute(SQL["now"])
    return rows.instant((await cursor.fetchall())[0][0])


async def head_of(connection: Connection, session_id: str) -> Head:
    """Return the head of a session that this transaction has seen.

    Raises:
        UnknownSession: it has lost its configuration, or was never there.
    """
    row = await _row(connection, "head", session_id)
    if row is None:
        raise UnknownSession(session_id=session_id)
    return head(row)


def head(row: Sequence[Any]) -> Head:
    """Return the head of a row of the query `head`."""
    session = SessionRow._make(row[:SESSION_COLUMNS])
    config, *tokens = row[SESSION_COLUMNS:HEAD_COLUMNS]
    return Head(
        session_id=session.session_id,
        head_revision=session.head_revision,
        leaf=session.leaf,
        turn_count=session.turn_count,
        created_at=rows.instant(session.created_at),
        config=json.loads(config),
        tool_state=_state(session.tool_digest, session.tool_generation),
        plugin_state=_state(session.plugin_digest, session.plugin_generation),
        usage=columns.usage(tokens),
    )


def ledger_entry(row: rows.Row) -> UsageEntry:
    """Return a session's tokens by source and model, of a row of the query `usage`."""
    source, model, *tokens = row
    return UsageEntry(source=source, model=model, usage=columns.usage(tokens))


async def _row(connection: Connection, query: str, session_id: str) -> rows.Row | None:
    cursor = await connection.execute(SQL[query], {"session_id": session_id}, binary=True)
    return await cursor.fetchone()


def _known(session: SessionRow | None, session_id: str) -> SessionRow:
    if session is None:
        raise UnknownSession(session_id=session_id)
    return session


def _state(digest: str | None, generation: int | None) -> StateRef | None:
    return None if digest is None else StateRef(digest, generation or 0)
