"""Rows of the store as typed values."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sojourn.adapters import columns
from sojourn.attachment import Attachment, StoredAttachment
from sojourn.graph import Node
from sojourn.lease import Lease, LeaseOwner
from sojourn.reads import Head, StateRef
from sojourn.usage import Usage

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
Row = tuple[Any, ...]


class SessionRow(NamedTuple):
    """A row of `sessions`, its columns in order: a tuple, since every write makes one."""

    sid: int
    session_id: str
    family: int
    origin: int | None
    created_at: int
    deleted_at: int | None
    head_revision: int
    leaf: str | None
    leaf_seq: int | None
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
    claimed_at: int | None
    expires_at: int | None
    released: int

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
            claimed_at=instant(self.claimed_at or 0),
            expires_at=instant(self.expires_at or 0),
            released=bool(self.released),
        )


SESSION_COLUMNS = len(SessionRow._fields)


def micros(at: datetime) -> int:
    """Return a time as it is stored: whole microseconds since 1970, UTC."""
    return (at - _EPOCH) // _MICROSECOND


def instant(stored: int) -> datetime:
    """Return a stored time.

    Raises:
        DataError: it is none: the file is damaged.
    """
    try:
        return _EPOCH + stored * _MICROSECOND
    except (OverflowError, TypeError) as error:
        raise sqlite3.DataError(stored) from error


def head(row: Row) -> Head:
    """Return the head of a row of the query `head`."""
    session = SessionRow._make(row[:SESSION_COLUMNS])
    config, *tokens = row[SESSION_COLUMNS:]
    return Head(
        session_id=session.session_id,
        head_revision=session.head_revision,
        leaf=session.leaf,
        turn_count=session.turn_count,
        created_at=instant(session.created_at),
        config=json.loads(config),
        tool_state=_state(session.tool_digest, session.tool_generation),
        plugin_state=_state(session.plugin_digest, session.plugin_generation),
        usage=columns.usage(tokens),
    )


def tokens(spent: Usage) -> tuple[int, ...]:
    """Return the five columns of some tokens."""
    return (
        spent.input_tokens,
        spent.output_tokens,
        spent.cache_read_tokens,
        spent.cache_write_tokens,
        spent.reasoning_tokens,
    )


def node(row: Row) -> Node:
    """Return the node of a row of `node`, `own_nodes` or `path`; a lost parent keeps a name."""
    node_id, parent_id, kind, body, turn_id, created_at, _, parent = row[:8]
    if parent_id is None and parent is not None:
        parent_id = f"#{parent}"
    return Node(node_id, parent_id, kind, body, turn_id, instant(created_at))


def attachment(row: Row) -> StoredAttachment:
    """Return the attachment of a row of `attachments`."""
    attachment_id, blob_key, media_type, size_bytes, turn_id, committed_at = row
    return StoredAttachment(
        attachment=Attachment(attachment_id, media_type, size_bytes),
        blob_key=blob_key,
        turn_id=turn_id,
        is_committed=committed_at is not None,
    )


def _state(digest: str | None, generation: int | None) -> StateRef | None:
    return None if digest is None else StateRef(digest, generation or 0)
