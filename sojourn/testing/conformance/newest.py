"""The newest message: where a session stands again when its leaf is lost."""

from __future__ import annotations

from sojourn.ports import SessionStore
from sojourn.testing.conformance.making import (
    branched,
    chain,
    checked_out,
    commit_of,
    grown,
    head_of,
    wish,
)


async def framed(store: SessionStore, parent: str, *node_ids: str, session: str = "s") -> None:
    """Commit frame nodes to a session, in a released turn."""
    head = await head_of(store, session)
    lease = await store.claim(wish(executor=f"turn-{node_ids[0]}", session=session))
    nodes = chain(parent, *node_ids, kind="frame")
    await store.commit(commit_of(lease, head.head_revision, *nodes, release=True))


async def test_the_newest_message_is_the_last_one_appended(store: SessionStore) -> None:
    """On whatever branch: the leaf is not asked."""
    await branched(store)
    assert await store.newest_message("s") == "d"
    await checked_out(store, "c")
    assert await store.newest_message("s") == "d"
    await grown(store, "e")

    assert await store.newest_message("s") == "e"


async def test_only_messages_are_stood_upon(store: SessionStore) -> None:
    """Frames, and what a newer version wrote, are passed over."""
    await grown(store, "a")
    await framed(store, "a", "f1", "f2")

    assert await store.newest_message("s") == "a"


async def test_a_tombstoned_message_is_not_the_newest(store: SessionStore) -> None:
    """Only what can be read can be stood upon."""
    await branched(store)
    await checked_out(store, "b")
    await store.tombstone_nodes("s", ["d"])

    assert await store.newest_message("s") == "c"


async def test_a_session_without_messages_has_no_newest(store: SessionStore) -> None:
    """Nor has one that is unknown, or deleted."""
    await store.claim(wish(session="empty"))
    await grown(store, "a")
    await store.delete("s")

    for session in ("empty", "unknown", "s"):
        assert await store.newest_message(session) is None


async def test_a_fork_stands_where_it_was_forked(store: SessionStore) -> None:
    """Until it has a message of its own; what its source adds later is none of it."""
    await grown(store, "a", "b")
    await store.fork("s", "a", "f")
    await grown(store, "c")
    assert await store.newest_message("f") == "a"
    await grown(store, "d", session="f")
    assert await store.newest_message("f") == "d"
    await checked_out(store, "a", session="f")

    assert await store.newest_message("f") == "d"


async def test_a_fork_at_a_frame_stands_before_it(store: SessionStore) -> None:
    """The way to where it was forked is searched for a message, through every generation."""
    await grown(store, "a")
    await framed(store, "a", "f1", "f2")
    await store.fork("s", "f2", "f")
    await framed(store, "f2", "f3", session="f")
    await store.fork("f", "f3", "g")

    assert [await store.newest_message(session) for session in ("f", "g")] == ["a", "a"]


async def test_strangers_messages_do_not_count(store: SessionStore) -> None:
    """However new they are."""
    await grown(store, "a")
    await grown(store, "b", session="other")

    assert await store.newest_message("s") == "a"
