"""What went wrong in runtimes of this kind before, each as the law that it broke."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from sojourn import Agent, App, ids
from sojourn.adapters.memory import MemoryStore
from sojourn.adapters.memory_rows import Rows
from sojourn.branching import checkout
from sojourn.clock import ManualClock
from sojourn.commit import Commit
from sojourn.errors import GraphCorrupt, HeadConflict, LeaseHeld, StoreUnavailable
from sojourn.graph import Node, NodeKind, SessionGraph
from sojourn.lease import LeaseTimings
from sojourn.messages import Message, user
from sojourn.ports import SessionStore
from sojourn.residency import Residency
from sojourn.testing import ScriptedModel
from tests.runtime.hosts import Worker
from tests.runtime.making import (
    SESSION,
    Counting,
    Damage,
    FaultyStore,
    brought_up,
    commit_of,
    counter,
    environment,
    head_of,
    is_free,
    node_ids,
    said,
    stranger_holds,
    taken_turn,
    texts,
)
from tests.support.polling import until
from tests.support.transcripts import transcript_of

AWAY = StoreUnavailable(url="x", reason="away")
QUICK = LeaseTimings(ttl=timedelta(seconds=30), renew_interval=timedelta(milliseconds=5))


def echoing(messages: Sequence[Message]) -> str:
    """Say the last message again."""
    return messages[-1].text


async def test_a_commit_within_a_held_lease_does_not_give_it_back(store: SessionStore) -> None:
    """Whoever claims again re-enters: only who holds the lease decides when it ends."""
    runtime = await brought_up(store)
    outer = await runtime.claim()
    await taken_turn(runtime, "turn-1", release=False)

    assert await store.renew(outer, QUICK.ttl)
    with pytest.raises(LeaseHeld):
        await stranger_holds(store)
    assert (await taken_turn(runtime, "turn-2", release=False)).head_revision == 2


async def test_a_renewal_that_fails_does_not_end_the_turn(store: SessionStore) -> None:
    """The turn commits, and its lease is given back in the end."""
    faulty, unreliable = FaultyStore.around(store)

    async def slow(messages: Sequence[Message]) -> str:
        async def renewed() -> bool:
            return faulty.calls["renew"] >= 4

        await until(renewed)
        return "done"

    app = App(agents=[Agent(model=ScriptedModel(slow))], store=unreliable, timings=QUICK)
    faulty.before["renew"] = [AWAY, AWAY]
    async with app.open(SESSION) as session:
        assert (await session.send("hello")).status == "completed"

    assert await is_free(store)


async def test_a_turn_that_takes_longer_than_its_lease_keeps_it(
    store: SessionStore, clock: ManualClock
) -> None:
    """Nobody comes between, and its commit is not refused."""
    faulty, watched = FaultyStore.around(store)

    async def slow(messages: Sequence[Message]) -> str:
        for _ in range(3):
            clock.advance(QUICK.ttl - timedelta(seconds=1))
            seen = faulty.calls["renew"]

            async def renewed(seen: int = seen) -> bool:
                return faulty.calls["renew"] > seen

            await until(renewed)
        with pytest.raises(LeaseHeld):
            await stranger_holds(store)
        return "done"

    app = App(agents=[Agent(model=ScriptedModel(slow))], store=watched, timings=QUICK)
    async with app.open(SESSION) as session:
        assert (await session.send("hello")).status == "completed"


async def test_a_commit_that_failed_leaves_the_runtime_as_it_was(
    store: SessionStore, residency: Residency
) -> None:
    """Nothing stays in memory alone, so no later commit can stand on what is not stored."""
    faulty, unreliable = FaultyStore.around(store)
    runtime = await brought_up(unreliable, environment(residency))
    await taken_turn(runtime, "turn-1")
    before = (list(runtime.graph), runtime.graph.leaf, runtime.head_revision)
    faulty.before["commit"] = [AWAY]
    with pytest.raises(StoreUnavailable):
        await taken_turn(runtime, "turn-2")

    assert (list(runtime.graph), runtime.graph.leaf, runtime.head_revision) == before
    assert texts(runtime.messages()) == said("turn-1")
    await taken_turn(runtime, "turn-3")
    assert texts((await brought_up(store)).messages()) == said("turn-1", "turn-3")


async def test_a_damaged_leaf_costs_no_other_node(
    store: SessionStore, damage: Damage, residency: Residency
) -> None:
    """The next turn goes on from what is whole; all that is stored stays."""
    runtime = await brought_up(store)
    await taken_turn(runtime, "turn-1")
    await taken_turn(runtime, "turn-2")
    kept = (await node_ids(store))[:3]
    damage.lose_node((await node_ids(store))[3])
    healed = await brought_up(store, environment(residency))
    await taken_turn(healed, "turn-3")

    assert (await node_ids(store))[:3] == kept
    assert texts((await brought_up(store)).messages())[-2:] == said("turn-3")


async def test_a_turn_of_a_trimmed_session_removes_nothing(store: SessionStore) -> None:
    """Nodes that are not resident are not nodes that are not wanted."""
    first = await brought_up(store)
    await taken_turn(first, "turn-1")
    fork = first.graph.leaf
    assert fork is not None
    await taken_turn(first, "turn-2")
    await checkout(store, SESSION, fork)
    before = await node_ids(store)
    trimmed = await brought_up(store, environment(Residency.ACTIVE_PATH_ONLY))
    assert len(trimmed.graph) == 2
    await taken_turn(trimmed, "turn-3")
    await trimmed.park()

    assert (await node_ids(store))[:4] == before


async def test_removing_orphans_after_damage_does_not_remove_the_session(
    store: SessionStore, damage: Damage, residency: Residency
) -> None:
    """The leaf's loss makes orphans of nothing that the session can stand on."""
    runtime = await brought_up(store)
    await taken_turn(runtime, "turn-1")
    await taken_turn(runtime, "turn-2")
    damage.lose_node((await node_ids(store))[3])
    healed = await brought_up(store, environment(residency))
    await store.tombstone_nodes(SESSION, await healed.orphaned_node_ids())
    await store.vacuum()

    assert texts((await brought_up(store)).messages()) == said("turn-1", "turn-2")[:3]


