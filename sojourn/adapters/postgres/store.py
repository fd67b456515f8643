"""The PostgreSQL store: one database, many sessions, many workers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Self

from typing_extensions import override

from sojourn.adapters import rules
from sojourn.adapters.postgres import (
    address,
    attachments,
    checks,
    commits,
    graph_reads,
    journal,
    leases,
    lifetimes,
    schema,
    sessions,
    transfer,
    upkeep,
)
from sojourn.adapters.postgres.database import Connection, Database
from sojourn.adapters.postgres.groups import GroupCommit
from sojourn.adapters.postgres.orphans import Orphans
from sojourn.adapters.postgres.sql import SQL
from sojourn.attachment import AttachmentIntent, StoredAttachment
from sojourn.clock import Clock
from sojourn.commit import Commit, CommitReceipt
from sojourn.graph import Node
from sojourn.journal import Effect, EffectRef, Outcome
from sojourn.lease import Claim, Lease
from sojourn.ports import PagedCheck, SessionStore
from sojourn.reads import (
    CheckedPage,
    Head,
    OpenTurn,
    Problem,
    ReadScope,
    SessionRead,
    TurnOpening,
)
from sojourn.transfer_ports import Past, SessionPage
from sojourn.upkeep_ports import Vacuumed
from sojourn.usage import UsageEntry


class PostgresStore(SessionStore, PagedCheck):
    """Sessions in a PostgreSQL database; `ports.SessionStore` says what each method keeps.

    Time is the server's, so that workers whose clocks differ agree on it, unless a clock is given.
    """

    def __init__(self, database: Database, clock: Clock | None) -> None:
        self._database = database
        self._group = GroupCommit(database)
        self._orphans = Orphans(database)
        self._clock = clock

    @classmethod
    async def open(cls, url: str, *, clock: Clock | None = None) -> Self:
        """Open the database at `url`, making its schema if there is none.

        Raises:
            InvalidStoreUrl: it is no URL of a database.
            StoreUnavailable: the server cannot be reached.
            StoreUnusable: it cannot serve as a session store, or this user may not.
            SchemaTooNew: a newer Sojourn wrote it.
        """
        place = address.parsed(url)
        await schema.prepare(place)
        database = Database(place)
        await database.open()
        return cls(database, clock)

    @override
    async def claim(self, wish: Claim) -> Lease:
        return await self._database.write(
            lambda connection: leases.claim(connection, wish, self._now())
        )

    @override
    async def renew(self, lease: Lease, ttl: timedelta) -> Lease:
        return await leases.renew(self._database, lease, ttl, self._now())

    @override
    async def release(self, lease: Lease) -> None:
        await leases.release(self._database, lease)

    @override
    async def lease(self, session_id: str) -> Lease | None:
        return await leases.stored(self._database, session_id)

    @override
    async def open_turn(self, opening: TurnOpening) -> OpenTurn:
        return await journal.open_turn(self._database, opening, self._now())

    @override
    async def start_effect(self, ref: EffectRef, attempt_id: str) -> Effect:
        return await self.record_effect(ref, rules.started(attempt_id))

    @override
    async def record_effect(self, ref: EffectRef, outcome: Outcome) -> Effect:
        return await journal.record(self._database, ref, outcome, self._now())

    @override
    async def effects(self, session_id: str, turn_id: str, after: int = 0) -> Sequence[Effect]:
        return await journal.effects(self._database, session_id, turn_id, after)

    @override
    async def commit(self, commit: Commit) -> CommitReceipt:
        return await commits.commit(self._group, commit, self._now())

    @override
    async def adopt(self, commit: Commit, past: Past) -> CommitReceipt:
        return await transfer.adopt(self._database, commit, past, self._now())

    @override
    async def load_pages(self, session_id: str, scope: ReadScope) -> AsyncIterator[SessionPage]:
        async for page in transfer.pages(self._database, session_id, scope):
            yield page

    @override
    async def receipt(self, session_id: str, operation_id: str) -> CommitReceipt | None:
        return await commits.receipt(self._database, session_id, operation_id)

    @override
    async def head(self, session_id: str) -> Head | None:
        row = await self._database.row(SQL["head"], {"session_id": session_id})
        return sessions.head(row) if row else None

    @override
    async def heads(self, after: str = "", limit: int = 100) -> Sequence[Head]:
        page = await self._database.rows(SQL["heads"], {"after": after, "limit": limit})
        return [sessions.head(row) for row in page]

    @override
    async def load(
        self, session_id: str, scope: ReadScope, leaf: str | None = None
    ) -> SessionRead | None:
        return await self._database.read(
            lambda connection: graph_reads.load(connection, session_id, scope, leaf)
        )

    @override
    async def node(self, session_id: str, node_id: str) -> Node | None:
        return await self._database.once(
            lambda connection: graph_reads.node(connection, session_id, node_id)
        )

    @override
    async def newest_message(self, session_id: str) -> str | None:
        return await self._database.once(
            lambda connection: graph_reads.newest_message(connection, session_id)
        )

    @override
    async def orphaned_node_ids(self, session_id: str) -> Sequence[str]:
        return await self._database.once(
            lambda connection: lifetimes.orphaned_node_ids(connection, session_id)
        )

    @override
    async def tombstone_nodes(self, session_id: str, node_ids: Sequence[str]) -> int:
        return await self._database.write(
            lambda connection: lifetimes.tombstone_nodes(connection, session_id, node_ids)
        )

    @override
    async def fork(self, session_id: str, node_id: str, new_session_id: str) -> Head:
        async def work(connection: Connection) -> Head:
            now = await sessions.now(connection, self._now())
            return await lifetimes.fork(connection, session_id, node_id, new_session_id, now)

        return await self._database.write(work)

    @override
    async def delete(self, session_id: str) -> None:
        async def work(connection: Connection) -> None:
            now = await sessions.now(connection, self._now())
            await lifetimes.delete(connection, session_id, now)

        await self._database.write(work)

    @override
    async def usage(self, session_id: str) -> Sequence[UsageEntry]:
        ledger = await self._database.rows(SQL["usage"], {"session_id": session_id})
        return [sessions.ledger_entry(row) for row in ledger]

    @override
    async def begin_attachment(self, intent: AttachmentIntent) -> StoredAttachment:
        async def work(connection: Connection) -> StoredAttachment:
            now = await sessions.now(connection, self._now())
            return await attachments.begin(connection, intent, now)

        return await self._database.write(work)

    @override
    async def attachment(self, session_id: str, attachment_id: str) -> StoredAttachment | None:
        return await self._database.once(
            lambda connection: attachments.find(connection, session_id, attachment_id)
        )

    @override
    async def attachments(self, session_id: str) -> Sequence[StoredAttachment]:
        return await self._database.once(
            lambda connection: attachments.of_session(connection, session_id)
        )

    @override
    async def drop_attachment(
        self, session_id: str, attachment_id: str, fencing_token: int
    ) -> bool:
        return await self._database.write(
            lambda connection: attachments.drop(
                connection, session_id, attachment_id, fencing_token
            )
        )

    @override
    async def keys_in_use(self, blob_keys: Sequence[str]) -> set[str]:
        return await self._database.once(
            lambda connection: attachments.keys_in_use(connection, blob_keys)
        )

    @override
    async def has_attachments(self) -> bool:
        return await self._database.once(attachments.has_any)

    @override
    async def forget_intents(self, before: datetime, limit: int) -> int:
        return await self._database.write(
            lambda connection: attachments.forget_intents(connection, before, limit)
        )

    @override
    async def reclaim_journals(self, before: datetime, limit: int) -> int:
        async def work(connection: Connection) -> int:
            now = await sessions.now(connection, self._now())
            return await upkeep.reclaim_journals(connection, before, limit, now)

        return await self._database.write(work)

    @override
    async def forget_receipts(self, before: datetime, limit: int) -> int:
        return await self._database.write(
            lambda connection: upkeep.forget_receipts(connection, before, limit)
        )

    @override
    async def tombstone_orphans(self, session_id: str, before: datetime, limit: int) -> int:
        return await self._orphans.tombstone(session_id, before, limit)

    @override
    async def vacuum(self, limit: int = 1_000) -> Vacuumed:
        return await self._database.write(lambda connection: upkeep.vacuum(connection, limit))

    @override
    async def check(self) -> AsyncIterator[Problem]:
        async for page in self.check_pages():
            for problem in page.problems:
                yield problem

    @override
    async def check_pages(self) -> AsyncIterator[CheckedPage]:
        for pager, start in checks.PAGERS:
            after: checks.Place | None = start
            while after is not None:
                page, after = await self._database.read(partial(pager, after=after))
                yield page

    @override
    async def stats(self) -> dict[str, int]:
        return await self._database.read(checks.stats)

    @override
    async def close(self) -> None:
        await self._group.close()
        await self._database.close()

    def _now(self) -> datetime | None:
        """Return the given clock's time; None leaves it to the server's."""
        return self._clock.now() if self._clock else None
