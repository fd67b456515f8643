"""Parking and resuming: what is flushed, what is given back, and what comes back."""

from __future__ import annotations

from dataclasses import fields

import pytest

from sojourn.clock import ManualClock
from sojourn.errors import (
    HeadConflict,
    LeaseHeld,
    LeaseLost,
    StoreRequired,
    StoreUnavailable,
    UnsupportedReadScope,
)
from sojourn.graph import NodeKind
from sojourn.parked import ParkedSession
from sojourn.policy import SessionPolicy
from sojourn.ports import SessionStore
from sojourn.residency import Residency
from sojourn.runtime import SessionRuntime
from sojourn.state import SessionState
from tests.runtime.making import (
    POLICY,
    SESSION,
    TTL,
    Counting,
    FaultyStore,
    brought_up,
    counter,
    environment,
    head_of,
    is_free,
    said,
    stranger_holds,
    taken_turn,
    texts,
)


async def test_parking_flushes_what_is_dirty_and_gives_the_lease_back(
    store: SessionStore, residency: Residency
) -> None:
    """One commit, no node of its own, and anybody may go on."""
    runtime = await brought_up(store, environment(residency, Counting()))
    await taken_turn(runtime, "turn-1")
    counter(runtime).increase()
    leaf = runtime.graph.leaf
    parked = await runtime.park()

    assert (await head_of(store), runtime.head_revision) == (2, 2)
    assert await is_free(store)
    assert runtime.lease is None
    resumed = await SessionRuntime.resume(parked, environment(residency, Counting()))
    assert counter(resumed).count == 1
    assert resumed.graph.leaf == leaf
    assert texts(resumed.messages()) == said("turn-1")


async def test_parking_twice_leaves_the_head_where_it_is(
    store: SessionStore, residency: Residency
) -> None:
    """A clean session is not committed again: neither by the same runtime nor by the next."""
    runtime = await brought_up(store, environment(residency, Counting()))
    await runtime.park()
    assert await head_of(store) == 1

    await runtime.park()
    await (await brought_up(store, environment(residency, Counting()))).park()

    assert await head_of(store) == 1


async def test_parking_a_clean_session_gives_its_lease_back(store: SessionStore) -> None:
    """What was claimed and not used is not kept from others."""
    runtime = await brought_up(store)
    await taken_turn(runtime, "turn-1", release=False)

    await runtime.park()

    assert await is_free(store)
    assert await head_of(store) == 1


async def test_a_session_of_nothing_is_parked_without_a_trace(store: SessionStore) -> None:
    """Without tools, plugins and turns there is nothing to flush."""
    await (await brought_up(store, environment(tools=()))).park()

    assert await store.head(SESSION) is None


async def test_a_parked_session_is_light(store: SessionStore) -> None:
    """An id, a policy and the store: no node, plugin or client."""
    parked = await (await brought_up(store)).park()

    assert parked == ParkedSession(SESSION, POLICY, store)
    assert [field.name for field in fields(parked)] == ["session_id", "policy", "store"]


@pytest.mark.parametrize("operation", ["park", "claim", "orphaned_node_ids"])
async def test_what_needs_a_store_says_so(operation: str) -> None:
    """A session without one cannot be parked, claimed or searched."""
    runtime = SessionRuntime.from_environment(
        environment(), POLICY, SessionState(session_id=SESSION), None
    )

    with pytest.raises(StoreRequired, match=operation):
        await getattr(runtime, operation)()


@pytest.mark.parametrize(
    "failures",
    [
        {"before": {"claim": [StoreUnavailable(url="x", reason="away")]}},
        {"before": {"commit": [StoreUnavailable(url="x", reason="away")]}},
        {"after": {"commit": [StoreUnavailable(url="x", reason="the answer was lost")]}},
        {
            "after": {"commit": [StoreUnavailable(url="x", reason="the answer was lost")]},
            "before": {"release": [StoreUnavailable(url="x", reason="away")]},
        },
    ],
    ids=["claiming", "committing", "answering", "answering and releasing"],
)
async def test_a_park_that_failed_can_be_tried_again(
    store: SessionStore, failures: dict[str, dict[str, list[Exception]]]
) -> None:
    """The runtime goes on as it was; what was flushed already is not flushed twice."""
    faulty, unreliable = FaultyStore.around(store)
    runtime = await brought_up(unreliable, environment(Residency.KEEP_ALL, Counting()))
    await taken_turn(runtime, "turn-1")
    counter(runtime).increase()
    for when, planned in failures.items():
        setattr(faulty, when, {name: list(errors) for name, errors in planned.items()})
    attempts = sum(len(planned) for planned in failures.values())
    for _ in range(attempts):
        with pytest.raises(StoreUnavailable):
            await runtime.park()
        assert texts(runtime.messages()) == said("turn-1")
    await runtime.park()

    assert await head_of(store) == 2
    assert await is_free(store)
    await taken_turn(runtime, "turn-2")
    assert await head_of(store) == 3


async def test_a_held_session_cannot_be_flushed(store: SessionStore) -> None:
    """The park is refused; when the other owner has gone, the same runtime parks."""
    runtime = await brought_up(store)
    held = await stranger_holds(store)
    with pytest.raises(LeaseHeld):
        await runtime.park()

    await store.release(held)
    await runtime.park()

    assert await head_of(store) == 1


