"""Receipts: an operation is one content for ever, and every retry gets its first answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sojourn.clock import ManualClock
from sojourn.commit import NewNode
from sojourn.errors import HeadConflict, OperationConflict
from sojourn.ports import SessionStore
from sojourn.testing.conformance.making import (
    BOB,
    BODY,
    DAY,
    TTL,
    chain,
    checked_out,
    commit_of,
    contents,
    grown,
    path_ids,
    spent,
    state,
    wish,
)


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


async def test_a_receipt_answers_however_the_session_went_on(
    store: SessionStore, clock: ManualClock
) -> None:
    """Ten turns and a year later, on another branch, the first answer is the same."""
    lease = await store.claim(wish())
    commit = commit_of(lease, 0, *chain(None, "a"), result={"text": "first"})
    first = await store.commit(commit)
    for number in range(10):
        clock.advance(36 * DAY)
        await grown(store, f"n{number}")
    await checked_out(store, "a")

    assert await store.commit(commit) == replace(first, replayed=True)
    assert await store.receipt("s", "t1") == replace(first, replayed=True)


async def test_an_unknown_operation_has_no_receipt(store: SessionStore) -> None:
    """Neither of a known session nor of an unknown one."""
    await store.claim(wish())

    assert await store.receipt("s", "t1") is None
    assert await store.receipt("x", "t1") is None


async def test_a_refused_operation_has_no_receipt(store: SessionStore) -> None:
    """Only what landed is answered for."""
    lease = await store.claim(wish())
    with pytest.raises(HeadConflict):
        await store.commit(commit_of(lease, 7, *chain(None, "a")))

    assert await store.receipt("s", "t1") is None


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
        {"nodes": (NewNode("a", None, "message", bytes(len(BODY))),)},
        {"nodes": (NewNode("a", None, "frame", BODY),)},
        {"result": {"status": "cancelled"}},
        {"usage": (spent(9),)},
        {"config": {"agent": "other"}},
        {"tool_state": state(b"tools")},
        {"attachment_ids": ("f1",)},
        {"nodes": chain("root", "a")},
        {"plugin_state": state(b"plugins", 2)},
        {"plugin_state": state(b"other plugins")},
    ],
)
async def test_an_operation_is_one_content_for_ever(
    store: SessionStore, changes: dict[str, Any]
) -> None:
    """The same operation id with other content is refused."""
    await grown(store, "root")
    lease = await store.claim(wish())
    commit = commit_of(lease, 1, *chain(None, "a"), plugin_state=state(b"plugins"))
    await store.commit(commit)
    before = await contents(store)

    with pytest.raises(OperationConflict):
        await store.commit(replace(commit, **changes))

    assert await contents(store) == before


async def test_the_order_of_nodes_is_content(store: SessionStore) -> None:
    """The same nodes in another order are another operation."""
    lease = await store.claim(wish())
    nodes = (NewNode("a", None, "raw", b"1"), NewNode("b", None, "raw", b"2"))
    await store.commit(commit_of(lease, 0, *nodes, leaf="a"))

    with pytest.raises(OperationConflict):
        await store.commit(commit_of(lease, 0, *reversed(nodes), leaf="a"))


async def test_each_session_has_its_own_operations(store: SessionStore) -> None:
    """The same operation id in two sessions is two operations."""
    first = await store.claim(wish())
    second = await store.claim(wish(session="other"))
    await store.commit(commit_of(first, 0, *chain(None, "a")))

    assert not (await store.commit(commit_of(second, 0, *chain(None, "b")))).replayed


async def test_an_operation_that_is_no_turn_has_a_receipt_too(store: SessionStore) -> None:
    """A checkout whose answer was lost is not done twice."""
    await grown(store, "a", "b")
    lease = await store.claim(wish(executor="move"))
    commit = commit_of(lease, 1, leaf="a", is_turn=False)
    await store.commit(commit)
    again = await store.commit(commit)

    assert (again.head_revision, again.leaf, again.replayed) == (2, "a", True)
    assert await path_ids(store) == ["a"]


async def test_a_replay_releases_nothing(store: SessionStore, clock: ManualClock) -> None:
    """A retry of a releasing commit leaves the lease to whoever has it now."""
    lease = await store.claim(wish())
    commit = commit_of(lease, 0, *chain(None, "a"), release=True)
    await store.commit(commit)
    clock.advance(TTL)
    newer = await store.claim(wish(BOB, "t2"))
    await store.commit(commit)

    assert await store.lease("s") == newer


async def test_what_a_receipt_returned_may_be_changed(store: SessionStore) -> None:
    """The stored result is nobody's to change."""
    lease = await store.claim(wish())
    commit = commit_of(lease, 0, result={"parts": ["a"]})
    first = await store.commit(commit)
    for _ in range(2):
        first.result["parts"].clear()
        found = await store.receipt("s", "t1")
        assert found is not None
        assert found.result == {"parts": ["a"]}
        first = found


async def test_a_result_comes_back_as_it_was_given(store: SessionStore) -> None:
    """Nested facts, numbers, nothing and every script survive."""
    numbers = [1, -2.5, 2**53, None, True]
    facts: dict[str, Any] = {"text": "naïve 東京 🧭 \u0000", "n": numbers, "deep": {"": {}}}
    lease = await store.claim(wish())
    first = await store.commit(commit_of(lease, 0, result=facts))
    found = await store.receipt("s", "t1")

    assert found is not None
    assert first.result == found.result == facts
