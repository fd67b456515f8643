"""Owners, zombies, crashes, clock jumps and upkeep in any order, against a model of the laws."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import (
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from sojourn import ids
from sojourn.errors import (
    EffectSettled,
    LeaseHeld,
    LeaseLost,
    OperationConflict,
    SessionDeleted,
)
from sojourn.journal import model_key
from sojourn.lease import LeaseOwner
from sojourn.testing.conformance import profile
from sojourn.testing.conformance.making import (
    ALICE,
    ALICE_REBORN,
    BOB,
    DAY,
    TTL,
    answer,
    attachment,
    chain,
    commit_of,
    intent,
    opening,
    problems,
    ref,
    wish,
)
from sojourn.testing.conformance.model import ModelNode, ModelSession
from sojourn.testing.conformance.scene import Scene, Tried
from sojourn.testing.conformance.suite import StoreOpener

OWNERS = st.sampled_from([ALICE, ALICE, ALICE, ALICE_REBORN, BOB])
EXECUTORS = st.sampled_from(["e1", "e2"])
TURNS = st.sampled_from(["t1", "t2", "t3"])
SESSIONS = st.sampled_from(["s", "s", "f", "g", "x"])
BODIES = st.sampled_from([b"picture", b"sound"])
PICK = st.integers(0, 1000)
BACK = st.sampled_from([0, 0, 0, 1, 2, 5])  # how many leases ago: zombies are among them
DONE = {"input_digest": ids.digest(b"hello")}


class StoreMachine(Scene):
    """A few sessions, any number of holders that may have been superseded, and time."""

    @precondition(lambda self: self.tried.is_durable)
    @rule()
    def restart(self) -> None:
        """Close the store and open it again."""
        self.kept.close()
        self.store = self.kept.open()

    @rule(seconds=st.sampled_from([1, 15, 29, 30, 31, -20]))
    def wait(self, seconds: int) -> None:
        """Let time go by, or the clock jump back."""
        self.clock.advance(timedelta(seconds=seconds))

    @rule(name=SESSIONS, owner=OWNERS, executor=EXECUTORS)
    def claim(self, name: str, owner: LeaseOwner, executor: str) -> None:
        """Anybody may try."""
        session = self.session(name)
        call = self.store.claim(wish(owner, executor, name))
        if why := self.refusal(session, owner):
            self.refused(call, why)
            return
        session.take(owner, executor, self.clock.now())
        self.granted(session, self.run(call))

    @rule(name=SESSIONS, owner=OWNERS, turn=TURNS)
    def open_turn(self, name: str, owner: LeaseOwner, turn: str) -> None:
        """A turn begins, goes on after a crash, or is asked for again."""
        session = self.session(name)
        call = self.store.open_turn(opening(turn, owner=owner, session=name))
        if not session.is_deleted and turn in session.receipts:
            receipt = self.run(call).receipt
            assert receipt is not None
            assert receipt.head_revision == session.receipts[turn]
        elif why := self.refusal(session, owner):
            self.refused(call, why)
        else:
            session.take(owner, turn, self.clock.now())
            session.open_turn(turn)
            opened = self.run(call)
            assert opened.lease is not None
            self.granted(session, opened.lease)

    @precondition(lambda self: self.leases)
    @rule(back=BACK)
    def renew(self, back: int) -> None:
        """The holder renews, or a zombie tries to."""
        lease, session = self.lease(back)
        call = self.store.renew(lease, TTL)
        why = self.fence(session, lease) or (LeaseLost if session.released else None)
        if why:
            self.refused(call, why)
            return
        session.expires_at = max(self.clock.now() + TTL, session.expires_at)
        assert self.run(call).fencing_token == lease.fencing_token

    @precondition(lambda self: self.leases)
    @rule(back=BACK)
    def release(self, back: int) -> None:
        """The holder lets go, or a zombie thinks that it does."""
        lease, session = self.lease(back)
        self.run(self.store.release(lease))
        session.released |= lease.fencing_token == session.token

    @precondition(lambda self: self.leases)
    @rule(back=BACK, body=BODIES)
    def work(self, back: int, body: bytes) -> None:
        """A turn records an answer and announces an attachment, or a zombie tries to."""
        lease, session = self.lease(back)
        turn, key = lease.executor_id, f"k{len(self.keys) + len(self.swept)}"
        record = self.store.record_effect(ref(lease, model_key(1), turn), answer())
        begin = self.store.begin_attachment(intent(lease, key, body))
        why = self.fence(session, lease)
        if why is None and turn not in session.journals:
            why = EffectSettled
        if why:
            self.refused(record, why)
            self.refused(begin, why)
            return
        self.run(record)
        self.keys.add(self.run(begin).blob_key)
        session.announce(attachment(body).attachment_id, turn)

    @precondition(lambda self: self.leases)
    @rule(back=BACK, behind=st.sampled_from([0, 0, 0, 1]), releases=st.booleans())
    def commit(self, back: int, behind: int, *, releases: bool) -> None:
        """The holder commits a node, on the head or behind it, or a zombie tries to."""
        lease, session = self.lease(back)
        name = f"n{len(self.commits)}"
        operation = lease.executor_id if lease.executor_id in session.journals else name
        changes = {"operation_id": operation, "release": releases, "result": DONE}
        nodes = chain(session.leaf, name)
        commit = commit_of(lease, session.revision - behind, *nodes, **changes)
        parent, now = session.leaf, self.clock.now()
        if self.lands(session, lease, commit):
            self.model.nodes[name] = ModelNode(name, session.session_id, parent, now)

    @rule(name=SESSIONS, owner=OWNERS)
    def grow(self, name: str, owner: LeaseOwner) -> None:
        """Most turns are claimed, committed and released without ado."""
        before = len(self.leases)
        self.claim(name, owner, f"e{before}")
        if len(self.leases) > before:
            self.commit(0, 0, releases=True)

    @precondition(lambda self: self.leases)
    @rule(back=BACK, to=PICK)
    def checkout(self, back: int, to: int) -> None:
        """The holder goes to another node that it sees, or a zombie tries to."""
        lease, session = self.lease(back)
        graph = self.model.graph(session)
        leaf = graph[to % len(graph)] if graph else None
        name = f"move-{len(self.commits)}"
        changes = {"operation_id": name, "leaf": leaf, "is_turn": False}
        self.lands(session, lease, commit_of(lease, session.revision, **changes))

    @precondition(lambda self: self.commits)
    @rule(pick=PICK, changed=st.booleans())
    def replay(self, pick: int, changed: bool) -> None:
        """Anybody whose commit had landed asks again, with the same content or another."""
        commit = self.commits[pick % len(self.commits)]
        session = self.model.sessions[commit.session_id]
        if session.is_deleted:
            self.refused(self.store.commit(commit), SessionDeleted)
        elif changed:
            other = replace(commit, result={"status": "other"})
            self.refused(self.store.commit(other), OperationConflict)
        else:
            receipt = self.run(self.store.commit(commit))
            first = session.receipts[commit.operation_id]
            assert (receipt.head_revision, receipt.replayed) == (first, True)

    @rule(pick=PICK, to=PICK, name=st.sampled_from(["f", "g"]))
    def fork(self, pick: int, to: int, name: str) -> None:
        """A session is forked at any node that it sees, once for each name."""
        sources = [session for session in self.model.live() if self.model.graph(session)]
        if not sources or name in self.model.sessions:
            return
        source = sources[pick % len(sources)]
        graph = self.model.graph(source)
        node_id = graph[to % len(graph)]
        head = self.run(self.store.fork(source.session_id, node_id, name))
        made = ModelSession(name, revision=head.head_revision, leaf=node_id, origin=node_id)
        self.model.sessions[name] = made
        lease = self.run(self.store.claim(wish(session=name)))
        made.take(ALICE, "t1", self.clock.now())
        self.granted(made, lease)

    @precondition(lambda self: self.model.live())
    @rule(pick=PICK)
    def delete(self, pick: int) -> None:
        """A session that nobody holds is deleted."""
        session = self.model.live()[pick % len(self.model.live())]
        call = self.store.delete(session.session_id)
        if session.is_live(self.clock.now()):
            self.refused(call, LeaseHeld)
            return
        self.run(call)
        session.is_deleted = True

    @rule(limit=st.sampled_from([1, 3, 100]))
    def keep_up(self, limit: int) -> None:
        """Upkeep comes by: whatever it may remove is removed, and nothing else."""
        bound = self.clock.now() + DAY
        for session in self.model.live():
            doomed = self.run(self.store.tombstone_orphans(session.session_id, bound, limit))
            assert doomed == self.model.prune(session, bound, limit)
        given_up = sum(each.give_up(self.clock.now()) for each in self.model.live())
        assert self.run(self.store.reclaim_journals(bound, 1_000)) == given_up
        self.run(self.store.forget_intents(bound, 1_000))
        for session in self.model.live():
            session.forget()
        used = self.run(self.store.keys_in_use(sorted(self.keys)))
        self.swept |= self.keys - used
        self.keys = used
        self.run(self.store.vacuum(limit))
        assert self.run(problems(self.store)) == []

    @invariant()
    def the_store_is_as_the_model_says(self) -> None:
        """After every step: who is there, where they stand, what they hold, who holds them."""
        heads = self.run(self.store.heads())
        live = sorted(self.model.live(), key=lambda session: session.session_id)
        assert [
            (head.session_id, head.head_revision, head.leaf, head.turn_count) for head in heads
        ] == [(each.session_id, each.revision, each.leaf, each.turns) for each in live]
        for session in live:
            self.check(session)
        assert not self.swept & self.keys


def test_holders_and_zombies_obey_the_laws(
    open_store: StoreOpener, folder: Path, *, durable: bool
) -> None:
    """Whatever is tried in whatever order, the store is where the model is."""

    class Machine(StoreMachine):
        tried = Tried(open_store, folder, durable)

    run_state_machine_as_test(Machine, settings=profile.chosen())
