"""The SQLite store: one file, many sessions, one writer connection and one for reading."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Self

from typing_extensions import override

from sojourn.adapters import rules
from sojourn.adapters.sqlite import (
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
)
from sojourn.adapters.sqlite.connection import GROUP_LIMIT, Connection
from sojourn.adapters.sqlite.schema import Synchronous
from sojourn.adapters.sqlite.upkeep import Upkeep
from sojourn.attachment import AttachmentIntent, StoredAttachment
from sojourn.clock import Clock, SystemClock
from sojourn.commit import Commit, CommitReceipt, content_hash
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


class SqliteStore(SessionStore, PagedCheck):
    """Sessions in a SQLite file; `ports.SessionStore` says what each method keeps.

    Writes share one connection and its flushes; reads have their own and never wait for writes.
    """

    def __init__(self, writer: Connection, reader: Connection, clock: Clock) -> None:
        self._writer = writer
        self._reader = reader
        self._clock = clock
        self._upkeep = Upkeep(writer, reader, clock)

    @classmethod
    async def open(
        cls,
        path: str,
        *,
        clock: Clock | None = None,
        synchronous: Synchronous = Synchronous.FULL,
    ) -> Self:
        """Open the file at `path`, making it if there is none; its folder must exist.

        Raises:
            StoreUnusable: it cannot be opened or written, or is not a session store.
            SchemaTooNew: a newer Sojourn wrote it.
        """
        url, clock = f"sqlite:///{path}", clock or SystemClock()
        now = clock.now()

        def open_writer() -> sqlite3.Connection:
            return schema.open_writer(path, url, synchronous, now)

        writer = Connection(open_writer, url, "BEGIN IMMEDIATE", GROUP_LIMIT)
        reader = Connection(lambda: schema.open_reader(path, url), url, "BEGIN", group_limit=1)
        await writer.opened()
        try:
            await reader.opened()
        except BaseException:
            await writer.close()
            raise
        return cls(writer, reader, clock)

    @override
    async def claim(self, wish: Claim) -> Lease:
        return await self._writer.transact(lambda db: leases.claim(db, wish, self._clock.now()))

    @override
    async def renew(self, lease: Lease, ttl: timedelta) -> Lease:
        return await self._writer.transact(
            lambda db: leases.renew(db, lease, ttl, self._clock.now())
        )

    @override
    async def release(self, lease: Lease) -> None:
        await self._writer.transact(lambda db: leases.release(db, lease))

    @override
    async def lease(self, session_id: str) -> Lease | None:
        return await self._reader.transact(lambda db: leases.stored(db, session_id))

    @override
    async def open_turn(self, opening: TurnOpening) -> OpenTurn:
        return await self._writer.transact(
            lambda db: journal.open_turn(db, opening, self._clock.now())
        )

    @override
    async def start_effect(self, ref: EffectRef, attempt_id: str) -> Effect:
        return await self.record_effect(ref, rules.started(attempt_id))

    @override
    async def record_effect(self, ref: EffectRef, outcome: Outcome) -> Effect:
        return await self._writer.transact(
            lambda db: journal.record_effect(db, ref, outcome, self._clock.now())
        )

    @override
    async def effects(self, session_id: str, turn_id: str, after: int = 0) -> Sequence[Effect]:
        return await self._reader.transact(
            lambda db: journal.effects(db, session_id, turn_id, after)
        )

    @override
    async def commit(self, commit: Commit) -> CommitReceipt:
        content = content_hash(commit)
        return await self._writer.transact(
            lambda db: commits.commit(db, commit, content, self._clock.now())
        )

    @override
    async def adopt(self, commit: Commit, past: Past) -> CommitReceipt:
        return await self._writer.transact(
            lambda db: transfer.adopt(db, commit, past, self._clock.now())
        )

    @override
    async def load_pages(self, session_id: str, scope: ReadScope) -> AsyncIterator[SessionPage]:
        async for page in transfer.pages(self._reader, session_id, scope):
            yield page

    @override
    async def receipt(self, session_id: str, operation_id: str) -> CommitReceipt | None:
        return await self._reader.transact(lambda db: commits.receipt(db, session_id, operation_id))

    @override
    async def head(self, session_id: str) -> Head | None:
        return await self._reader.transact(lambda db: sessions.head(db, session_id))

    @override
    async def heads(self, after: str = "", limit: int = 100) -> Sequence[Head]:
        return await self._reader.transact(lambda db: sessions.heads(db, after, limit))

    @override
    async def load(
        self, session_id: str, scope: ReadScope, leaf: str | None = None
    ) -> SessionRead | None:
        return await self._reader.transact(lambda db: graph_reads.load(db, session_id, scope, leaf))

    @override
    async def node(self, session_id: str, node_id: str) -> Node | None:
        return await self._reader.transact(lambda db: graph_reads.node(db, session_id, node_id))

    @override
    async def newest_message(self, session_id: str) -> str | None:
        return await self._reader.transact(lambda db: graph_reads.newest_message(db, session_id))

    @override
    async def orphaned_node_ids(self, session_id: str) -> Sequence[str]:
        return await self._reader.transact(lambda db: lifetimes.orphaned_node_ids(db, session_id))

    @override
    async def tombstone_nodes(self, session_id: str, node_ids: Sequence[str]) -> int:
        return await self._upkeep.tombstone_nodes(session_id, node_ids)

    @override
    async def tombstone_orphans(self, session_id: str, before: datetime, limit: int) -> int:
        return await self._upkeep.tombstone_orphans(session_id, before, limit)

    @override
    async def reclaim_journals(self, before: datetime, limit: int) -> int:
        return await self._upkeep.reclaim_journals(before, limit)

    @override
    async def forget_receipts(self, before: datetime, limit: int) -> int:
        return await self._upkeep.forget_receipts(before, limit)

    @override
    async def forget_intents(self, before: datetime, limit: int) -> int:
        return await self._upkeep.forget_intents(before, limit)

    @override
    async def vacuum(self, limit: int = 1_000) -> Vacuumed:
        return await self._upkeep.vacuum(limit)

    async def rewrite(self) -> int:
        """Write the file anew without its free pages; return how many bytes it lost.

        Writers wait. A file that schema version 1 made needs it once, for `vacuum` to shrink it.
        """
        before = await self.stats()
        await self._writer.alone("PRAGMA auto_vacuum = INCREMENTAL")
        await self._writer.alone("VACUUM")
        await self._writer.alone("PRAGMA wal_checkpoint(TRUNCATE)")
        return before["size_bytes"] - (await self.stats())["size_bytes"]

    @override
    async def begin_attachment(self, intent: AttachmentIntent) -> StoredAttachment:
        return await self._writer.transact(
            lambda db: attachments.begin(db, intent, self._clock.now())
        )

    @override
    async def attachment(self, session_id: str, attachment_id: str) -> StoredAttachment | None:
        return await self._reader.transact(
            lambda db: attachments.find(db, session_id, attachment_id)
        )

    @override
    async def attachments(self, session_id: str) -> Sequence[StoredAttachment]:
        return await self._reader.transact(lambda db: attachments.own(db, session_id))

    @override
    async def drop_attachment(
        self, session_id: str, attachment_id: str, fencing_token: int
    ) -> bool:
        return await self._writer.transact(
            lambda db: attachments.drop(db, session_id, attachment_id, fencing_token)
        )

    @override
    async def keys_in_use(self, blob_keys: Sequence[str]) -> set[str]:
        return await self._reader.transact(lambda db: attachments.keys_in_use(db, blob_keys))

    @override
    async def has_attachments(self) -> bool:
        return await self._reader.transact(attachments.is_any)

    @override
    async def fork(self, session_id: str, node_id: str, new_session_id: str) -> Head:
        return await self._writer.transact(
            lambda db: lifetimes.fork(db, session_id, node_id, new_session_id, self._clock.now())
        )

    @override
    async def delete(self, session_id: str) -> None:
        await self._writer.transact(lambda db: lifetimes.delete(db, session_id, self._clock.now()))

    @override
    async def usage(self, session_id: str) -> Sequence[UsageEntry]:
        return await self._reader.transact(lambda db: sessions.ledger(db, session_id))

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
                page, after = await self._reader.transact(partial(pager, after=after))
                yield page

    @override
    async def stats(self) -> dict[str, int]:
        return await self._reader.transact(checks.stats)

    @override
    async def close(self) -> None:
        # One after the other: the last to leave puts the log away, and must know that it is.
        await self._reader.close()
        await self._writer.close()
