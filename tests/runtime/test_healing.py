"""Healing when a session is brought to life: under every residency, and never in the store."""

from __future__ import annotations

import pytest

from sojourn.errors import GraphCorrupt
from sojourn.heal import HealedKind
from sojourn.ports import SessionStore
from sojourn.residency import Residency
from tests.runtime.making import (
    SESSION,
    Damage,
    brought_up,
    environment,
    head_of,
    node_ids,
    said,
    taken_turn,
    texts,
)


async def three_turns(store: SessionStore) -> list[str]:
    """Make three turns, and return the ids of their nodes."""
    runtime = await brought_up(store)
    for number in (1, 2, 3):
        await taken_turn(runtime, f"turn-{number}")
    return await node_ids(store)


async def test_a_dangling_leaf_does_not_wipe_the_history(
    store: SessionStore, residency: Residency, damage: Damage
) -> None:
    """The path would be empty; the session stands on its last whole message instead."""
    ids = await three_turns(store)
    damage.lose_node(ids[5])
    runtime = await brought_up(store, environment(residency))

    [healed] = runtime.healed
    assert (healed.kind, healed.node_id) == (HealedKind.DANGLING_LEAF, ids[5])
    assert runtime.graph.leaf == ids[4]
    assert texts(runtime.messages()) == said("turn-1", "turn-2", "turn-3")[:5]
    assert "turn-3, asked" not in healed.detail


async def test_healing_writes_nothing_and_the_next_turn_makes_it_durable(
    store: SessionStore, residency: Residency, damage: Damage
) -> None:
    """Every stored node is there afterwards."""
    ids = await three_turns(store)
    damage.lose_node(ids[5])
    runtime = await brought_up(store, environment(residency))
    assert await head_of(store) == 3
    await taken_turn(runtime, "turn-4")

    after = await brought_up(store, environment(residency))
    assert after.healed == ()
    assert texts(after.messages())[-2:] == said("turn-4")
    assert (await node_ids(store))[:5] == ids[:5]
    assert [problem async for problem in store.check()] == []


async def test_a_healthy_session_is_not_touched(store: SessionStore, residency: Residency) -> None:
    """There is nothing to tell."""
    ids = await three_turns(store)
    runtime = await brought_up(store, environment(residency))

    assert runtime.healed == ()
    assert [node.node_id for node in runtime.graph] == ids


async def test_a_gap_in_the_path_is_no_start_of_a_session(
    store: SessionStore, residency: Residency, damage: Damage
) -> None:
    """It cannot be healed, and is not taken for a shorter conversation."""
    ids = await three_turns(store)
    damage.lose_node(ids[2])

    with pytest.raises(GraphCorrupt):
        await brought_up(store, environment(residency))

    assert await head_of(store) == 3


async def test_a_lost_snapshot_is_not_taken_for_a_fresh_session(
    store: SessionStore, residency: Residency, damage: Damage
) -> None:
    """Without it the session would silently start over with other tools."""
    await three_turns(store)
    damage.lose_snapshots()

    with pytest.raises(GraphCorrupt, match="snapshot") as corrupt:
        await brought_up(store, environment(residency))

    assert corrupt.value.facts["session_id"] == SESSION