async def test_no_commit_skips_the_look_at_the_head(store: SessionStore) -> None:
    """To expect nothing means that there must be nothing."""
    await taken_turn(await brought_up(store), "turn-1")
    runtime = await brought_up(store)
    lease = await runtime.claim()

    with pytest.raises(HeadConflict):
        await store.commit(
            Commit(
                session_id=SESSION,
                operation_id="turn-2",
                expected_head_revision=0,
                fencing_token=lease.fencing_token,
            )
        )

    assert await head_of(store) == 1


async def test_new_nodes_never_take_the_id_of_one_that_is_not_resident(
    store: SessionStore,
) -> None:
    """Ids come from the turn, and the store knows them all: a collision is refused whole."""
    runtime = await brought_up(store)
    await taken_turn(runtime, "turn-1")
    await taken_turn(runtime, "turn-2", NodeKind.FRAME)
    trimmed = await brought_up(store, environment(Residency.ACTIVE_PATH_ONLY))
    taken = ids.node_id(SESSION, "turn-1", 0)
    assert taken not in trimmed.graph
    lease = await trimmed.claim()
    commit = commit_of(trimmed, lease, "turn-1")
    with pytest.raises(GraphCorrupt, match="not new"):
        await trimmed.commit(replace(commit, operation_id="turn-3"))

    assert len(trimmed.graph) == 1
    await taken_turn(trimmed, "turn-3")
    assert await head_of(store) == 3


async def test_a_commit_without_a_turn_is_made_once_however_often_it_is_tried(
    store: SessionStore,
) -> None:
    """Its answer may be lost: the next try finds what was done."""
    faulty, unreliable = FaultyStore.around(store)
    runtime = await brought_up(unreliable, environment(Residency.KEEP_ALL, Counting()))
    await runtime.park()
    counter(runtime).increase()
    faulty.after["commit"] = [AWAY, AWAY]
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await runtime.park()
    await runtime.park()

    assert await head_of(store) == 2
    assert await is_free(store)


