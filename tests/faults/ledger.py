"""What writers were told, held against what a store has: the laws of every fault."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sojourn.errors import InvalidInput, SessionDeleted
from sojourn.journal import EffectStatus
from sojourn.ports import SessionStore
from sojourn.reads import ReadScope, SessionRead
from tests.faults.steps import EFFECTS, OF_OPEN_TURNS, Kind, Step, Told, body, done


@dataclass
class Ledger:
    """Steps in the order in which they were sent, with the answers of those that were answered."""

    answers: dict[Step, int | None] = field(default_factory=dict[Step, int | None])

    @classmethod
    def of(cls, told: Iterable[Told]) -> Ledger:
        """Return the ledger of what was told."""
        ledger = cls()
        ledger.extend(told)
        return ledger

    def extend(self, told: Iterable[Told]) -> None:
        """Enter more of what was told."""
        self.answers |= {one.step: one.answer for one in told}

    def steps(self, *kinds: Kind) -> list[Step]:
        """Return the steps of some kinds."""
        return [step for step in self.answers if step.kind in kinds]

    def is_answered(self, step: Step) -> bool:
        """Tell whether a step was acknowledged."""
        return self.answers[step] is not None

    async def check(self, store: SessionStore) -> None:
        """Let a store pass only if it is sound, and has all that was acknowledged, once."""
        await check_sound(store)
        landed = await self.landed(store)
        for step in self.steps(Kind.COMMIT):
            assert step in landed or not self._is_due(step), f"lost: {step}"
        await self._check_sessions(store, landed)
        await self._check_journals(store, {step.name for step in landed})
        await self._check_attachments(store, {step.name for step in landed})
        await self._check_ends(store)

    async def check_prefix(self, store: SessionStore) -> int:
        """Let a store pass if it is sound and has the first commits whole; return how many lack."""
        await check_sound(store)
        landed = await self.landed(store)
        await self._check_sessions(store, landed)
        due = [step for step in self.steps(Kind.COMMIT) if self._is_due(step)]
        there = [step in landed for step in due]
        assert there == sorted(there, reverse=True), "a commit is lost, and a later one is not"
        return there.count(False)

    async def send_again(self, store: SessionStore, steps: Iterable[Step] | None = None) -> None:
        """Send steps once more, all by default, as a client does that has lost the answers."""
        token = dict[str, int]()
        for step in list(self.answers) if steps is None else steps:
            if step.kind in OF_OPEN_TURNS and not token.get(step.name):
                continue  # its turn is settled
            try:
                self.answers[step] = await done(store, step, token.get(step.name, 0))
            except SessionDeleted:
                assert self._was_sent(Kind.DELETE, {step.session, step.name})
            except InvalidInput:
                assert step.kind is Kind.FORK
                head = await store.head(step.name)
                self.answers[step] = self.answers[step] or (head.head_revision if head else None)
            if step.kind in (Kind.OPEN, Kind.CLAIM):
                token[step.name] = self.answers[step] or 0

    async def landed(self, store: SessionStore) -> dict[Step, int]:
        """Return the commits that have a receipt, with the revisions that these name."""
        found: dict[Step, int] = {}
        for step in self.steps(Kind.COMMIT):
            receipt = await store.receipt(step.session, step.name)
            if receipt is not None:
                assert (receipt.head_revision, receipt.leaf) == (step.revision + 1, step.leaf)
                found[step] = receipt.head_revision
        return found

    def _was_sent(self, kind: Kind, sessions: set[str]) -> bool:
        return any(step.session in sessions for step in self.steps(kind))

    def _is_due(self, step: Step) -> bool:
        return self.is_answered(step) and not self._was_sent(Kind.DELETE, {step.session})

    def _first_revision(self, session: str) -> int | None:
        """Return the head revision that a session begins with, if that is known."""
        for step in self.steps(Kind.FORK):
            if step.name == session:
                return self.answers[step]
        return 0

    async def _check_sessions(self, store: SessionStore, landed: dict[Step, int]) -> None:
        for session in {step.session: None for step in self.steps(Kind.COMMIT)}:
            read = await store.load(session, ReadScope.FULL_GRAPH)
            own = [step for step in landed if step.session == session]
            if read is None:
                assert own == []
                continue
            first = self._first_revision(session)
            assert first is None or read.head.head_revision == first + len(own)
            assert read.head.turn_count == sum(step.is_turn for step in own)
            assert read.head.usage.input_tokens == len(own)
            self._check_nodes(session, read, own)

    def _check_nodes(self, session: str, read: SessionRead, own: list[Step]) -> None:
        """Let pass only the nodes of the commits that landed, once each, but what was removed."""
        there = [node.node_id for node in read.nodes if node.node_id.startswith(session + ".")]
        assert len(there) == len(set(there))
        written = {node for step in own for node in step.nodes}
        assert set(there) <= written
        doomed = {node for step in self.steps(Kind.TOMBSTONE) for node in step.nodes}
        assert written - doomed <= set(there)
        assert all(node.body == body(node.node_id) for node in read.nodes)

    async def _check_journals(self, store: SessionStore, settled: set[str]) -> None:
        for step in self.steps(*EFFECTS):
            journal = await store.effects(step.session, step.name)
            found = {effect.effect_key: effect for effect in journal}
            if step.name in settled:
                assert not journal, f"a journal outlived its commit: {step}"
            elif self._is_due(step):
                assert step.key in found, f"lost: {step}"
            effect = found.get(step.key)
            if effect is not None and effect.status is EffectStatus.DONE:
                assert effect.payload == body(step.key)

    async def _check_attachments(self, store: SessionStore, settled: set[str]) -> None:
        """A commit makes permanent what its turn wrote; nothing else does."""
        for step in filter(self._is_due, self.steps(Kind.ATTACH)):
            stored = await store.attachment(step.session, step.key)
            assert stored is not None, f"lost: {step}"
            wrote = [at.name for at in self.steps(Kind.ATTACH) if at.session == step.session]
            assert stored.is_committed == (not settled.isdisjoint(wrote))

    async def _check_ends(self, store: SessionStore) -> None:
        """What was forked is there, what was removed is not, and no token is given twice."""
        for step in filter(self.is_answered, self.steps(Kind.FORK)):
            gone = self._was_sent(Kind.DELETE, {step.name})
            assert gone or await store.head(step.name), f"lost: {step}"
        for step in filter(self.is_answered, self.steps(Kind.DELETE)):
            assert await store.head(step.session) is None, f"it came back: {step}"
        for step in filter(self.is_answered, self.steps(Kind.TOMBSTONE)):
            for node in step.nodes:
                assert await store.node(step.session, node) is None, f"it came back: {step}"
        for step in filter(self._is_due, self.steps(Kind.OPEN, Kind.CLAIM)):
            lease = await store.lease(step.session)
            assert lease is not None
            assert lease.fencing_token >= (self.answers[step] or 0), f"a token is lost: {step}"


async def check_sound(store: SessionStore) -> None:
    """Let a store pass only if it finds nothing wrong with itself."""
    assert [problem async for problem in store.check()] == []
