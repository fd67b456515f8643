"""What was healed is told, and stays told when a commit has made the damage invisible."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sojourn.commit import Commit, NewNode
from sojourn.errors import GraphCorrupt
from sojourn.graph import NodeKind
from sojourn.heal import HealedKind
from sojourn.messages import ToolCallPart, assistant
from sojourn.ports import SessionStore
from sojourn.reads import ReadScope
from sojourn.residency import Residency
from sojourn.view import HealedView, view_session
from tests.runtime.making import (
    SESSION,
    Counting,
    Damage,
    brought_up,
    commit_of,
    counter,
    environment,
    node_ids,
    said,
    taken_turn,
    texts,
)

LEAF = HealedKind.DANGLING_LEAF


async def two_turns(store: SessionStore) -> list[str]:
    """Make two turns, and return the ids of their nodes."""
    runtime = await brought_up(store)
    await taken_turn(runtime, "turn-1")
    await taken_turn(runtime, "turn-2")
    return await node_ids(store)


async def committed(store: SessionStore, *nodes: NewNode) -> None:
    """Commit nodes of any kind as one turn."""
    runtime = await brought_up(store)
    lease = await runtime.claim()
    await store.commit(
        Commit(
            session_id=SESSION,
            operation_id="odd",
            expected_head_revision=runtime.head_revision,
            fencing_token=lease.fencing_token,
            nodes=nodes,
            leaf=nodes[-1].node_id,
            release=True,
        )
    )


async def test_a_healed_leaf_is_shown_before_and_after_the_next_commit(
    store: SessionStore, residency: Residency, damage: Damage
) -> None:
    """The view computes it as long as it can, and the head keeps it from then on."""
    ids = await two_turns(store)
    damage.lose_node(ids[3])
    told = HealedView(kind=LEAF, node_id=ids[3], detail=f"the session now stands on {ids[2]}")
    before = await view_session(store, SESSION)
    assert (before.healed, before.leaf) == ((told,), ids[2])
    assert [message.text for message in before.messages] == said("turn-1", "turn-2")[:3]

    runtime = await brought_up(store, environment(residency))
    await taken_turn(runtime, "turn-3")
    await taken_turn(runtime, "turn-4")
    again = await brought_up(store, environment(residency))
    await taken_turn(again, "turn-5")

    assert again.healed == ()
    assert (await view_session(store, SESSION)).healed == (told,)


async def test_a_park_keeps_the_record_too(
    store: SessionStore, residency: Residency, damage: Damage
) -> None:
    """It is the first commit on the healed leaf if a plugin is dirty."""
    ids = await two_turns(store)
    damage.lose_node(ids[3])
    runtime = await brought_up(store, environment(residency, Counting()))
    counter(runtime).increase()
    await runtime.park()

    (told,) = (await view_session(store, SESSION)).healed
    assert (told.kind, told.node_id) == (LEAF, ids[3])
    head = await store.head(SESSION)
    assert head is not None
    assert head.leaf == ids[2]


async def test_a_commit_that_is_tried_again_has_the_same_content(
    store: SessionStore, damage: Damage
) -> None:
    """The record changes nothing about who may retry what."""
    ids = await two_turns(store)
    damage.lose_node(ids[3])
    runtime = await brought_up(store)
    lease = await runtime.claim()
    commit = commit_of(runtime, lease, "turn-3")
    first = await runtime.commit(commit)

    assert replace(await runtime.commit(commit), replayed=False) == first


async def test_a_lost_leaf_is_healed_without_a_full_load(
    store: SessionStore, damage: Damage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ACTIVE_PATH_ONLY reads frames alone, two of them."""
    runtime = await brought_up(store)
    await taken_turn(runtime, "turn-1")
    await taken_turn(runtime, "turn-2", NodeKind.FRAME, NodeKind.MESSAGE, NodeKind.MESSAGE)
    ids = await node_ids(store)
    damage.lose_node(ids[-1])
    scopes: list[ReadScope] = []
    load = store.load

    async def watched(session: str, scope: ReadScope, leaf: str | None = None) -> Any:
        scopes.append(scope)
        return await load(session, scope, leaf)

    monkeypatch.setattr(store, "load", watched)
    healed = await brought_up(store, environment(Residency.ACTIVE_PATH_ONLY))

    assert scopes == [ReadScope.FRAME, ReadScope.FRAME]
    assert [node.node_id for node in healed.graph] == ids[2:4]


async def test_a_session_of_which_nothing_is_left_is_no_empty_one(
    store: SessionStore, residency: Residency, damage: Damage
) -> None:
    """Nothing can be written over what may still be found elsewhere."""
    for node_id in await two_turns(store):
        damage.lose_node(node_id)

    with pytest.raises(GraphCorrupt, match="the leaf is lost") as corrupt:
        await brought_up(store, environment(residency))

    assert corrupt.value.facts["session_id"] == SESSION


async def test_a_fork_that_lost_its_leaf_stands_where_it_was_forked(
    store: SessionStore, residency: Residency, damage: Damage
) -> None:
    """It has no message of its own any more, and its past is not its own to lose."""
    ids = await two_turns(store)
    await store.fork(SESSION, ids[1], "fork")
    fork = await brought_up(store, session="fork")
    await taken_turn(fork, "turn-f")
    for node in fork.graph.active_path()[2:]:
        damage.lose_node(node.node_id)
    healed = await brought_up(store, environment(residency), session="fork")

    assert healed.graph.leaf == ids[1]
    assert texts(healed.messages()) == said("turn-1")


async def test_a_node_of_a_newer_version_is_kept_shown_and_passed_over(
    store: SessionStore, residency: Residency
) -> None:
    """The model is not told of it, and the conversation goes on behind it."""
    ids = await two_turns(store)
    await committed(store, NewNode("newer", ids[3], "vision", b"\xff"))
    runtime = await brought_up(store, environment(residency))
    await taken_turn(runtime, "turn-3")

    (told,) = (await view_session(store, SESSION)).healed
    assert (told.kind, told.node_id) == (HealedKind.UNKNOWN_NODE, "newer")
    assert texts(runtime.messages()) == said("turn-1", "turn-2", "turn-3")
    assert "newer" in await node_ids(store)
    assert [problem async for problem in store.check()] == []


async def test_a_call_without_a_result_is_healed_in_every_reading(
    store: SessionStore, residency: Residency
) -> None:
    """The record does not grow with it."""
    ids = await two_turns(store)
    call = assistant("", ToolCallPart(id="c1", name="add"))
    await committed(store, NewNode("calls", ids[3], "message", call.encode()))
    for number in (3, 4):
        runtime = await brought_up(store, environment(residency))
        assert [each.node_id for each in runtime.healed] == ["calls"]
        await taken_turn(runtime, f"turn-{number}")

    (told,) = (await view_session(store, SESSION)).healed
    assert told == HealedView(kind=HealedKind.UNANSWERED_CALL, node_id="calls", detail="call c1")
    head = await store.head(SESSION)
    assert head is not None
    assert "healed" not in head.config


async def test_a_view_of_what_cannot_be_read_names_session_and_row(
    store: SessionStore,
) -> None:
    """And shows nothing of what is there."""
    ids = await two_turns(store)
    await committed(store, NewNode("odd", ids[3], "message", b"secret?"))

    with pytest.raises(GraphCorrupt) as corrupt:
        await view_session(store, SESSION)

    assert (corrupt.value.facts["session_id"], corrupt.value.node_id) == (SESSION, "odd")
    assert "secret" not in str(corrupt.value)
