"""What the laws are told with: owners, claims, turns, their commits and attachments."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

from sojourn import ids
from sojourn.attachment import Attachment, AttachmentIntent
from sojourn.commit import Commit, CommitReceipt, NewNode, Snapshot
from sojourn.errors import Contended, UnknownSession
from sojourn.journal import EffectKind, EffectRef, EffectStatus, Outcome
from sojourn.lease import Claim, Lease, LeaseOwner
from sojourn.messages import assistant, user
from sojourn.ports import SessionStore
from sojourn.reads import Head, Problem, ReadScope, TurnOpening
from sojourn.upkeep_ports import Vacuumed
from sojourn.usage import Usage, UsageEntry

T = TypeVar("T")
OpenAgain = Callable[[], AbstractAsyncContextManager[SessionStore]]

TTL = timedelta(seconds=30)
DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)
ALICE = LeaseOwner("temporal/default/session/s", "run-1")
ALICE_REBORN = LeaseOwner("temporal/default/session/s", "run-2")
BOB = LeaseOwner("embedded-bob", "life-1")
BODY = user("hello").encode()
PICTURE = b"a picture"
MANY_CALLS = 1_000


def wish(owner: LeaseOwner = ALICE, executor: str = "t1", session: str = "s") -> Claim:
    """Return a claim of a session."""
    return Claim(session, owner, executor, TTL)


def opening(turn: str = "t1", text: str = "hello", **changes: Any) -> TurnOpening:
    """Return the opening of a turn of Alice's."""
    claim = wish(changes.pop("owner", ALICE), turn, changes.pop("session", "s"))
    body = user(text).encode()
    made = TurnOpening(claim, turn, body, ids.digest(text.encode()), config={"agent": "clerk"})
    return replace(made, **changes)


async def begun(store: SessionStore, turn: str = "t1", **changes: Any) -> Lease:
    """Open a turn that was not committed before, and return its lease."""
    opened = await store.open_turn(opening(turn, **changes))
    assert opened.lease is not None
    return opened.lease


def chain(parent: str | None, *node_ids: str, kind: str = "message") -> tuple[NewNode, ...]:
    """Return nodes that hang on each other, the first one on `parent`."""
    parents = (parent, *node_ids)
    return tuple(
        NewNode(node_id, above, kind, BODY)
        for node_id, above in zip(node_ids, parents, strict=False)
    )


def commit_of(lease: Lease, revision: int, *nodes: NewNode, **changes: Any) -> Commit:
    """Return a turn's commit of `nodes`, which stands on the last of them."""
    made = Commit(
        session_id=lease.session_id,
        operation_id=lease.executor_id,
        expected_head_revision=revision,
        fencing_token=lease.fencing_token,
        nodes=nodes,
        leaf=nodes[-1].node_id if nodes else None,
        result={"status": "completed"},
    )
    return replace(made, **changes)


async def head_of(store: SessionStore, session: str = "s") -> Head:
    """Return the head of a session that is there."""
    head = await store.head(session)
    if head is None:
        raise UnknownSession(session_id=session)
    return head


async def grown(
    store: SessionStore, *node_ids: str, session: str = "s", parent: str | None = None
) -> CommitReceipt:
    """Commit a chain of nodes to a session, each call as one released turn."""
    turn = f"turn-{node_ids[0]}"
    lease = await store.claim(wish(executor=turn, session=session))
    head = await head_of(store, session)
    nodes = chain(parent or head.leaf, *node_ids)
    return await store.commit(commit_of(lease, head.head_revision, *nodes, release=True))


async def checked_out(store: SessionStore, node_id: str | None, session: str = "s") -> None:
    """Move a session's leaf, by a commit without nodes."""
    head = await head_of(store, session)
    move = f"checkout-{head.head_revision}"
    lease = await store.claim(wish(executor=move, session=session))
    made = commit_of(lease, head.head_revision, leaf=node_id, is_turn=False, release=True)
    await store.commit(made)


