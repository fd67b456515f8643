from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from sojourn import ids
from sojourn.clock import ManualClock
from sojourn.commit import MAX_COMMIT_BYTES, Commit, NewNode, Snapshot
from sojourn.errors import (
    CommitTooLarge,
    GraphCorrupt,
    HeadConflict,
    LeaseLost,
    OperationConflict,
    StoreError,
    UnknownSession,
)
from sojourn.ports import SessionStore
from sojourn.reads import ReadScope, StateRef
from sojourn.usage import Usage
from tests.store.making import (
    BOB,
    TTL,
    chain,
    commit_of,
    contents,
    grown,
    opening,
    path_ids,
    spent,
    wish,
)

TOOLS = Snapshot(ids.digest(b"tools"), b"tools", 7)
PLUGINS = Snapshot(ids.digest(b"plugins"), b"plugins", 2)


async def test_a_commit_writes_all_of_a_turn(store: SessionStore, clock: ManualClock) -> None:
    """Nodes, leaf, states, configuration, ledger, receipt and release land together."""
    lease = await store.claim(wish())
    receipt = await store.commit(
        commit_of(
            lease,
            0,
            *chain(None, "a", "b"),
            config={"agent": "clerk"},
            tool_state=TOOLS,
            plugin_state=PLUGINS,
            usage=(spent(3),),
            release=True,
        )
    )
    read = await store.load("s", ReadScope.ACTIVE_PATH)
    kept = await store.lease("s")

    assert (receipt.head_revision, receipt.leaf, receipt.replayed) == (1, "b", False)
    assert read is not None
    assert (read.head.head_revision, read.head.leaf, read.head.turn_count) == (1, "b", 1)
    assert read.head.config == {"agent": "clerk"}
    assert (read.head.tool_state, read.tool_state) == (StateRef(TOOLS.digest, 7), b"tools")
    assert (read.head.plugin_state, read.plugin_state) == (
        StateRef(PLUGINS.digest, 2),
        b"plugins",
    )
    assert [node.turn_id for node in read.nodes] == ["t1", "t1"]
    assert {node.created_at for node in read.nodes} == {clock.now()}
    assert kept is not None
    assert kept.released


async def test_a_commit_keeps_what_it_does_not_name(store: SessionStore) -> None:
    """Configuration and states stay until a commit brings others."""
    lease = await store.claim(wish())
    first = commit_of(lease, 0, config={"agent": "clerk"}, tool_state=TOOLS, plugin_state=PLUGINS)
    await store.commit(first)
    await store.commit(commit_of(lease, 1, *chain(None, "a"), operation_id="t2"))
    read = await store.load("s", ReadScope.ACTIVE_PATH)

    assert read is not None
    assert read.head.config == {"agent": "clerk"}
    assert (read.tool_state, read.plugin_state) == (b"tools", b"plugins")


async def test_a_state_the_store_has_needs_no_body(store: SessionStore) -> None:
    """A snapshot that did not change is named by its address alone, with a new generation."""
    lease = await store.claim(wish())
    await store.commit(commit_of(lease, 0, tool_state=TOOLS))
    again = replace(TOOLS, body=None, generation=8)
    await store.commit(commit_of(lease, 1, tool_state=again, operation_id="t2"))
    read = await store.load("s", ReadScope.ACTIVE_PATH)

    assert read is not None
    assert (read.head.tool_state, read.tool_state) == (StateRef(TOOLS.digest, 8), b"tools")


@pytest.mark.parametrize("body", [None, b"something else"])
async def test_a_state_without_its_body_is_refused(store: SessionStore, body: bytes | None) -> None:
    """A head never names a body that the store does not have, nor one under a false address."""
    lease = await store.claim(wish())
    before = await contents(store)

    with pytest.raises(GraphCorrupt):
        await store.commit(commit_of(lease, 0, tool_state=replace(TOOLS, body=body)))

    assert await contents(store) == before


