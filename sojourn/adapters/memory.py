"""The memory store: the readable reference. Nothing in it outlives the object.

No method awaits anything, so each is atomic as long as it checks everything before it writes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

from typing_extensions import override

from sojourn import ids
from sojourn import lease as leases
from sojourn.adapters import memory_checks, rules
from sojourn.adapters.memory_attachments import MemoryAttachments
from sojourn.adapters.memory_rows import Rows, Stored
from sojourn.adapters.memory_session import copied, read
from sojourn.adapters.memory_transfer import MemoryTransfer
from sojourn.adapters.memory_upkeep import MemoryUpkeep
from sojourn.clock import Clock, SystemClock
from sojourn.commit import (
    Commit,
    CommitReceipt,
    check_head,
    check_nodes,
    check_size,
    content_hash,
)
from sojourn.errors import InvalidInput, LeaseHeld, NodeReachable, UnknownNode
from sojourn.graph import Node
from sojourn.journal import INPUT_KEY, Effect, EffectRef, Outcome
from sojourn.lease import Claim, Lease
from sojourn.ports import SessionStore
from sojourn.reads import Head, OpenTurn, Problem, ReadScope, SessionRead, TurnOpening
from sojourn.usage import UsageEntry


class MemoryStore(MemoryAttachments, MemoryTransfer, MemoryUpkeep, SessionStore):
    """Sessions in dictionaries; `ports.SessionStore` says what each method keeps."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._rows = Rows()

    @override
    async def claim(self, wish: Claim) -> Lease:
        found = self._rows.find(wish.session_id)
        lease = leases.claim(found.lease if found else None, wish, self._clock.now())
        session = found or self._rows.create(wish.session_id, {}, self._clock.now())
        session.lease = lease
        return lease

    @override
    async def renew(self, lease: Lease, ttl: timedelta) -> Lease:
        session = self._rows.existing(lease.session_id)
        session.lease = leases.renew(session.lease, lease, ttl, self._clock.now())
        return session.lease

    @override
    async def release(self, lease: Lease) -> None:
        session = self._rows.readable(lease.session_id)
        if session is not None:
            session.lease = leases.release(session.lease, lease)

    @override
    async def lease(self, session_id: str) -> Lease | None:
        session = self._rows.readable(session_id)
        return session.lease if session else None

    @override
    async def open_turn(self, opening: TurnOpening) -> OpenTurn:
        wish, now = opening.claim, self._clock.now()
        found = self._rows.find(wish.session_id)
        if found is not None and opening.turn_id in found.receipts:
            receipt = found.replay(opening.turn_id)
            rules.check_input(opening, receipt.result.get("input_digest"))
            return OpenTurn(receipt, None, found.head())
        rules.check_history(opening, found.lease if found else None)
        lease = leases.claim(found.lease if found else None, wish, now)
        journal = found.journals.get(opening.turn_id) if found else None
        if journal is not None:
            rules.check_input(opening, journal.effects[INPUT_KEY].facts.get("digest"))
        session = found or self._rows.create(wish.session_id, opening.config, now)
        session.lease = lease
        if journal is None:
            ref = EffectRef(wish.session_id, opening.turn_id, INPUT_KEY, lease.fencing_token)
            session.save_effect(ref, rules.input_outcome(opening), now)
        return OpenTurn(None, lease, session.head(), session.effects(opening.turn_id, 0))

    @override
    async def start_effect(self, ref: EffectRef, attempt_id: str) -> Effect:
        return await self.record_effect(ref, rules.started(attempt_id))

    @override
    async def record_effect(self, ref: EffectRef, outcome: Outcome) -> Effect:
        session = self._rows.existing(ref.session_id)
        leases.check_fence(session.lease, ref.session_id, ref.fencing_token)
        journal = session.journals.get(ref.turn_id)
        rules.check_open(ref, journal is not None)
        current = journal.effects.get(ref.effect_key) if journal else None
        if current is not None and rules.stands(current, outcome):
            return read(current)
        return session.save_effect(ref, outcome, self._clock.now())

    @override
    async def effects(self, session_id: str, turn_id: str, after: int = 0) -> Sequence[Effect]:
        session = self._rows.readable(session_id)
        return session.effects(turn_id, after) if session else ()

    @override
    async def commit(self, commit: Commit) -> CommitReceipt:
        session = self._rows.existing(commit.session_id)
        content = content_hash(commit)
        if commit.operation_id in session.receipts:
            first = session.replay(commit.operation_id)
            return rules.replayed(commit, content, session.contents[commit.operation_id], first)
        leases.check_fence(session.lease, commit.session_id, commit.fencing_token)
        check_head(commit, session.head_revision)
        check_nodes(commit, self._rows.stored_for(session, commit))
        check_size(commit)
        snapshots = [state for state in (commit.tool_state, commit.plugin_state) if state]
        for snapshot in snapshots:
            rules.check_snapshot(commit, snapshot, snapshot.digest in self._rows.snapshots)
        config, result = copied(commit.config), copied(commit.result)

        now = self._clock.now()
        for new in commit.nodes:
            node = Node(new.node_id, new.parent_id, new.kind, new.body, commit.operation_id, now)
            self._rows.nodes[new.node_id] = Stored(node, commit.session_id)
        for snapshot in snapshots:
            if snapshot.body is not None:
                self._rows.snapshots.setdefault(snapshot.digest, snapshot.body)
        session.config = session.config if config is None else config
        return session.advance(commit, content, result or {}, now)

    @override
    async def receipt(self, session_id: str, operation_id: str) -> CommitReceipt | None:
        session = self._rows.readable(session_id)
        known = session is not None and operation_id in session.receipts
        return session.replay(operation_id) if session and known else None

    @override
    async def head(self, session_id: str) -> Head | None:
        session = self._rows.readable(session_id)
        return session.head() if session else None

    @override
    async def heads(self, after: str = "", limit: int = 100) -> Sequence[Head]:
        page = sorted(key for key in self._rows.live_ids() if key > after)[:limit]
        return [self._rows.sessions[key].head() for key in page]

    @override
    async def load(
        self, session_id: str, scope: ReadScope, leaf: str | None = None
    ) -> SessionRead | None:
        session = self._rows.readable(session_id)
        if session is None:
            return None
        if leaf is not None and not self._rows.sees(session, leaf):
            raise UnknownNode(session_id=session_id, node_id=leaf)
        head = session.head()
        nodes = self._rows.read(session, scope, leaf or session.leaf)
        return SessionRead(
            head=head,
            nodes=tuple(nodes),
            tool_state=self._rows.body_of(head.tool_state),
            plugin_state=self._rows.body_of(head.plugin_state),
        )

    @override
    async def node(self, session_id: str, node_id: str) -> Node | None:
        session = self._rows.readable(session_id)
        if session is None or not self._rows.sees(session, node_id):
            return None
        return self._rows.nodes[node_id].node

    @override
    async def newest_message(self, session_id: str) -> str | None:
        session = self._rows.readable(session_id)
        return self._rows.newest_message(session) if session else None

    @override
    async def orphaned_node_ids(self, session_id: str) -> Sequence[str]:
        if self._rows.readable(session_id) is None:
            return []
        held = self._rows.held()
        return [
            node_id
            for node_id, stored in self._rows.nodes.items()
            if stored.session_id == session_id and not stored.is_tombstoned and node_id not in held
        ]

    @override
    async def tombstone_nodes(self, session_id: str, node_ids: Sequence[str]) -> int:
        self._rows.existing(session_id)
        held, wanted = self._rows.held(), set(node_ids)
        doomed: dict[str, Stored] = {}
        for node_id, stored in self._rows.nodes.items():
            if stored.session_id != session_id or stored.is_tombstoned:
                continue
            if node_id in wanted and node_id in held:
                raise NodeReachable(node_id=node_id)
            if node_id in wanted or stored.node.parent_id in doomed:
                doomed[node_id] = stored
        for stored in doomed.values():
            stored.is_tombstoned = True
        return len(doomed)

    @override
    async def fork(self, session_id: str, node_id: str, new_session_id: str) -> Head:
        session = self._rows.existing(session_id)
        ids.checked("session", new_session_id)
        if self._rows.find(new_session_id) is not None:
            raise InvalidInput(reason=f"there is a session {new_session_id!r} already")
        if not self._rows.sees(session, node_id):
            raise UnknownNode(session_id=session_id, node_id=node_id)
        fork = self._rows.create(new_session_id, session.config, self._clock.now())
        fork.head_revision, fork.leaf, fork.origin = 1, node_id, node_id
        fork.family, fork.source = session.family, self._rows.nodes[node_id].session_id
        fork.tool_state, fork.plugin_state = session.tool_state, session.plugin_state
        return fork.head()

    @override
    async def delete(self, session_id: str) -> None:
        if session_id in self._rows.deleted:
            return
        lease = self._rows.existing(session_id).lease
        if lease is not None and lease.is_live(self._clock.now()):
            raise LeaseHeld(
                session_id=session_id, holder=str(lease.owner), expires_at=lease.expires_at
            )
        self._rows.delete(session_id)

    @override
    async def usage(self, session_id: str) -> Sequence[UsageEntry]:
        session = self._rows.readable(session_id)
        spent = session.usage if session else {}
        return [
            UsageEntry(source=source, model=model, usage=usage)
            for (source, model), usage in sorted(spent.items(), key=lambda item: item[0])
        ]

    @override
    async def check(self) -> AsyncIterator[Problem]:
        for problem in memory_checks.problems(self._rows):
            yield problem

    @override
    async def stats(self) -> dict[str, int]:
        return memory_checks.stats(self._rows)

    @override
    async def close(self) -> None:
        return
