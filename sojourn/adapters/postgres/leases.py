"""Leases: the rules of `sojourn.lease`, applied to a session's row."""

from __future__ import annotations

from datetime import datetime, timedelta

from sojourn import lease as rules
from sojourn.adapters.postgres import sessions
from sojourn.adapters.postgres.database import Connection, Database
from sojourn.adapters.postgres.sessions import SessionRow
from sojourn.adapters.postgres.sql import SQL
from sojourn.lease import Claim, Lease


async def claim(connection: Connection, wish: Claim, given_now: datetime | None) -> Lease:
    """Apply `lease.claim`, making the session if there is none."""
    now = await sessions.now(connection, given_now)
    session = await sessions.ensured(connection, wish.session_id, {}, now)
    return await claim_row(connection, session, wish, now)


async def claim_row(
    connection: Connection, session: SessionRow, wish: Claim, now: datetime
) -> Lease:
    """Apply `lease.claim` to a row that this transaction has locked."""
    lease = rules.claim(session.lease, wish, now)
    await _save(connection, session, lease)
    return lease


async def renew(database: Database, lease: Lease, ttl: timedelta, now: datetime | None) -> Lease:
    """Apply `lease.renew`: in one round trip if the lease is held still."""
    facts = {"session_id": lease.session_id, "token": lease.fencing_token, "ttl": ttl, "now": now}
    row = await database.row(SQL["renew"], facts)
    renewed = sessions.live(row).lease if row else None
    if renewed is not None:
        return renewed
    return await database.write(lambda connection: _renew(connection, lease, ttl, now))


async def release(database: Database, lease: Lease) -> None:
    """Apply `lease.release`; a session that is gone has nothing to give back."""
    facts = {"session_id": lease.session_id, "token": lease.fencing_token}
    await database.row(SQL["release"], facts)


async def stored(database: Database, session_id: str) -> Lease | None:
    """Return a session's lease, in whatever state."""
    row = await database.row(SQL["session"], {"session_id": session_id})
    session = sessions.seen(row) if row else None
    return session.lease if session else None


async def _renew(
    connection: Connection, lease: Lease, ttl: timedelta, given_now: datetime | None
) -> Lease:
    now = await sessions.now(connection, given_now)
    session = await sessions.locked(connection, lease.session_id)
    renewed = rules.renew(session.lease, lease, ttl, now)
    await _save(connection, session, renewed)
    return renewed


async def _save(connection: Connection, session: SessionRow, lease: Lease) -> None:
    facts = {
        "owner_id": lease.owner.owner_id,
        "incarnation_id": lease.owner.incarnation_id,
        "executor_id": lease.executor_id,
        "fencing_token": lease.fencing_token,
        "claimed_at": lease.claimed_at,
        "expires_at": lease.expires_at,
        "released": lease.released,
        "sid": session.sid,
    }
    await connection.execute(SQL["save_lease"], facts)
