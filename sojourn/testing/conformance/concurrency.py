"""Concurrency: whoever comes at once, one wins, all are told, and nothing is half done."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from sojourn.commit import Commit
from sojourn.errors import HeadConflict, InvalidInput, LeaseHeld, SessionDeleted
from sojourn.journal import model_key
from sojourn.lease import LeaseOwner
from sojourn.messages import Message
from sojourn.ports import SessionStore
from sojourn.reads import ReadScope
from sojourn.testing.conformance.making import (
    ALICE,
    BOB,
    answer,
    begun,
    branched,
    chain,
    checked_out,
    commit_of,
    grown,
    insisted,
    intent,
    opening,
    path_ids,
    problems,
    readable,
    ref,
    spent,
    vacuumed,
    wish,
)

FULL = ReadScope.FULL_GRAPH
CROWD = 8


async def at_once(store: SessionStore, *commits: Commit) -> list[object]:
    """Commit all of them at the same time; return what came of each."""
    calls = (insisted(partial(store.commit, commit)) for commit in commits)
    return list(await asyncio.gather(*calls, return_exceptions=True))


async def test_of_two_writers_on_one_head_exactly_one_wins(store: SessionStore) -> None:
    """Two executors of one holder, at once: one commit lands, the others conflict."""
    lease = await store.claim(wish())
    rivals = [commit_of(lease, 0, *chain(None, key), operation_id=key) for key in "abcdefgh"]
    outcomes = await at_once(store, *rivals)

    assert sum(isinstance(outcome, HeadConflict) for outcome in outcomes) == len(rivals) - 1
    assert len(await path_ids(store, FULL)) == 1


async def test_sessions_commit_at_once_without_hurting_each_other(store: SessionStore) -> None:
    """Commits that share a flush share nothing else: some fail, the others land."""
    leases = [await store.claim(wish(session=f"s{n:02}")) for n in range(24)]
    commits = [commit_of(lease, n % 3, *chain(None, f"n{n}")) for n, lease in enumerate(leases)]
    outcomes = await at_once(store, *commits)
    heads = await store.heads()

    assert [isinstance(outcome, HeadConflict) for outcome in outcomes] == [
        n % 3 != 0 for n in range(24)
    ]
    assert [head.head_revision for head in heads] == [int(n % 3 == 0) for n in range(24)]
    assert (await store.stats())["nodes"] == 8


async def test_one_commit_sent_many_times_lands_once(store: SessionStore) -> None:
    """All callers get the same receipt, and one of them the first."""
    lease = await store.claim(wish())
    commit = commit_of(lease, 0, *chain(None, "a"), usage=(spent(3),))
    receipts = await asyncio.gather(
        *(insisted(partial(store.commit, commit)) for _ in range(CROWD))
    )

    assert sum(not receipt.replayed for receipt in receipts) == 1
    assert {(receipt.head_revision, receipt.leaf) for receipt in receipts} == {(1, "a")}
    assert list(await store.usage("s")) == [spent(3)]


async def test_of_many_owners_one_gets_the_lease(store: SessionStore) -> None:
    """The others are told who it is; the session is made once."""
    owners = [LeaseOwner(f"owner-{number}", "life") for number in range(CROWD)]
    outcomes = await asyncio.gather(
        *(insisted(partial(store.claim, wish(owner))) for owner in owners), return_exceptions=True
    )
    stored = await store.lease("s")

    assert stored is not None
    assert stored.fencing_token == 1
    assert [outcome for outcome in outcomes if not isinstance(outcome, LeaseHeld)] == [stored]


async def test_executors_that_claim_at_once_have_different_tokens(store: SessionStore) -> None:
    """Each takes over from the one before it; no token is given twice."""
    leases = await asyncio.gather(
        *(insisted(partial(store.claim, wish(ALICE, f"t{number}"))) for number in range(CROWD))
    )

    assert sorted(lease.fencing_token for lease in leases) == list(range(1, CROWD + 1))


async def test_a_turn_that_is_opened_twice_at_once_is_one_turn(store: SessionStore) -> None:
    """Both attempts have the same lease and the same input."""
    opened = await asyncio.gather(
        *(insisted(partial(store.open_turn, opening())) for _ in range(CROWD))
    )

    assert {turn.lease.fencing_token for turn in opened if turn.lease} == {1}
    assert len({turn.effects[0].position for turn in opened}) == 1
    assert len(await store.effects("s", "t1")) == 1


async def test_of_many_outcomes_one_stands(store: SessionStore) -> None:
    """Whoever records an effect at once is given the same row."""
    lease = await begun(store)
    key = ref(lease, model_key(1))
    rows = await asyncio.gather(
        *(
            insisted(partial(store.record_effect, key, answer(f"text {number}", f"a{number}")))
            for number in range(CROWD)
        )
    )

    assert len({(row.position, row.attempt_id, row.payload) for row in rows}) == 1
    assert list(await store.effects("s", "t1"))[1:] == [rows[0]]


async def test_effects_of_parallel_calls_are_all_recorded(store: SessionStore) -> None:
    """Each has a position of its own."""
    lease = await begun(store)
    keys = [f"tool/1/c{number}" for number in range(CROWD)]
    await asyncio.gather(
        *(insisted(partial(store.record_effect, ref(lease, key), answer(key))) for key in keys)
    )
    found = list(await store.effects("s", "t1"))[1:]

    assert {Message.decode(row.payload).text for row in found} == set(keys)
    assert len({row.position for row in found}) == CROWD


async def test_of_forks_to_one_id_one_is_made(store: SessionStore) -> None:
    """The others are told that the id is taken."""
    await grown(store, "a", "b")
    outcomes = await asyncio.gather(
        *(insisted(partial(store.fork, "s", node_id, "f")) for node_id in "abab"),
        return_exceptions=True,
    )

    refused = [outcome for outcome in outcomes if isinstance(outcome, InvalidInput)]
    made = [outcome for outcome in outcomes if not isinstance(outcome, InvalidInput)]
    assert len(refused) == 3
    assert made == [await store.head("f")]


async def test_the_same_bytes_announced_at_once_have_few_keys_and_one_row_each(
    store: SessionStore,
) -> None:
    """Every session has its row, and every key that a row names is in use."""
    leases = [await begun(store, session=f"s{number}") for number in range(CROWD)]
    rows = await asyncio.gather(
        *(
            insisted(partial(store.begin_attachment, intent(lease, f"k{number}")))
            for number, lease in enumerate(leases)
        )
    )
    keys = [row.blob_key for row in rows]

    assert await store.keys_in_use(keys) == set(keys)
    for lease, row in zip(leases, rows, strict=True):
        assert list(await store.attachments(lease.session_id)) == [row]


async def test_readers_beside_a_writer_see_whole_commits(store: SessionStore) -> None:
    """Head, leaf and nodes of a read are of one moment, and never go back."""
    lease = await store.claim(wish())
    total = 30

    async def write() -> None:
        for number in range(total):
            above = f"n{number - 1}b" if number else None
            nodes = chain(above, f"n{number}a", f"n{number}b")
            commit = commit_of(lease, number, *nodes, operation_id=f"o{number}")
            await insisted(partial(store.commit, commit))
            await asyncio.sleep(0)

    async def read() -> None:
        seen = 0
        while seen < total:
            found = await insisted(partial(store.load, "s", ReadScope.ACTIVE_PATH))
            assert found is not None
            assert len(found.nodes) == 2 * found.head.head_revision
            assert found.head.leaf == (found.nodes[-1].node_id if found.nodes else None)
            assert found.head.head_revision >= seen
            seen = found.head.head_revision
            await asyncio.sleep(0)

    await asyncio.gather(write(), read(), read())


@pytest.mark.parametrize("steps", [0, 1, 2, 5, 20])
async def test_a_cancelled_commit_has_landed_or_has_not(store: SessionStore, steps: int) -> None:
    """The same bytes sent again tell which, and there is one commit either way."""
    lease = await store.claim(wish())
    commit = commit_of(lease, 0, *chain(None, "a"), usage=(spent(3),), release=True)
    task = asyncio.create_task(store.commit(commit))
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    receipt = await insisted(partial(store.commit, commit))

    assert (receipt.head_revision, receipt.leaf) == (1, "a")
    assert await path_ids(store, FULL) == ["a"]
    assert list(await store.usage("s")) == [spent(3)]


async def test_a_cancelled_caller_hurts_nobody_else(store: SessionStore) -> None:
    """Of commits that went out together, those that were not cancelled land."""
    leases = [await store.claim(wish(session=f"s{number}")) for number in range(CROWD)]
    commits = [commit_of(lease, 0, *chain(None, f"n{n}")) for n, lease in enumerate(leases)]
    tasks = [asyncio.create_task(insisted(partial(store.commit, commit))) for commit in commits]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    again = [await insisted(partial(store.commit, commit)) for commit in commits]

    assert not any(isinstance(outcome, BaseException) for outcome in outcomes[1::2])
    assert [receipt.head_revision for receipt in again] == [1] * CROWD


@pytest.mark.parametrize("steps", [0, 1, 5])
async def test_a_cancelled_claim_can_be_made_again(store: SessionStore, steps: int) -> None:
    """The same executor re-enters, whether its first claim had come through or not."""
    task = asyncio.create_task(store.claim(wish(BOB)))
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert (await insisted(partial(store.claim, wish(BOB)))).fencing_token == 1


async def test_vacuum_beside_commits_takes_nothing_alive(store: SessionStore) -> None:
    """Sessions go on while dead rows are removed piece by piece."""
    await grown(store, *(f"x{number}" for number in range(40)), session="gone")
    await branched(store)
    await store.tombstone_nodes("s", ["b"])
    await store.delete("gone")

    async def work() -> None:
        for number in range(10):
            await insisted(partial(grown, store, f"n{number}", session="other"))

    await asyncio.gather(work(), insisted(partial(vacuumed, store, 5)))
    await vacuumed(store)

    assert await path_ids(store, session="other") == [f"n{number}" for number in range(10)]
    assert (await store.stats())["nodes"] == 12
    assert await problems(store) == []


async def test_a_session_is_deleted_or_claimed(store: SessionStore) -> None:
    """At once: whoever is first decides, and the other is told."""
    for number in range(CROWD):
        session = f"s{number}"
        await grown(store, f"n{number}", session=session)
        deletion, claim = await asyncio.gather(
            insisted(partial(store.delete, session)),
            insisted(partial(store.claim, wish(BOB, session=session))),
            return_exceptions=True,
        )
        is_gone = await store.head(session) is None

        assert isinstance(claim, SessionDeleted) == is_gone
        assert isinstance(deletion, LeaseHeld) == (not is_gone)


async def test_a_node_is_forked_at_or_tombstoned(store: SessionStore) -> None:
    """At once: a fork never stands on a node that is marked deleted."""
    for number in range(CROWD):
        session, node_id = f"s{number}", f"{number}-b"
        await grown(store, f"{number}-a", node_id, session=session)
        await checked_out(store, f"{number}-a", session)
        await asyncio.gather(
            insisted(partial(store.fork, session, node_id, f"f{number}")),
            insisted(partial(store.tombstone_nodes, session, [node_id])),
            return_exceptions=True,
        )

    assert await problems(store) == []
    for session in await readable(store):
        if session.startswith("f"):
            assert len(await path_ids(store, session=session)) == 2