async def test_a_retried_commit_is_answered_by_its_receipt(store: SessionStore) -> None:
    """The same content again returns the first result and writes nothing."""
    lease = await store.claim(wish())
    commit = commit_of(lease, 0, *chain(None, "a"), usage=(spent(3),))
    first = await store.commit(commit)
    before = await contents(store)
    again = await store.commit(commit)

    assert again == replace(first, replayed=True)
    assert await contents(store) == before


async def test_a_receipt_answers_after_the_lease_is_lost(
    store: SessionStore, clock: ManualClock
) -> None:
    """A zombie whose commit had landed is told so, whatever came after."""
    lease = await store.claim(wish())
    commit = commit_of(lease, 0, *chain(None, "a"))
    await store.commit(commit)
    clock.advance(TTL)
    newer = await store.claim(wish(BOB, "t2"))
    await store.commit(commit_of(newer, 1, *chain("a", "b")))

    assert (await store.commit(commit)).head_revision == 1
    found = await store.receipt("s", "t1")
    assert found is not None
    assert (found.head_revision, found.leaf, found.replayed) == (1, "a", True)


async def test_an_unknown_operation_has_no_receipt(store: SessionStore) -> None:
    """Neither of a known session nor of an unknown one."""
    await store.claim(wish())

    assert await store.receipt("s", "t1") is None
    assert await store.receipt("x", "t1") is None


@pytest.mark.parametrize(
    "changes",
    [
        {"fencing_token": 9},
        {"expected_head_revision": 9},
        {"release": True},
        {"is_turn": False},
    ],
)
async def test_the_hash_leaves_out_how_a_commit_is_tried(
    store: SessionStore, changes: dict[str, Any]
) -> None:
    """A retry by a newer owner, on a newer head, is the same operation."""
    lease = await store.claim(wish())
    commit = commit_of(lease, 0, *chain(None, "a"))
    await store.commit(commit)

    assert (await store.commit(replace(commit, **changes))).replayed


@pytest.mark.parametrize(
    "changes",
    [
        {"nodes": chain(None, "b"), "leaf": "b"},
        {"nodes": (NewNode("a", None, "message", b"{}"),)},
        {"result": {"status": "cancelled"}},
        {"usage": (spent(9),)},
        {"config": {"agent": "other"}},
        {"tool_state": TOOLS},
        {"attachment_ids": ("f1",)},
    ],
)
async def test_an_operation_is_one_content_for_ever(
    store: SessionStore, changes: dict[str, Any]
) -> None:
    """The same operation id with other content is refused."""
    lease = await store.claim(wish())
    commit = commit_of(lease, 0, *chain(None, "a"))
    await store.commit(commit)
    before = await contents(store)

    with pytest.raises(OperationConflict):
        await store.commit(replace(commit, **changes))

    assert await contents(store) == before


async def test_each_session_has_its_own_operations(store: SessionStore) -> None:
    """The same operation id in two sessions is two operations."""
    first = await store.claim(wish())
    second = await store.claim(wish(session="other"))
    await store.commit(commit_of(first, 0, *chain(None, "a")))

    assert not (await store.commit(commit_of(second, 0, *chain(None, "b")))).replayed


HUGE = NewNode("huge", None, "raw", bytes(MAX_COMMIT_BYTES + 1))
ORPHAN = NewNode("o", "nowhere", "message", b"{}")
ORDER: list[tuple[type[StoreError], dict[str, Any]]] = [
    (OperationConflict, {"operation_id": "t0"}),
    (LeaseLost, {"fencing_token": 7}),
    (HeadConflict, {"expected_head_revision": 7}),
    (GraphCorrupt, {"nodes": (ORPHAN, HUGE), "leaf": "huge"}),
    (CommitTooLarge, {"nodes": (HUGE,), "leaf": "huge"}),
]


