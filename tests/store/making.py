"""What the store laws are told with: owners, claims, turns and their commits."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from sojourn import ids
from sojourn.commit import Commit, CommitReceipt, NewNode
from sojourn.errors import UnknownSession
from sojourn.journal import EffectKind, EffectRef, EffectStatus, Outcome
from sojourn.lease import Claim, Lease, LeaseOwner
from sojourn.messages import assistant, user
from sojourn.ports import SessionStore
from sojourn.reads import ReadScope, TurnOpening
from sojourn.usage import Usage, UsageEntry

TTL = timedelta(seconds=30)
ALICE = LeaseOwner("temporal/default/session/s", "run-1")
ALICE_REBORN = LeaseOwner("temporal/default/session/s", "run-2")
BOB = LeaseOwner("embedded-bob", "life-1")
BODY = user("hello").encode()


def wish(owner: LeaseOwner = ALICE, executor: str = "t1", session: str = "s") -> Claim:
    """Return a claim of a session."""
    return Claim(session, owner, executor, TTL)


def opening(turn: str = "t1", text: str = "hello", **changes: Any) -> TurnOpening:
    """Return the opening of a turn of Alice's."""
    claim = wish(changes.pop("owner", ALICE), turn, changes.pop("session", "s"))
    body = user(text).encode()
    made = TurnOpening(claim, turn, body, ids.digest(text.encode()), config={"agent": "clerk"})
    return replace(made, **changes)


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


async def grown(
    store: SessionStore, *node_ids: str, session: str = "s", parent: str | None = None
) -> CommitReceipt:
    """Commit a chain of nodes to a session, each call as one released turn."""
    turn = f"turn-{node_ids[0]}"
    head = await store.head(session)
    lease = await store.claim(wish(executor=turn, session=session))
    leaf = parent or (head.leaf if head else None)
    revision = head.head_revision if head else 0
    return await store.commit(commit_of(lease, revision, *chain(leaf, *node_ids), release=True))


async def checked_out(store: SessionStore, node_id: str | None, session: str = "s") -> None:
    """Move a session's leaf, by a commit without nodes."""
    head = await store.head(session)
    if head is None:
        raise UnknownSession(session_id=session)
    move = f"checkout-{head.head_revision}"
    lease = await store.claim(wish(executor=move, session=session))
    made = commit_of(lease, head.head_revision, leaf=node_id, is_turn=False, release=True)
    await store.commit(made)


async def path_ids(
    store: SessionStore,
    scope: ReadScope = ReadScope.ACTIVE_PATH,
    leaf: str | None = None,
    session: str = "s",
) -> list[str]:
    """Return the ids that a read of a session gives, in order."""
    read = await store.load(session, scope, leaf)
    return [node.node_id for node in read.nodes] if read else []


async def contents(store: SessionStore) -> dict[str, Any]:
    """Return all that can be read of a store."""
    heads = await store.heads()
    whole: dict[str, Any] = {"stats": {**await store.stats(), "size_bytes": 0}}
    for head in heads:
        key = head.session_id
        whole[key] = (
            await store.load(key, ReadScope.FULL_GRAPH),
            await store.lease(key),
            await store.usage(key),
            [await store.effects(key, turn) for turn in ("t1", "t2", "t3")],
            [await store.receipt(key, turn) for turn in ("t1", "t2", "t3")],
        )
    return whole


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
