"""Several owners, executors and zombies against a model of the laws, on every store."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from typing_extensions import override

from sojourn.adapters.open import open_store
from sojourn.clock import ManualClock
from sojourn.commit import Commit
from sojourn.errors import HeadConflict, LeaseHeld, LeaseLost, OperationConflict
from sojourn.lease import Lease, LeaseOwner
from sojourn.ports import SessionStore
from sojourn.reads import ReadScope
from tests.store.making import ALICE, ALICE_REBORN, BOB, TTL, chain, commit_of, path_ids, wish

OWNERS = st.sampled_from([ALICE, ALICE_REBORN, BOB])
EXECUTORS = st.sampled_from(["e1", "e2", "e3"])
PICK = st.integers(0, 1000)


@dataclass
class Model:
    """What must be true of the one session."""

    token: int = 0
    owner: LeaseOwner | None = None
    executor: str = ""
    expires: timedelta = timedelta(0)
    released: bool = True
    now: timedelta = timedelta(0)
    path: list[str] = field(default_factory=list[str])
    revision: int = 0
    receipts: dict[str, int] = field(default_factory=dict[str, int])

    def refuses(self, owner: LeaseOwner) -> bool:
        """Tell whether somebody else is at it."""
        return owner != self.owner and not self.released and self.expires > self.now

    def reenters(self, owner: LeaseOwner, executor: str) -> bool:
        """Tell whether it is the same holder again."""
        return (self.owner, self.executor, self.released) == (owner, executor, False)


class StoreMachine(RuleBasedStateMachine):
    """One session, any number of holders that may have been superseded, and time."""

    kind = "memory"

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp(prefix="sojourn-machine-"))
        self.clock = ManualClock()
        self.model = Model()
        self.leases: list[Lease] = []
        self.commits: list[Commit] = []
        self.store: SessionStore

    @override
    def teardown(self) -> None:
        self.runner.run(self.store.close())
        self.runner.close()
        shutil.rmtree(self.folder)

    def _open(self) -> None:
        path = {"memory": "", "sqlite": f"/{self.folder}/s.db?synchronous=normal"}[self.kind]
        self.store = self.runner.run(open_store(f"{self.kind}://{path}", clock=self.clock))

    @initialize()
    def begin(self) -> None:
        """Open an empty store."""
        self._open()

    @precondition(lambda self: self.kind == "sqlite")
    @rule()
    def restart(self) -> None:
        """Close the file and open it again."""
        self.runner.run(self.store.close())
        self._open()

    @rule(seconds=st.sampled_from([1, 15, 29, 30, 31]))
    def wait(self, seconds: int) -> None:
        """Let time go by."""
        self.clock.advance(timedelta(seconds=seconds))
        self.model.now += timedelta(seconds=seconds)

    @rule(owner=OWNERS, executor=EXECUTORS)
    def claim(self, owner: LeaseOwner, executor: str) -> None:
        """Anybody may try."""
        model = self.model
        if model.refuses(owner):
            with pytest.raises(LeaseHeld):
                self.runner.run(self.store.claim(wish(owner, executor)))
            return
        lease = self.runner.run(self.store.claim(wish(owner, executor)))
        model.token += not model.reenters(owner, executor)
        model.owner, model.executor, model.released = owner, executor, False
        model.expires = model.now + TTL
        assert lease.fencing_token == model.token
        self.leases.append(lease)

    @precondition(lambda self: self.leases)
    @rule(pick=PICK)
    def renew(self, pick: int) -> None:
        """The holder renews, or a zombie tries to."""
        lease = self.leases[pick % len(self.leases)]
        if lease.fencing_token != self.model.token or self.model.released:
            with pytest.raises(LeaseLost):
                self.runner.run(self.store.renew(lease, TTL))
            return
        renewed = self.runner.run(self.store.renew(lease, TTL))
        self.model.expires = self.model.now + TTL
        assert renewed.fencing_token == lease.fencing_token

    @precondition(lambda self: self.leases)
    @rule(pick=PICK)
    def release(self, pick: int) -> None:
        """The holder lets go, or a zombie thinks that it does."""
        lease = self.leases[pick % len(self.leases)]
        self.runner.run(self.store.release(lease))
        self.model.released |= lease.fencing_token == self.model.token

    @precondition(lambda self: self.leases)
    @rule(pick=PICK, behind=st.sampled_from([0, 0, 0, 1]), releases=st.booleans())
    def commit(self, pick: int, behind: int, releases: bool) -> None:
        """The holder commits, on the head or behind it, or a zombie tries to."""
        model = self.model
        lease = self.leases[pick % len(self.leases)]
        name = f"n{len(self.commits)}"
        nodes = chain(model.path[-1] if model.path else None, name)
        commit = commit_of(
            lease, model.revision - behind, *nodes, operation_id=name, release=releases
        )
        self.commits.append(commit)
        if lease.fencing_token != model.token:
            self._refused(commit, LeaseLost)
        elif behind:
            self._refused(commit, HeadConflict)
        else:
            receipt = self.runner.run(self.store.commit(commit))
            model.revision += 1
            model.path.append(name)
            model.receipts[name] = model.revision
            model.released |= releases
            assert (receipt.head_revision, receipt.replayed) == (model.revision, False)

    @precondition(lambda self: self.model.receipts)
    @rule(pick=PICK, changed=st.booleans())
    def replay(self, pick: int, changed: bool) -> None:
        """Anybody whose commit had landed asks again, with the same content or another."""
        done = [commit for commit in self.commits if commit.operation_id in self.model.receipts]
        commit = done[pick % len(done)]
        if changed:
            self._refused(replace(commit, result={"status": "other"}), OperationConflict)
            return
        receipt = self.runner.run(self.store.commit(commit))
        first = self.model.receipts[commit.operation_id]
        assert (receipt.head_revision, receipt.replayed) == (first, True)

    @invariant()
    def the_store_is_as_the_model_says(self) -> None:
        """After every step: the path, the head, the lease."""
        head = self.runner.run(self.store.head("s"))
        lease = self.runner.run(self.store.lease("s"))
        model = self.model
        if head is None or lease is None:
            assert model.token == 0
            return
        assert self.runner.run(path_ids(self.store, ReadScope.FULL_GRAPH)) == model.path
        assert (head.head_revision, head.turn_count) == (model.revision, len(model.path))
        assert (lease.fencing_token, lease.owner, lease.executor_id, lease.released) == (
            model.token,
            model.owner,
            model.executor,
            model.released,
        )

    def _refused(self, commit: Commit, why: type[Exception]) -> None:
        with pytest.raises(why):
            self.runner.run(self.store.commit(commit))


class SqliteMachine(StoreMachine):
    """The same, on a file that is closed and opened in between."""

    kind = "sqlite"


@pytest.mark.parametrize(("machine", "examples"), [(StoreMachine, 60), (SqliteMachine, 25)])
def test_holders_and_zombies_obey_the_laws(machine: type[StoreMachine], examples: int) -> None:
    """Whatever is tried in whatever order, the store is where the model is."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            deadline=None,
            database=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
