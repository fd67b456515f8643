"""Receipts that are old: they go, but never the newest of a session."""

from __future__ import annotations

from sojourn.clock import ManualClock
from sojourn.ports import SessionStore
from sojourn.reads import ReadScope
from sojourn.testing.conformance.making import (
    DAY,
    TICK,
    attachment,
    chain,
    commit_of,
    grown,
    problems,
    wish,
)

ID = attachment().attachment_id


async def receipts(store: SessionStore, *operations: str, session: str = "s") -> list[bool]:
    """Tell of each operation whether its receipt still answers."""
    return [await store.receipt(session, operation) is not None for operation in operations]


async def aged(store: SessionStore, clock: ManualClock, *node_ids: str) -> None:
    """Commit a turn of one node a day, `turn-<node id>`."""
    for node_id in node_ids:
        await grown(store, node_id)
        clock.advance(DAY)


async def test_old_receipts_are_forgotten(store: SessionStore, clock: ManualClock) -> None:
    """Those before the bound, not at it; the younger ones answer on."""
    start = clock.now()
    await aged(store, clock, "a", "b", "c", "d")

    assert await store.forget_receipts(start + 2 * DAY, 100) == 2
    assert await receipts(store, "turn-a", "turn-b", "turn-c", "turn-d") == [
        False,
        False,
        True,
        True,
    ]


async def test_the_newest_receipt_of_a_session_always_stays(
    store: SessionStore, clock: ManualClock
) -> None:
    """Of each session its own, however old: the last turn can always be asked for again."""
    await aged(store, clock, "a", "b")
    await grown(store, "x", session="other")
    clock.advance(1_000 * DAY)

    assert await store.forget_receipts(clock.now(), 100) == 1
    assert await receipts(store, "turn-a", "turn-b") == [False, True]
    assert await receipts(store, "turn-x", session="other") == [True]


async def test_of_receipts_of_one_instant_the_last_one_stays(
    store: SessionStore, clock: ManualClock
) -> None:
    """The newest is that of the highest head."""
    for node_id in ("c", "a", "b"):
        await grown(store, node_id)

    assert await store.forget_receipts(clock.now() + TICK, 100) == 2
    assert await receipts(store, "turn-c", "turn-a", "turn-b") == [False, False, True]


async def test_receipts_are_forgotten_up_to_the_limit(
    store: SessionStore, clock: ManualClock
) -> None:
    """Call by call, until there is nothing to forget."""
    await aged(store, clock, "a", "b", "c", "d", "e", "f")

    counts = [await store.forget_receipts(clock.now(), 2) for _ in range(4)]
    assert counts == [2, 2, 1, 0]


async def test_forgetting_receipts_changes_nothing_else(
    store: SessionStore, clock: ManualClock
) -> None:
    """Head, graph and ledger do not hang on them."""
    await aged(store, clock, "a", "b", "c")
    before = await store.load("s", ReadScope.FULL_GRAPH)
    await store.forget_receipts(clock.now(), 100)

    assert await store.load("s", ReadScope.FULL_GRAPH) == before
    assert (await store.stats())["receipts"] == 1
    assert await problems(store) == []


async def test_a_forgotten_operation_is_an_unknown_one(
    store: SessionStore, clock: ManualClock
) -> None:
    """Its id would run again, with whatever content."""
    await aged(store, clock, "a", "b")
    await store.forget_receipts(clock.now(), 100)
    lease = await store.claim(wish(executor="turn-a"))
    receipt = await store.commit(commit_of(lease, 2, *chain("b", "c")))

    assert (receipt.head_revision, receipt.replayed) == (3, False)