async def test_a_lost_lease_is_claimed_anew(store: SessionStore, clock: ManualClock) -> None:
    """A stranger took it and has gone without a commit: the next park goes through."""
    runtime = await brought_up(store)
    await runtime.claim()
    clock.advance(TTL)
    await store.release(await stranger_holds(store))
    with pytest.raises(LeaseLost):
        await runtime.park()

    await runtime.park()

    assert await head_of(store) == 1
    assert await is_free(store)


async def test_a_stale_runtime_is_not_flushed_over_a_newer_head(store: SessionStore) -> None:
    """Another owner has committed since: its work stands."""
    runtime = await brought_up(store)
    other = await brought_up(store)
    await taken_turn(other, "turn-1")

    with pytest.raises((HeadConflict, LeaseLost)):
        await runtime.park()

    assert await head_of(store) == 1


async def test_resuming_loads_what_the_residency_keeps(
    store: SessionStore, residency: Residency
) -> None:
    """KEEP_ALL every node; ACTIVE_PATH_ONLY the path back to the current frame."""
    runtime = await brought_up(store)
    await taken_turn(runtime, "turn-1")
    branch = runtime.graph.leaf
    await taken_turn(runtime, "turn-2")
    runtime.graph.stand_on(branch)
    await taken_turn(runtime, "turn-3", NodeKind.FRAME, NodeKind.MESSAGE)
    parked = await runtime.park()
    faulty, watched = FaultyStore.around(store)

    resumed = await SessionRuntime.resume(
        ParkedSession(parked.session_id, parked.policy, watched), environment(residency)
    )

    assert len(resumed.graph) == {Residency.KEEP_ALL: 6, Residency.ACTIVE_PATH_ONLY: 2}[residency]
    assert texts(resumed.messages()) == ["turn-3, said"]
    assert faulty.calls == {"load": 1}


async def test_resuming_what_was_never_stored_is_fresh(
    store: SessionStore, residency: Residency
) -> None:
    """The parked id and policy, and nothing else."""
    runtime = await SessionRuntime.resume(
        ParkedSession(SESSION, POLICY, store), environment(residency)
    )

    assert (runtime.session_id, runtime.policy, runtime.head_revision) == (SESSION, POLICY, 0)
    assert (runtime.restored, runtime.healed, list(runtime.messages())) == (None, (), [])
    assert len(runtime.graph) == 0


async def test_a_scope_that_the_store_cannot_serve_is_said(
    store: SessionStore, residency: Residency
) -> None:
    """More is never loaded instead."""
    await taken_turn(await brought_up(store), "turn-1")
    faulty, limited = FaultyStore.around(store)
    faulty.before["load"] = [UnsupportedReadScope(scope=residency.scope)]

    with pytest.raises(UnsupportedReadScope):
        await brought_up(limited, environment(residency))

    assert faulty.calls == {"load": 1}


async def test_a_resumed_session_keeps_the_persisted_model(store: SessionStore) -> None:
    """A policy without a model leaves the choice to what is persisted."""
    await taken_turn(await brought_up(store), "turn-1")

    runtime = await SessionRuntime.resume(
        ParkedSession(SESSION, SessionPolicy(agent="clerk"), store), environment()
    )

    assert runtime.model == POLICY.model


async def test_plugin_state_outlives_a_park(store: SessionStore, residency: Residency) -> None:
    """With its revision, so that it is clean when it comes back."""
    runtime = await brought_up(store, environment(residency, Counting()))
    counter(runtime).increase()
    await runtime.park()

    resumed = await brought_up(store, environment(residency, Counting()))

    assert (counter(resumed).count, counter(resumed).revision) == (1, 1)
    await resumed.park()
    assert await head_of(store) == 1


async def test_a_failed_capture_keeps_the_last_state_and_is_tried_again(
    store: SessionStore, residency: Residency
) -> None:
    """A plugin that cannot be captured stops no park, and loses nothing once it can be."""
    plugin = Counting()
    runtime = await brought_up(store, environment(residency, plugin))
    counter(runtime).increase()
    await runtime.park()
    counter(runtime).increase()
    plugin.failing.add("snapshot")
    await runtime.park()
    await runtime.park()

    assert await head_of(store) == 1  # there was nothing new to store
    assert counter(await brought_up(store, environment(residency, Counting()))).count == 1
    plugin.failing.clear()
    await runtime.park()
    assert counter(await brought_up(store, environment(residency, Counting()))).count == 2
    assert await head_of(store) == 2


async def test_state_of_a_plugin_that_is_not_installed_is_kept(
    store: SessionStore, residency: Residency
) -> None:
    """It comes back with the plugin."""
    runtime = await brought_up(store, environment(residency, Counting()))
    counter(runtime).increase()
    await runtime.park()

    without = await brought_up(store, environment(residency))
    await taken_turn(without, "turn-1")
    await without.park()

    assert counter(await brought_up(store, environment(residency, Counting()))).count == 1


async def test_the_same_dirt_on_the_same_head_is_one_commit(store: SessionStore) -> None:
    """Two processes that have loaded the same session park it as one, and nobody holds it."""
    first, second = await brought_up(store), await brought_up(store)
    await first.park()
    await second.park()

    assert (first.head_revision, second.head_revision, await head_of(store)) == (1, 1, 1)
    assert await is_free(store)