async def branched(store: SessionStore) -> None:
    """Make a session with the active path a, d and the branch b, c."""
    await grown(store, "a", "b", "c")
    await checked_out(store, "a")
    await grown(store, "d")


async def path_ids(
    store: SessionStore,
    scope: ReadScope = ReadScope.ACTIVE_PATH,
    leaf: str | None = None,
    session: str = "s",
) -> list[str]:
    """Return the ids that a read of a session gives, in order."""
    read = await store.load(session, scope, leaf)
    return [node.node_id for node in read.nodes] if read else []


async def readable(store: SessionStore) -> dict[str, Any]:
    """Return all that can be read of the sessions of a store."""
    return {head.session_id: await _content(store, head) for head in await store.heads()}


async def contents(store: SessionStore) -> dict[str, Any]:
    """Return all that can be read of a store, and its counts."""
    return {**await readable(store), "stats": {**await store.stats(), "size_bytes": 0}}


async def problems(store: SessionStore) -> list[Problem]:
    """Return all that a store finds wrong with itself."""
    return [problem async for problem in store.check()]


async def vacuumed(store: SessionStore, limit: int = 1_000) -> Vacuumed:
    """Vacuum until there is nothing left to do; return what all the calls did together."""
    whole = Vacuumed(is_done=False)
    for _ in range(MANY_CALLS):
        done = await store.vacuum(limit)
        whole = Vacuumed(
            whole.nodes + done.nodes,
            whole.snapshots + done.snapshots,
            whole.freed_bytes + done.freed_bytes,
            done.is_done,
        )
        if whole.is_done:
            return whole
    raise AssertionError(whole)


def state(body: bytes, generation: int = 1) -> Snapshot:
    """Return a snapshot of a state body."""
    return Snapshot(ids.digest(body), body, generation)


def spent(tokens: int, source: str = "agent", model: str = "scripted") -> UsageEntry:
    """Return a ledger row of some input tokens."""
    return UsageEntry(source=source, model=model, usage=Usage(input_tokens=tokens))


def answer(text: str = "hi", attempt: str = "a1") -> Outcome:
    """Return the outcome of a model call."""
    body = assistant(text).encode()
    return Outcome(EffectKind.MODEL, EffectStatus.DONE, body, {"finish": "stop"}, attempt)


def result(status: EffectStatus = EffectStatus.DONE, attempt: str = "a1") -> Outcome:
    """Return the outcome of a tool call."""
    return Outcome(EffectKind.TOOL, status, b"{}", {}, attempt)


def ref(lease: Lease, key: str, turn: str = "t1") -> EffectRef:
    """Return the name of an effect, with the fence of `lease`."""
    return EffectRef(lease.session_id, turn, key, lease.fencing_token)


def attachment(body: bytes = PICTURE) -> Attachment:
    """Return the attachment of some bytes."""
    return Attachment(hashlib.sha256(body).hexdigest(), "image/png", len(body))


def intent(lease: Lease, blob_key: str = "k1", body: bytes = PICTURE) -> AttachmentIntent:
    """Return what a turn announces before it writes some bytes under a fresh key."""
    return AttachmentIntent(
        session_id=lease.session_id,
        turn_id=lease.executor_id,
        fencing_token=lease.fencing_token,
        attachment=attachment(body),
        blob_key=blob_key,
    )


async def insisted(call: Callable[[], Awaitable[T]]) -> T:
    """Do what a caller of a busy store does: try the same again until it answers."""
    for _ in range(MANY_CALLS):
        try:
            return await call()
        except Contended:
            continue
    raise AssertionError(call)


async def _content(store: SessionStore, head: Head) -> tuple[Any, ...]:
    key = head.session_id
    read = await store.load(key, ReadScope.FULL_GRAPH)
    wrote = {node.turn_id for node in read.nodes} if read else set[str]()
    turns = sorted({"t1", "t2", "t3"} | wrote)
    return (
        read,
        await store.lease(key),
        list(await store.usage(key)),
        list(await store.attachments(key)),
        list(await store.orphaned_node_ids(key)),
        [(list(await store.effects(key, t)), await store.receipt(key, t)) for t in turns],
    )
