"""Writers, crashes, forks, deletions, upkeep and sweeps, whose steps come in any order."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
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

from sojourn.adapters.blobs.memory import MemoryBlobs
from sojourn.adapters.open import open_store
from sojourn.attachments import SessionAttachments
from sojourn.clock import ManualClock
from sojourn.errors import EffectSettled, LeaseLost, SessionDeleted
from sojourn.journal import INPUT_KEY, Effect, EffectKind, EffectRef, EffectStatus, Outcome
from sojourn.lease import Lease
from sojourn.messages import CallStatus, FilePart, Message, tool_response
from sojourn.ports import SessionStore
from sojourn.sweep import sweep
from sojourn.testing.conformance.making import begun, chain, commit_of, head_of
from tests.attachments.making import TEXT, keys_of
from tests.attachments.stepping import Stepped

BODIES = [b"one", b"two"]
PICK = st.integers(0, 1000)
STEPS = st.sampled_from([0, 1, 2, 3, 5, 8, 20])
# No call runs longer, and no turn that was given up is younger.
BOUND = timedelta(hours=1)
NONE = timedelta(0)
# What a call may hear that comes too late.
REFUSALS = (LeaseLost, EffectSettled, SessionDeleted)


@dataclass
class Chat:
    """What is known of a session.

    Attributes:
        family: the session that it descends from, itself or another.
        lease: of its turn that was opened last.
        open: the turns that were begun and not committed.
        named: the attachments that its committed messages name.
        is_deleted: whether it is.
    """

    family: str
    lease: Lease | None = None
    open: set[str] = field(default_factory=set[str])
    named: set[str] = field(default_factory=set[str])
    is_deleted: bool = False


class AttachmentMachine(RuleBasedStateMachine):
    """Some sessions, their turns and calls that may stop anywhere; beside them, always a sweep."""

    kind = "memory"

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp(prefix="sojourn-machine-"))
        self.clock = ManualClock()
        self.blobs = MemoryBlobs(self.clock, page=1)
        self.chats: dict[str, Chat] = {}
        self.calls: list[Stepped] = []
        self.sweeper = Stepped()
        self.count = 0
        self.store: SessionStore

    @initialize()
    def begin(self) -> None:
        """Open an empty store with two sessions."""
        path = {"memory": "", "sqlite": f"/{self.folder}/s.db?synchronous=normal"}[self.kind]
        self.store = self.runner.run(open_store(f"{self.kind}://{path}", clock=self.clock))
        for name in ("a", "b"):
            self.chats[name] = Chat(name)
            self._open(name, f"{name}-first")

    @override
    def teardown(self) -> None:
        try:
            self.runner.run(self._settle())
        finally:
            self.runner.run(self.store.close())
            self.runner.close()
            shutil.rmtree(self.folder)

    @rule(pick=PICK, body=st.sampled_from(BODIES), steps=STEPS, sweeps=STEPS)
    def call_tool(self, pick: int, body: bytes, steps: int, sweeps: int) -> None:
        """The newest turn of a session calls a tool that keeps an attachment."""
        name, chat = self._live(pick)
        if chat.lease is None:
            return
        lease, call = chat.lease, Stepped(self._now())
        key = f"tool/1/c{self._next()}"

        async def work() -> None:
            attachments = SessionAttachments(
                call.on(self.store),
                call.on(self.blobs),
                name,
                lease.executor_id,
                lease.fencing_token,
            )
            made = await attachments.put(body, TEXT)
            said = tool_response(key, "keep", None, CallStatus.DONE, [made]).encode()
            ref = EffectRef(name, lease.executor_id, key, lease.fencing_token)
            outcome = Outcome(EffectKind.TOOL, EffectStatus.DONE, said)
            await call.on(self.store).record_effect(ref, outcome)

        self._start(call, work)
        self._steps(call, steps)
        self._sweep(sweeps)

    @precondition(lambda self: self.calls)
    @rule(pick=PICK, steps=STEPS, sweeps=STEPS)
    def go_on(self, pick: int, steps: int, sweeps: int) -> None:
        """A call takes some steps, and so does whoever sweeps."""
        self._steps(self.calls[pick % len(self.calls)], steps)
        self._sweep(sweeps)

    @precondition(lambda self: self.calls)
    @rule(pick=PICK)
    def crash(self, pick: int) -> None:
        """A call or a sweep ends where it stands."""
        self._kill(self.calls[pick % len(self.calls)])

    @rule(pick=PICK, which=PICK)
    def open_turn(self, pick: int, which: int) -> None:
        """A session's turn is left where it is, and another begins or an older one comes back."""
        name, chat = self._live(pick)
        turns = [*sorted(chat.open), f"{name}-{self._next()}"]
        self._open(name, turns[which % len(turns)])

    @rule(pick=PICK)
    def give_up(self, pick: int) -> None:
        """A session goes on without its open turns, and upkeep finds them old enough."""
        name, chat = self._live(pick)
        self._open(name, f"{name}-{self._next()}")
        self.commit(pick)
        self.wait(200)
        self.look_after(limit=100, journals=True, intents=True)
        chat.open.clear()

    @rule(pick=PICK)
    def commit(self, pick: int) -> None:
        """The newest turn of a session commits what its journal has."""
        name, chat = self._live(pick)
        if chat.lease is not None:
            self.runner.run(self._commit(name, chat, chat.lease))

    @rule(pick=PICK)
    def fork(self, pick: int) -> None:
        """Another session goes on from the leaf of one."""
        name, chat = self._live(pick)
        head = self.runner.run(head_of(self.store, name))
        if head.leaf is not None and len(self.chats) < 5:
            fork = f"fork-{self._next()}"
            self.runner.run(self.store.fork(name, head.leaf, fork))
            self.chats[fork] = Chat(chat.family, named=set(chat.named))

    @rule(pick=PICK)
    def delete(self, pick: int) -> None:
        """A session is deleted, whoever still works for it; one is always left."""
        name, chat = self._live(pick)
        if sum(not each.is_deleted for each in self.chats.values()) > 1:
            lease = self.runner.run(self.store.lease(name))
            if lease is not None:
                self.runner.run(self.store.release(lease))
            self.runner.run(self.store.delete(name))
            self.chats[name] = Chat(chat.family, is_deleted=True)

    @rule(minutes=st.sampled_from([0, 20, 70, 200]))
    def wait(self, minutes: int) -> None:
        """Time goes by; no call outlives the bound."""
        self.clock.advance(timedelta(minutes=minutes))
        since = self._now() - BOUND.total_seconds()
        for call in [call for call in self.calls if call.begun < since]:
            self._kill(call)

    @rule(limit=st.sampled_from([1, 100]), journals=st.booleans(), intents=st.booleans())
    def look_after(self, limit: int, journals: bool, intents: bool) -> None:
        """Upkeep removes journals of turns that were given up, and rows that nobody can need."""
        before = self.clock.now() - BOUND
        if journals:
            self.runner.run(self.store.reclaim_journals(before, limit))
        if intents:
            self.runner.run(self.store.forget_intents(before, limit))

    @invariant()
    def nothing_needed_is_missing(self) -> None:
        """What live sessions name, and what open turns will, has its row and its bytes."""
        self.runner.run(self._check_needs())

    async def _check_needs(self) -> None:
        there = await keys_of(self.blobs)
        for name, chat in self._all_live():
            for attachment_id in chat.named:
                row = await self.store.attachment(name, attachment_id)
                assert row is not None, (name, attachment_id)
                assert row.blob_key in there
            for turn in chat.open:
                for attachment_id in await self._journaled(name, turn):
                    row = await self.store.attachment(name, attachment_id)
                    assert row is not None, (name, turn, attachment_id)
                    assert row.blob_key in there

    async def _journaled(self, name: str, turn: str) -> list[str]:
        """Return the attachments that a turn's journal names; none if it was given up."""
        effects = await self.store.effects(name, turn)
        if all(effect.effect_key != INPUT_KEY for effect in effects):
            return []
        return [file_id for effect in effects for file_id in _files(effect)]

    async def _commit(self, name: str, chat: Chat, lease: Lease) -> None:
        named = await self._journaled(name, lease.executor_id)
        head = await head_of(self.store, name)
        nodes = chain(head.leaf, f"{lease.executor_id}-{lease.fencing_token}")
        ids = tuple(dict.fromkeys(named))
        made = commit_of(
            lease, head.head_revision, *nodes, attachment_ids=ids, release=self.count % 2 == 0
        )
        await self.store.commit(made)
        chat.named |= set(named)
        chat.open.discard(lease.executor_id)
        chat.lease = None

    async def _settle(self) -> None:
        """Let everything end, and see that what is left is needed."""
        for call in self.calls:
            await call.kill()
        for name, chat in self._all_live():
            chat.lease = await begun(self.store, f"{name}-last", session=name)
            await self._commit(name, chat, chat.lease)
        self.clock.advance(2 * BOUND)
        while await self.store.reclaim_journals(self.clock.now() - BOUND, 3):
            pass
        while await self.store.forget_intents(self.clock.now() - BOUND, 3):
            pass
        await sweep(self.store, self.blobs, grace=NONE, allow_empty=True, clock=self.clock)
        await self._check_needs()
        families = {chat.family for _, chat in self._all_live()}
        assert (await self.store.stats())["intents"] == 0
        if len(families) == len(self._all_live()) == len(self.chats):
            rows = [row for name in self.chats for row in await self.store.attachments(name)]
            assert await keys_of(self.blobs) <= {row.blob_key for row in rows}
        assert len(await keys_of(self.blobs)) <= len(BODIES) * len(families)

    def _open(self, name: str, turn: str) -> None:
        chat = self.chats[name]
        chat.lease = self.runner.run(begun(self.store, turn, session=name))
        chat.open.add(turn)

    def _start(self, call: Stepped, work: Callable[[], Awaitable[None]]) -> None:
        async def start() -> None:
            call.start(work)

        self.runner.run(start())
        self.calls.append(call)

    def _sweep(self, steps: int) -> None:
        """Let the sweep go on that is always under way, without any grace; or begin the next."""
        if self.sweeper not in self.calls:
            sweeper = self.sweeper = Stepped()

            async def work() -> None:
                store, blobs = sweeper.on(self.store), sweeper.on(self.blobs)
                await sweep(store, blobs, grace=NONE, allow_empty=True, clock=self.clock)

            self._start(sweeper, work)
        self._steps(self.sweeper, steps)

    def _steps(self, call: Stepped, steps: int) -> None:
        for _ in range(steps):
            if call in self.calls:
                self._step(call)

    def _step(self, call: Stepped) -> None:
        try:
            has_ended = self.runner.run(call.step())
        except REFUSALS:
            has_ended = True
        if has_ended:
            self.calls.remove(call)

    def _kill(self, call: Stepped) -> None:
        self.runner.run(call.kill())
        self.calls.remove(call)

    def _live(self, pick: int) -> tuple[str, Chat]:
        live = self._all_live()
        return live[pick % len(live)]

    def _all_live(self) -> list[tuple[str, Chat]]:
        return [(name, chat) for name, chat in self.chats.items() if not chat.is_deleted]

    def _next(self) -> int:
        self.count += 1
        return self.count

    def _now(self) -> float:
        return self.clock.now().timestamp()


def _files(effect: Effect) -> Iterator[str]:
    if effect.kind is EffectKind.TOOL and effect.payload:
        parts = Message.decode(effect.payload).parts
        yield from (part.file_id for part in parts if isinstance(part, FilePart))


class SqliteMachine(AttachmentMachine):
    """The same, on a file."""

    kind = "sqlite"


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("machine", "examples"), [(AttachmentMachine, 150), (SqliteMachine, 25)])
def test_no_bytes_are_lost_and_none_are_left(
    machine: type[AttachmentMachine], examples: int
) -> None:
    """Whatever stops where, what is named is there, and in the end nothing else is."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            deadline=None,
            database=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
