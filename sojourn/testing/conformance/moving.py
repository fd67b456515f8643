"""Moving: a session is read in pages, and written with the past that it had elsewhere."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from sojourn import ids
from sojourn.commit import Commit, NewNode
from sojourn.errors import (
    HeadConflict,
    InvalidInput,
    LeaseLost,
    OperationConflict,
    StoreError,
    UnsupportedReadScope,
)
from sojourn.graph import Node
from sojourn.ports import SessionStore
from sojourn.reads import ReadScope
from sojourn.testing.conformance.making import (
    BODY,
    branched,
    chain,
    checked_out,
    commit_of,
    contents,
    grown,
    head_of,
    opening,
    problems,
    spent,
    state,
    wish,
)
from sojourn.transfer_ports import PAGE_BYTES, PAGE_NODES, Past, PastNode, PastReceipt, SessionPage

FULL, PATH, FRAME = ReadScope.FULL_GRAPH, ReadScope.ACTIVE_PATH, ReadScope.FRAME
BEGAN = datetime(2024, 5, 17, 12, 30, 0, 125, UTC)
ENDED = datetime(2024, 5, 18, 8, 0, 0, 7, UTC)


async def pages(
    store: SessionStore, scope: ReadScope = FULL, session: str = "s"
) -> list[SessionPage]:
    """Return all the pages of a session."""
    return [page async for page in store.load_pages(session, scope)]


async def nodes_of(
    store: SessionStore, scope: ReadScope = FULL, session: str = "s"
) -> tuple[Node, ...]:
    """Return the nodes of all the pages."""
    return tuple(node for page in await pages(store, scope, session) for node in page.nodes)


async def are_as_loaded(store: SessionStore, session: str = "s") -> bool:
    """Tell whether the pages of each scope hold together what a load of it gives."""
    for scope in (FULL, PATH):
        read = await store.load(session, scope)
        if read is None or await nodes_of(store, scope, session) != read.nodes:
            return False
    return True


def past() -> Past:
    """Return what the nodes a and b once were: one turn, a day long."""
    result = {"status": "completed", "input_digest": ids.digest(b"hello")}
    return Past(
        nodes=(PastNode("a", "old", BEGAN), PastNode("b", "old", ENDED)),
        receipts=(PastReceipt("old", "b", result, ENDED),),
        turns=1,
        created_at=BEGAN,
    )


async def adoption(store: SessionStore) -> Commit:
    """Return a commit that brings the nodes a and b."""
    lease = await store.claim(wish(executor="import"))
    head = await head_of(store)
    made = commit_of(lease, head.head_revision, *chain(head.leaf, "a", "b"), is_turn=False)
    return replace(made, operation_id="import/1", release=True)


async def test_an_unknown_session_has_no_page(store: SessionStore) -> None:
    """Nor has a deleted one."""
    await grown(store, "a")
    await store.delete("s")

    assert await pages(store) == []
    assert await pages(store, session="x") == []


async def test_a_page_comes_even_of_a_session_without_nodes(store: SessionStore) -> None:
    """So that there is a head to read."""
    await store.claim(wish())

    (page,) = await pages(store)

    assert (page.head, page.nodes, page.is_fork) == (await head_of(store), (), False)


async def test_the_pages_hold_what_a_load_gives(store: SessionStore) -> None:
    """Branches too, or the active path alone; each page has the head and the states."""
    await branched(store)
    lease = await store.claim(wish(executor="t9"))
    tools, plugins = state(b'{"t":1}', 3), state(b"\xff\x00", 4)
    made = commit_of(
        lease, 3, *chain("d", "e"), tool_state=tools, plugin_state=plugins, usage=(spent(5),)
    )
    await store.commit(made)

    assert await are_as_loaded(store)
    for page in await pages(store):
        assert page.head == await head_of(store)
        assert (page.tool_state, page.plugin_state) == (tools.body, plugins.body)


async def test_the_pages_of_a_fork_begin_with_what_it_stands_on(store: SessionStore) -> None:
    """Fork of a fork, and branches of either: what others wrote besides is not theirs."""
    await branched(store)
    await store.fork("s", "b", "f")
    await grown(store, "e", "f", session="f")
    await store.fork("f", "e", "g")
    await grown(store, "h", session="g")
    await checked_out(store, "a", session="g")

    assert [await are_as_loaded(store, session) for session in ("s", "f", "g")] == [True] * 3
    assert [node.node_id for node in await nodes_of(store, session="g")] == ["a", "b", "e", "h"]
    assert all(page.is_fork for page in await pages(store, session="g"))


async def test_a_long_path_comes_in_pages(store: SessionStore) -> None:
    """No page has more nodes than it may, whatever the scope, own nodes or inherited ones."""
    names = [f"n{number}" for number in range(2 * PAGE_NODES + 30)]
    await grown(store, *names)
    await store.fork("s", names[-1], "f")

    for session, scope in (("s", FULL), ("s", PATH), ("f", FULL), ("f", PATH)):
        found = await pages(store, scope, session)
        assert max(len(page.nodes) for page in found) == PAGE_NODES
        assert [node.node_id for page in found for node in page.nodes] == names


@pytest.mark.parametrize("scope", [FULL, PATH])
async def test_large_nodes_come_in_small_pages(store: SessionStore, scope: ReadScope) -> None:
    """The nodes of a page after its first are bounded by their bytes."""
    body = b"x" * (PAGE_BYTES // 2 - 10)
    for number in range(7):
        lease = await store.claim(wish(executor=f"t{number}"))
        parent = f"n{number - 1}" if number else None
        await store.commit(commit_of(lease, number, NewNode(f"n{number}", parent, "blob", body)))

    found = await pages(store, scope)

    assert all(sum(len(node.body) for node in page.nodes[1:]) <= PAGE_BYTES for page in found)
    assert sum(len(page.nodes) for page in found) == 7


async def test_the_pages_hold_nothing_that_came_later(store: SessionStore) -> None:
    """A session that is read while it goes on is read as it was at first."""
    await branched(store)
    before = await store.load("s", FULL)
    reading = store.load_pages("s", FULL)
    first = await anext(reading)
    await grown(store, "z")
    rest = [page async for page in reading]

    assert before is not None
    assert tuple(node for page in (first, *rest) for node in page.nodes) == before.nodes
    assert {page.head.leaf for page in (first, *rest)} == {before.head.leaf}


async def test_tombstoned_nodes_are_on_no_page(store: SessionStore) -> None:
    """They are as good as gone."""
    await branched(store)
    await store.tombstone_nodes("s", ["b"])

    assert [node.node_id for node in await nodes_of(store)] == ["a", "d"]


async def test_a_frame_cannot_be_read_in_pages(store: SessionStore) -> None:
    """It is small, and nothing falls back to reading more."""
    await grown(store, "a")

    with pytest.raises(UnsupportedReadScope):
        await pages(store, FRAME)


async def test_an_adopted_node_keeps_its_turn_and_its_time(store: SessionStore) -> None:
    """So does the session its beginning, its count of turns, and the receipt of each."""
    receipt = await store.adopt(await adoption(store), past())
    read = await store.load("s", FULL)

    assert read is not None
    assert read.nodes == (
        Node("a", None, "message", BODY, "old", BEGAN),
        Node("b", "a", "message", BODY, "old", ENDED),
    )
    head = read.head
    assert (head.created_at, head.turn_count, head.leaf) == (BEGAN, 1, "b")
    assert receipt.head_revision == head.head_revision == 2
    assert await problems(store) == []


async def test_an_adopted_turn_is_not_run_again(store: SessionStore) -> None:
    """Its receipt answers for it, as it did where it came from."""
    await store.adopt(await adoption(store), past())

    opened = await store.open_turn(opening("old"))

    assert opened.lease is None
    assert opened.receipt is not None
    assert (opened.receipt.leaf, opened.receipt.head_revision) == ("b", 1)
    assert opened.receipt.result == past().receipts[0].result


async def test_an_adopted_session_goes_on(store: SessionStore) -> None:
    """The next commit builds on the head that the adoption gave it."""
    await store.adopt(await adoption(store), past())
    await grown(store, "c")

    assert (await head_of(store)).head_revision == 3
    assert await are_as_loaded(store)
    assert await problems(store) == []


async def test_an_adoption_that_is_repeated_is_one(store: SessionStore) -> None:
    """Its receipt answers; with another past it is another operation."""
    made = await adoption(store)
    first = await store.adopt(made, past())
    before = await contents(store)
    again = await store.adopt(made, past())

    assert again == replace(first, replayed=True)
    with pytest.raises(OperationConflict):
        await store.adopt(made, replace(past(), turns=2))
    assert await contents(store) == before


async def test_turns_without_receipts_move_the_head_too(store: SessionStore) -> None:
    """No session has more turns than revisions."""
    await store.adopt(await adoption(store), replace(past(), receipts=(), turns=5))
    head = await head_of(store)

    assert (head.turn_count, head.head_revision) == (5, 6)
    assert await problems(store) == []


async def test_an_adoption_that_is_refused_leaves_nothing(store: SessionStore) -> None:
    """It is fenced, and checks the head, as every commit; nor are operations told of twice."""
    await grown(store, "x")
    made = await adoption(store)
    before = await contents(store)
    twice = replace(past(), receipts=(PastReceipt("turn-x", "b", {}, ENDED),))

    with pytest.raises(LeaseLost):
        await store.adopt(replace(made, fencing_token=1), past())
    with pytest.raises(HeadConflict):
        await store.adopt(replace(made, expected_head_revision=7), past())
    with pytest.raises(StoreError):
        await store.adopt(made, twice)
    with pytest.raises(InvalidInput):
        await store.adopt(replace(made, nodes=made.nodes[:1], leaf="a"), past())
    assert await contents(store) == before
