"""What the machine stands on: a store, its clock, and the model of what must be in it."""

from __future__ import annotations

import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeVar

import pytest
from hypothesis.stateful import RuleBasedStateMachine
from typing_extensions import override

from sojourn.clock import ManualClock
from sojourn.commit import Commit
from sojourn.errors import HeadConflict, LeaseHeld, LeaseLost, SessionDeleted, StoreError
from sojourn.lease import Lease, LeaseOwner
from sojourn.reads import ReadScope
from sojourn.testing.conformance.keeping import KeptOpen
from sojourn.testing.conformance.model import Model, ModelSession
from sojourn.testing.conformance.suite import StoreOpener

T = TypeVar("T")


class Tried(NamedTuple):
    """The store that is tried: how it is opened, where its folders go, whether it lasts."""

    open_store: StoreOpener
    folder: Path
    is_durable: bool


class Scene(RuleBasedStateMachine):
    """Tries a call on the store, and holds it against the model."""

    tried: ClassVar[Tried]

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        folder = Path(tempfile.mkdtemp(dir=self.tried.folder))
        self.kept = KeptOpen(self.tried.open_store, self.clock, folder)
        self.store = self.kept.open()
        self.model = Model()
        self.leases: list[Lease] = []
        self.commits: list[Commit] = []
        self.keys: set[str] = set()
        self.swept: set[str] = set()

    @override
    def teardown(self) -> None:
        self.kept.end()

    def check(self, session: ModelSession) -> None:
        """Hold what can be read of a session against the model."""
        key = session.session_id
        read = self.run(self.store.load(key, ReadScope.FULL_GRAPH))
        lease = self.run(self.store.lease(key))
        rows = self.run(self.store.attachments(key))
        assert read is not None
        assert [node.node_id for node in read.nodes] == self.model.graph(session)
        assert lease is not None
        assert (lease.fencing_token, lease.owner, lease.executor_id, lease.released) == (
            session.token,
            session.owner,
            session.executor,
            session.released,
        )
        assert lease.expires_at == session.expires_at
        assert {
            row.attachment.attachment_id: (row.turn_id, row.is_committed) for row in rows
        } == session.attachments
        assert {row.blob_key for row in rows} <= self.keys

    def session(self, name: str) -> ModelSession:
        """Return a session of the model, as new as it may be."""
        return self.model.sessions.setdefault(name, ModelSession(name))

    def lease(self, back: int) -> tuple[Lease, ModelSession]:
        """Return the lease that was given `back` leases ago, and its session."""
        lease = self.leases[-1 - back % len(self.leases)]
        return lease, self.model.sessions[lease.session_id]

    def granted(self, session: ModelSession, lease: Lease) -> None:
        """Remember a lease, which has the token that the model says."""
        assert (lease.session_id, lease.fencing_token) == (session.session_id, session.token)
        self.leases.append(lease)

    def refusal(self, session: ModelSession, owner: LeaseOwner) -> type[StoreError] | None:
        """Return why an owner's claim is refused, if it is."""
        if session.is_deleted:
            return SessionDeleted
        return LeaseHeld if session.refuses(owner, self.clock.now()) else None

    def fence(self, session: ModelSession, lease: Lease) -> type[StoreError] | None:
        """Return why a lease may not write, if it may not."""
        if session.is_deleted:
            return SessionDeleted
        return None if lease.fencing_token == session.token else LeaseLost

    def lands(self, session: ModelSession, lease: Lease, commit: Commit) -> bool:
        """Commit, and tell whether the commit landed, as the model says it does or does not."""
        why = self.fence(session, lease)
        if why is None and commit.expected_head_revision != session.revision:
            why = HeadConflict
        if why:
            self.refused(self.store.commit(commit), why)
            return False
        receipt = self.run(self.store.commit(commit))
        self.commits.append(commit)
        session.commit(commit)
        assert (receipt.head_revision, receipt.replayed) == (session.revision, False)
        return True

    def refused(self, call: Coroutine[Any, Any, object], why: type[StoreError]) -> None:
        """Make a call that must be refused."""
        with pytest.raises(why):
            self.run(call)

    def run(self, call: Coroutine[Any, Any, T]) -> T:
        """Make a call."""
        return self.kept.runner.run(call)
