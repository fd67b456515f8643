"""The rows of attachments.

A key that has no row never gets one again: what is copied is the key of a row that is locked until
the copy is committed, and rows that go away at that moment are passed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sojourn.adapters import rules
from sojourn.adapters.postgres import sessions
from sojourn.adapters.postgres.database import Connection
from sojourn.adapters.postgres.rows import Row
from sojourn.adapters.postgres.sql import SQL
from sojourn.attachment import Attachment, AttachmentIntent, StoredAttachment
from sojourn.lease import check_fence


async def begin(
    connection: Connection, intent: AttachmentIntent, now: datetime
) -> StoredAttachment:
    """Record that a turn writes an attachment: the row that is there, or a new one."""
    session = await sessions.locked(connection, intent.session_id)
    check_fence(session.lease, intent.session_id, intent.fencing_token)
    new = intent.attachment
    facts = {
        "sid": session.sid,
        "turn_id": intent.turn_id,
        "attachment_id": new.attachment_id,
        "media_type": new.media_type,
        "size_bytes": new.size_bytes,
        "blob_key": intent.blob_key,
        "now": now,
    }
    journal = await connection.execute(SQL["open_journal"], facts)
    rules.check_open(rules.effect_of(intent), await journal.fetchone() is not None)
    begun = await connection.execute(SQL["begin_attachment"], facts, binary=True)
    (row,) = await begun.fetchall()
    return _stored(row)


async def find(
    connection: Connection, session_id: str, attachment_id: str
) -> StoredAttachment | None:
    """Return the row of an attachment of a live session or of one that it was forked from."""
    facts = {"session_id": session_id, "attachment_id": attachment_id}
    found = await connection.execute(SQL["find_attachment"], facts, binary=True)
    row = await found.fetchone()
    return _stored(row) if row else None


async def of_session(connection: Connection, session_id: str) -> list[StoredAttachment]:
    """Return a live session's own rows, in order of their ids."""
    facts = {"session_id": session_id}
    found = await connection.execute(SQL["attachments_of"], facts, binary=True)
    return [_stored(row) for row in await found.fetchall()]


async def drop(connection: Connection, session_id: str, attachment_id: str, token: int) -> bool:
    """Remove a session's own row, once nobody is copying its key; tell if there was one."""
    session = await sessions.locked(connection, session_id)
    check_fence(session.lease, session_id, token)
    facts = {"sid": session.sid, "attachment_id": attachment_id}
    dropped = await connection.execute(SQL["drop_attachment"], facts)
    return dropped.rowcount > 0


async def keys_in_use(connection: Connection, blob_keys: Sequence[str]) -> set[str]:
    """Return those of some keys that have a row, whatever session's."""
    found = await connection.execute(SQL["keys_in_use"], {"blob_keys": list(blob_keys)})
    return {key for (key,) in await found.fetchall()}


async def has_any(connection: Connection) -> bool:
    """Tell whether there is any row."""
    found = await connection.execute(SQL["any_attachment"])
    return await found.fetchone() is not None


async def forget_intents(connection: Connection, before: datetime, limit: int) -> int:
    """Remove rows that nobody can need; those of sessions at work are left for the next call.

    A session's row is locked first, and only then is it decided which of its intents are dead: so
    none is taken over or made permanent in between.
    """
    facts: dict[str, Any] = {"before": before, "limit": limit}
    idle = await connection.execute(SQL["lock_for_intents"], facts)
    facts["sids"] = [sid for (sid,) in await idle.fetchall()]
    pending = (await connection.execute(SQL["forget_pending"], facts)).rowcount
    facts["limit"] = limit - pending
    return pending + (await connection.execute(SQL["forget_families"], facts)).rowcount


def _stored(row: Row) -> StoredAttachment:
    attachment_id, media_type, size_bytes, blob_key, turn_id, is_committed = row
    attachment = Attachment(attachment_id, media_type, size_bytes)
    return StoredAttachment(attachment, blob_key, turn_id, is_committed)