@pytest.mark.parametrize("first", range(len(ORDER)))
async def test_checks_are_made_in_their_order(store: SessionStore, first: int) -> None:
    """Receipt, fence, head, integrity, size: the first that fails is what the caller is told.

    A conflict leaves every table as it was.
    """
    lease = await store.claim(wish(executor="t0"))
    await store.commit(commit_of(lease, 0, *chain(None, "a")))
    changes: dict[str, Any] = {}
    for _, later in reversed(ORDER[first:]):
        changes.update(later)
    before = await contents(store)

    with pytest.raises(ORDER[first][0]):
        await store.commit(commit_of(lease, 1, **{"operation_id": "t1", **changes}))

    assert await contents(store) == before


async def test_a_head_conflict_names_both_heads(store: SessionStore) -> None:
    """The revision always counts: zero is no way around the check."""
    lease = await store.claim(wish())
    await store.commit(commit_of(lease, 0, *chain(None, "a")))

    with pytest.raises(HeadConflict) as conflict:
        await store.commit(commit_of(lease, 0, *chain("a", "b"), operation_id="t2"))

    assert (conflict.value.expected, conflict.value.actual) == (0, 1)


async def test_the_revision_rises_by_exactly_one(store: SessionStore) -> None:
    """Whatever a commit holds, many nodes or none."""
    lease = await store.claim(wish())
    revisions = [
        (await store.commit(commit_of(lease, 0, *chain(None, "a", "b", "c")))).head_revision,
        (await store.commit(commit_of(lease, 1, leaf="a", operation_id="o2"))).head_revision,
        (
            await store.commit(commit_of(lease, 2, *chain("a", "d"), operation_id="o3"))
        ).head_revision,
    ]

    assert revisions == [1, 2, 3]


async def test_only_turns_are_counted(store: SessionStore) -> None:
    """An operation that is no turn moves the head, and settles no journal."""
    opened = await store.open_turn(opening())
    assert opened.lease is not None
    await store.commit(commit_of(opened.lease, 0, *chain(None, "a"), is_turn=False))
    head = await store.head("s")

    assert head is not None
    assert (head.head_revision, head.turn_count) == (1, 0)
    assert len(await store.effects("s", "t1")) == 1


@pytest.mark.parametrize(
    "nodes",
    [
        pytest.param(chain("nowhere", "b"), id="a parent that is missing"),
        pytest.param(chain(None, "a"), id="an id that is taken"),
        pytest.param(chain(None, "b", "b"), id="an id used twice"),
        pytest.param(chain("theirs", "b"), id="a parent in another session"),
        pytest.param(
            (NewNode("b", "c", "message", b""), NewNode("c", "b", "message", b"")), id="a cycle"
        ),
        pytest.param(chain(None, "theirs"), id="an id that is taken elsewhere"),
    ],
)
async def test_nodes_hang_on_what_is_stored(
    store: SessionStore, nodes: tuple[NewNode, ...]
) -> None:
    """Parents are there, ids are new, nothing crosses into a stranger's session."""
    await grown(store, "theirs", session="other")
    await grown(store, "a")
    lease = await store.claim(wish())
    before = await contents(store)

    with pytest.raises(GraphCorrupt):
        await store.commit(commit_of(lease, 1, *nodes))

    assert await contents(store) == before


@pytest.mark.parametrize("leaf", ["nowhere", "theirs"])
async def test_a_leaf_is_a_node_of_the_session(store: SessionStore, leaf: str) -> None:
    """A session never stands on a node that it does not have."""
    await grown(store, "theirs", session="other")
    lease = await store.claim(wish())

    with pytest.raises(GraphCorrupt):
        await store.commit(commit_of(lease, 0, leaf=leaf))


async def test_nodes_without_a_leaf_are_refused(store: SessionStore) -> None:
    """What is appended is stood upon."""
    lease = await store.claim(wish())

    with pytest.raises(GraphCorrupt):
        await store.commit(commit_of(lease, 0, *chain(None, "a"), leaf=None))