async def test_a_turn_that_is_committed_again_is_taken_in_once(
    store: SessionStore, residency: Residency
) -> None:
    """The runtime stands where the first commit has put it, and the next turn goes on there."""
    runtime = await brought_up(store, environment(residency))
    commit = commit_of(runtime, await runtime.claim(), "turn-1")
    first, again = await runtime.commit(commit), await runtime.commit(commit)

    assert again == replace(first, replayed=True)
    assert texts(runtime.messages()) == said("turn-1")
    await taken_turn(runtime, "turn-2")
    assert texts((await brought_up(store)).messages()) == said("turn-1", "turn-2")


async def test_usage_is_counted_once_whatever_fails(store: SessionStore) -> None:
    """It stands in the journal until the commit that counts it."""
    faulty, unreliable = FaultyStore.around(store)
    model = ScriptedModel(echoing)
    app = App(agents=[Agent(model=model)], store=unreliable)
    async with app.host() as host:
        worker = Worker(host)
        turn = await worker.begin()
        await worker.step(turn)
        faulty.before["commit"] = [AWAY]
        with pytest.raises(StoreUnavailable):
            await worker.commit(turn)
        faulty.after["commit"] = [AWAY]
        outcome = await worker.commit(turn)
        assert await worker.commit(turn) == outcome

    head = await store.head(SESSION)
    assert head is not None
    assert head.usage == outcome.usage
    assert outcome.usage.output_tokens > 0
    assert model.calls == 1


async def test_a_missing_state_body_is_told(store: SessionStore, damage: Damage) -> None:
    """The session does not start over at generation 1 with whatever tools there are."""
    await taken_turn(await brought_up(store), "turn-1")
    damage.lose_snapshots()

    with pytest.raises(GraphCorrupt):
        await brought_up(store)


async def test_parents_in_a_cycle_are_told_and_not_walked_for_ever(
    residency: Residency, clock: ManualClock
) -> None:
    """In memory as in the store."""
    store = MemoryStore(clock)
    await taken_turn(await brought_up(store), "turn-1")
    rows: Rows = vars(store)["_rows"]
    first, last = list(rows.nodes.values())
    cycle = Node(first.node.node_id, last.node.node_id, "message", b"", "turn-1", clock.now())
    first.node = cycle

    with pytest.raises(GraphCorrupt):
        await brought_up(store, environment(residency))
    with pytest.raises(GraphCorrupt):
        SessionGraph([cycle, last.node], last.node.node_id).active_path()


async def test_a_rebuild_takes_leaf_and_revision_from_one_read(store: SessionStore) -> None:
    """Two workers that take turns see each other's, and orphan none."""
    agents = [Agent("clerk", model=ScriptedModel(echoing))]
    apps = [App(agents=agents, store=store) for _ in range(2)]
    async with apps[0].host() as one, apps[1].host() as two:
        for number, host in enumerate((one, two, one, one, two), start=1):
            worker = Worker(host)
            turn = await worker.begin(f"turn-{number}", f"message {number}")
            await worker.step(turn)
            assert (await worker.commit(turn)).head_revision == number

    spoken = [line for number in range(1, 6) for line in both(f"message {number}")]
    assert await transcript_of(store, SESSION) == spoken
    assert list(await store.orphaned_node_ids(SESSION)) == []


def both(text: str) -> list[str]:
    """Return what a user says and an echo answers."""
    return [f"user: {text}", f"assistant: {text}"]


async def test_a_checkout_is_undone_by_nobody(store: SessionStore) -> None:
    """It is a commit: a session that is live elsewhere goes on from where it was moved to."""
    app = App(agents=[Agent("clerk", model=ScriptedModel(echoing))], store=store)
    async with app.host() as host:
        worker = Worker(host)
        for number in (1, 2):
            turn = await worker.begin(f"turn-{number}", f"message {number}")
            await worker.step(turn)
            await worker.commit(turn)
        lease = await store.lease(SESSION)
        assert lease is not None
        await store.release(lease)
        await checkout(store, SESSION, (await node_ids(store))[1])
        turn = await worker.begin("turn-3", "message 3")
        await worker.step(turn)
        await worker.commit(turn)

    assert await transcript_of(store, SESSION) == both("message 1") + both("message 3")
    assert user("message 2").encode() in [node.body for node in (await brought_up(store)).graph]
