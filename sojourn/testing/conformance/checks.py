"""Checks and counts: a store knows what it has, and whether it is sound."""

from __future__ import annotations

from sojourn.commit import NewNode
from sojourn.ports import SessionStore
from sojourn.testing.conformance.making import (
    answer,
    begun,
    branched,
    chain,
    commit_of,
    grown,
    intent,
    problems,
    ref,
    state,
    wish,
)

EMPTY = {
    "sessions": 0,
    "nodes": 0,
    "tombstoned": 0,
    "effects": 0,
    "receipts": 0,
    "snapshots": 0,
    "attachments": 0,
    "intents": 0,
}


async def test_an_empty_store_is_sound(store: SessionStore) -> None:
    """It has nothing, and nothing is wrong with it."""
    stats = await store.stats()
    stats.pop("size_bytes")

    assert stats == EMPTY
    assert await problems(store) == []


async def test_a_sound_store_has_no_problems(store: SessionStore) -> None:
    """States, branches, tombstones, forks, attachments and open turns are all in order."""
    lease = await store.claim(wish(session="other"))
    states = {"tool_state": state(b"tools"), "plugin_state": state(b"plugins")}
    await store.commit(commit_of(lease, 0, *chain(None, "x"), **states))
    await branched(store)
    await store.fork("s", "d", "f")
    await grown(store, "e", session="f")
    await store.tombstone_nodes("s", ["b"])
    await store.begin_attachment(intent(await begun(store, "t7")))

    assert await problems(store) == []


async def test_a_message_that_cannot_be_decoded_is_found(store: SessionStore) -> None:
    """By its node; bodies of other kinds are none of the store's business."""
    lease = await store.claim(wish())
    nodes = (NewNode("a", None, "message", b"secret?"), NewNode("b", "a", "other", b"??"))
    await store.commit(commit_of(lease, 0, *nodes))

    assert {(found.session_id, found.node_id) for found in await problems(store)} == {("s", "a")}


async def test_every_node_is_looked_at(store: SessionStore) -> None:
    """However many there are, on whatever branch."""
    lease = await store.claim(wish())
    names = [f"n{number:04}" for number in range(1_100)]
    nodes = [NewNode(name, None, "message", b"?") for name in names]
    await store.commit(commit_of(lease, 0, *nodes, leaf=names[-1]))

    assert {problem.node_id for problem in await problems(store)} == set(names)


async def test_every_session_is_looked_at(store: SessionStore) -> None:
    """Forks of it and strangers, each under its own name."""
    for number in range(30):
        lease = await store.claim(wish(session=f"s{number:02}"))
        node = NewNode(f"n{number}", None, "message", b"?")
        await store.commit(commit_of(lease, 0, node))

    found = {(problem.session_id, problem.node_id) for problem in await problems(store)}
    assert found == {(f"s{number:02}", f"n{number}") for number in range(30)}


async def test_a_problem_says_nothing_of_the_content(store: SessionStore) -> None:
    """It names rows; what people wrote stays in the store."""
    lease = await store.claim(wish())
    await store.commit(commit_of(lease, 0, NewNode("a", None, "message", b'{"secret": 1}')))

    assert "secret" not in repr(await problems(store))


async def test_stats_count_what_is_there(store: SessionStore) -> None:
    """Each under its name, and a size."""
    await grown(store, "a", "b")
    stats = await store.stats()

    assert stats.pop("size_bytes") > 0
    assert stats == {**EMPTY, "sessions": 1, "nodes": 2, "receipts": 1}


async def test_every_kind_of_row_is_counted(store: SessionStore) -> None:
    """Of all sessions together."""
    lease = await begun(store)
    await store.record_effect(ref(lease, "model/1"), answer())
    await store.begin_attachment(intent(lease, "k1"))
    await grown(store, "a", "b", session="other")
    lease = await store.claim(wish(session="other"))
    await store.commit(commit_of(lease, 1, leaf="a", tool_state=state(b"tools")))
    await store.tombstone_nodes("other", ["b"])
    stats = await store.stats()
    stats.pop("size_bytes")

    assert stats == {
        "sessions": 2,
        "nodes": 1,
        "tombstoned": 1,
        "effects": 2,
        "receipts": 2,
        "snapshots": 1,
        "attachments": 1,
        "intents": 1,
    }