async def test_usage_is_summed_and_never_counted_twice(store: SessionStore) -> None:
    """One row by source and model; a replay adds nothing; the head has the total."""
    lease = await store.claim(wish())
    first = commit_of(lease, 0, *chain(None, "a"), usage=(spent(3), spent(4, "summary")))
    second = commit_of(lease, 1, *chain("a", "b"), usage=(spent(5),), operation_id="t2")
    for commit in (first, first, second, second):
        await store.commit(commit)
    head = await store.head("s")

    assert list(await store.usage("s")) == [spent(8), spent(4, "summary")]
    assert head is not None
    assert head.usage == Usage(input_tokens=12)


async def test_every_kind_of_token_is_kept(store: SessionStore) -> None:
    """None of the five counts is mistaken for another."""
    tokens = Usage(
        input_tokens=1,
        output_tokens=2,
        cache_read_tokens=3,
        cache_write_tokens=4,
        reasoning_tokens=5,
    )
    lease = await store.claim(wish())
    entry = spent(0).model_copy(update={"usage": tokens})
    await store.commit(commit_of(lease, 0, usage=(entry,)))
    head = await store.head("s")

    assert list(await store.usage("s")) == [entry]
    assert head is not None
    assert head.usage == tokens


async def test_an_unknown_session_has_spent_nothing(store: SessionStore) -> None:
    """There is no ledger without a session."""
    assert list(await store.usage("x")) == []


async def test_a_commit_needs_a_session(store: SessionStore) -> None:
    """A session that was never claimed is unknown."""
    lease = await store.claim(wish())

    with pytest.raises(UnknownSession):
        await store.commit(commit_of(lease, 0, session_id="x"))


async def test_of_two_writers_on_one_head_exactly_one_wins(store: SessionStore) -> None:
    """Two executors of one holder, at once: one commit lands, the other conflicts."""
    lease = await store.claim(wish())
    rivals = [commit_of(lease, 0, *chain(None, key), operation_id=key) for key in "abcdefgh"]

    outcomes = await asyncio.gather(*map(store.commit, rivals), return_exceptions=True)

    assert sum(isinstance(outcome, HeadConflict) for outcome in outcomes) == len(rivals) - 1
    assert len(await path_ids(store)) == 1


async def test_sessions_commit_at_once_without_hurting_each_other(store: SessionStore) -> None:
    """Commits that share a flush share nothing else: some fail, the others land."""
    leases = [await store.claim(wish(session=f"s{n:02}")) for n in range(24)]
    commits: list[Commit] = [
        commit_of(lease, n % 3, *chain(None, f"n{n}")) for n, lease in enumerate(leases)
    ]

    outcomes = await asyncio.gather(*map(store.commit, commits), return_exceptions=True)
    heads = await store.heads()

    assert [isinstance(outcome, HeadConflict) for outcome in outcomes] == [
        n % 3 != 0 for n in range(24)
    ]
    assert [head.head_revision for head in heads] == [int(n % 3 == 0) for n in range(24)]
    assert (await store.stats())["nodes"] == 8


async def test_what_a_receipt_returned_may_be_changed(store: SessionStore) -> None:
    """The stored result is nobody's to change."""
    lease = await store.claim(wish())
    commit = commit_of(lease, 0, result={"parts": ["a"]})
    first = await store.commit(commit)
    first.result["parts"] = []
    found = await store.receipt("s", "t1")

    assert found is not None
    assert found.result == {"parts": ["a"]}


async def test_time_is_kept_to_the_microsecond(store: SessionStore, clock: ManualClock) -> None:
    """What is read is what the clock said, in UTC."""
    clock.advance(timedelta(microseconds=123_457))
    await grown(store, "a")
    node = await store.node("s", "a")

    assert node is not None
    assert node.created_at == clock.now()
    assert node.created_at.utcoffset() == timedelta(0)
