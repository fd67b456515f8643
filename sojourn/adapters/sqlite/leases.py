"""Leases: the rules of `sojourn.lease`, applied to a session's row."""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta

from sojourn import lease as rules
from sojourn.adapters.sqlite import rows, sessions
from sojourn.adapters.sqlite.rows import SessionRow
from sojourn.adapters.sqlite.sql import SQL
from sojourn.lease import Claim, Lease


def claim(db: sqlite3.Connection, wish: Claim, now: datetime) -> Lease:
    """Apply `lease.claim`, making the session if there is none."""
    session = sessions.find(db, wish.session_id)
    if session is None:
        session = sessions.create(db, wish.session_id, {}, rows.micros(now))
    return claim_row(db, session, wish, now)


def claim_row(db: sqlite3.Connection, session: SessionRow, wish: Claim, now: datetime) -> Lease:
    """Apply `lease.claim` to a row that was read in this transaction."""
    lease = rules.claim(session.lease, wish, now)
    _save(db, session, lease)
    return lease


def renew(db: sqlite3.Connection, lease: Lease, ttl: timedelta, now: datetime) -> Lease:
    """Apply `lease.renew`."""
    session = sessions.existing(db, lease.session_id)
    renewed = rules.renew(session.lease, lease, ttl, now)
    _save(db, session, renewed)
    return renewed


def release(db: sqlite3.Connection, lease: Lease) -> None:
    """Apply `lease.release`; a session that is gone has nothing to give back."""
    session = sessions.readable(db, lease.session_id)
    if session is None:
        return
    current = session.lease
    released = rules.release(current, lease)
    if released is not None and released != current:
        _save(db, session, released)


def stored(db: sqlite3.Connection, session_id: str) -> Lease | None:
    """Return a session's lease, in whatever state."""
    session = sessions.readable(db, session_id)
    return session.lease if session else None


def _save(db: sqlite3.Connection, session: SessionRow, lease: Lease) -> None:
    values = (
        lease.owner.owner_id,
        lease.owner.incarnation_id,
        lease.executor_id,
        lease.fencing_token,
        rows.micros(lease.claimed_at),
        rows.micros(lease.expires_at),
        lease.released,
        session.sid,
    )
    db.execute(SQL["save_lease"], values)
