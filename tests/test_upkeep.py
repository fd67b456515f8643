"""Chores on a store: old things go, a bounded piece at a time, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from sojourn.adapters.blobs.memory import MemoryBlobs
from sojourn.adapters.open import open_store
from sojourn.chores import MAX_DAYS, MAX_FAULTS, Chore, Piece, UpkeepPolicy
from sojourn.clock import ManualClock
from sojourn.errors import BlobStoreUnavailable, Contended, EmptyRootSet, GraphCorrupt
from sojourn.ports import SessionStore
from sojourn.reads import Head
from sojourn.testing.blob_conformance import chunks, key_of
from sojourn.testing.conformance.making import (
    DAY,
    begun,
    checked_out,
    contents,
    grown,
    path_ids,
    problems,
)
from sojourn.upkeep import SESSIONS_A_PIECE, Upkeep
from tests.attachments.making import Watched, keeper, keys_of, unavailable
from tests.support.neglected import given_up, orphans, waste, with_orphans
from tests.support.postgres import migrated, postgres_url

__all__ = ["migrated", "postgres_url"]

AT_ONCE = UpkeepPolicy(
    journals_days=0, intents_days=0, receipts_days=0, orphans_days=0, blobs_days=0
)
NEVER = UpkeepPolicy(
    journals_days=None, intents_days=None, receipts_days=None, orphans_days=None, blobs_days=None
)


@pytest.fixture
def clock() -> ManualClock:
    """The time of the stores and of the chores."""
    return ManualClock()


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a fresh session store of each kind is."""
    urls = {"memory": "memory://", "sqlite": f"sqlite:///{tmp_path}/sojourn.db"}
    return urls.get(request.param) or request.getfixturevalue("postgres_url")


@pytest.fixture
async def store(url: str, clock: ManualClock) -> AsyncIterator[SessionStore]:
    """A fresh session store."""
    store = await open_store(url, clock=clock)
    yield store
    await store.close()


@pytest.fixture
def blobs(clock: ManualClock) -> Watched:
    """A blob store with small pages."""
    return Watched(clock, page=2)


async def pieces(upkeep: Upkeep, chore: Chore, cursor: str = "", bound: int = 100) -> list[Piece]:
    """Do a chore to its end, and return each piece of it."""
    done = [await upkeep.piece(chore, cursor)]
    while not done[-1].is_done:
        assert len(done) < bound
        done.append(await upkeep.piece(chore, done[-1].cursor))
    return done


def removed(done: Sequence[Piece]) -> list[int]:
    """Return how much each piece removed."""
    return [piece.removed for piece in done]


def test_a_policy_asks_for_what_has_an_age_in_order() -> None:
    """Receipts and orphans stay unless somebody says otherwise; vacuum always has work."""
    assert UpkeepPolicy().chores() == (Chore.JOURNALS, Chore.INTENTS, Chore.VACUUM, Chore.BLOBS)
    assert AT_ONCE.chores() == tuple(Chore)
    assert NEVER.chores() == (Chore.VACUUM,)
    assert AT_ONCE.age(Chore.ORPHANS) == timedelta(0)
    assert NEVER.age(Chore.ORPHANS) is None
    assert UpkeepPolicy(blobs_days=0.5).age(Chore.BLOBS) == timedelta(hours=12)


@pytest.mark.parametrize(
    "wrong",
    [
        {"journals_days": -1},
        {"orphans_days": float("nan")},
        {"receipts_days": float("inf")},
        {"blobs_days": MAX_DAYS + 1},
        {"rows_a_piece": 0},
        {"blobs_a_piece": 0},
    ],
    ids=str,
)
def test_a_policy_that_means_nothing_is_refused(wrong: dict[str, Any]) -> None:
    """No age lies in the future, and no piece is empty: it would go on for ever."""
    with pytest.raises(ValidationError):
        UpkeepPolicy(**wrong)


def test_pieces_add_up() -> None:
    """The counts and the faults are those of both; where to go on is the later one's."""
    first = Piece(removed=2, freed_bytes=10, cursor="a", is_done=False, faults=("x",))
    later = Piece(removed=3, freed_bytes=5, cursor="b", faults=("x", "y"))

    assert later.after(first) == Piece(
        removed=5, freed_bytes=15, cursor="b", is_done=True, faults=("x", "y")
    )
    many = Piece(faults=tuple(map(str, range(50))))
    assert many.after(first).faults == ("x", *map(str, range(MAX_FAULTS - 1)))


@pytest.mark.parametrize("chore", Chore)
async def test_where_there_is_nothing_a_chore_is_done_at_once(
    store: SessionStore, blobs: Watched, clock: ManualClock, chore: Chore
) -> None:
    """In an empty store, and in one that holds only what is needed."""
    upkeep = Upkeep(store, blobs, AT_ONCE, clock)
    assert removed(await pieces(upkeep, chore)) == [0]
    await grown(store, "a", "b")
    before = await contents(store)

    assert removed(await pieces(Upkeep(store, blobs, AT_ONCE, clock), chore)) == [0]
    assert await contents(store) == before


@pytest.mark.parametrize("policy", [UpkeepPolicy(), NEVER], ids=["defaults", "never"])
async def test_what_a_policy_keeps_for_ever_stays(
    store: SessionStore, clock: ManualClock, policy: UpkeepPolicy
) -> None:
    """However old it is: receipts and orphans by default, all but what is deleted by choice."""
    await with_orphans(store, "s")
    if policy is NEVER:
        await given_up(store, "g", b"x")
    clock.advance(1_000 * DAY)
    before = await contents(store)
    upkeep = Upkeep(store, None, policy, clock)
    for chore in Chore:
        assert await pieces(upkeep, chore) == [Piece()]

    assert await contents(store) == before


@pytest.mark.parametrize(
    ("chore", "days"),
    [(Chore.JOURNALS, 7), (Chore.INTENTS, 1), (Chore.RECEIPTS, 30), (Chore.ORPHANS, 30)],
)
async def test_each_chore_removes_what_is_older_than_its_own_age(
    store: SessionStore, clock: ManualClock, chore: Chore, days: int
) -> None:
    """Not what is as old as that: only what is older."""
    await given_up(store, "g", b"x")
    if chore is Chore.INTENTS:
        await store.reclaim_journals(clock.now() + DAY, 10)
    if chore is Chore.RECEIPTS:
        await grown(store, "g-b", session="g")
    if chore is Chore.ORPHANS:
        await grown(store, "g-b", session="g")
        await checked_out(store, "g-a", session="g")
    policy = UpkeepPolicy(receipts_days=30, orphans_days=30)
    clock.advance(days * DAY)
    assert removed(await pieces(Upkeep(store, None, policy, clock), chore)) == [0]
    clock.advance(timedelta(seconds=1))

    assert sum(removed(await pieces(Upkeep(store, None, policy, clock), chore))) >= 1
    assert removed(await pieces(Upkeep(store, None, policy, clock), chore)) == [0]
    assert await problems(store) == []


async def test_ages_are_counted_from_when_the_work_began(
    store: SessionStore, clock: ManualClock
) -> None:
    """However long it goes on: what grows old meanwhile is for the next time."""
    await given_up(store, "g")
    upkeep = Upkeep(store, None, UpkeepPolicy(), clock)
    clock.advance(30 * DAY)

    assert removed(await pieces(upkeep, Chore.JOURNALS)) == [0]
    assert removed(await pieces(Upkeep(store, None, UpkeepPolicy(), clock), Chore.JOURNALS)) == [1]


@pytest.mark.parametrize(
    ("chore", "expected"),
    [
        (Chore.JOURNALS, [2, 2, 1]),
        (Chore.INTENTS, [2, 2, 1]),
        (Chore.ORPHANS, [2, 2, 1]),
    ],
)
async def test_a_piece_removes_no_more_than_it_may(
    store: SessionStore, clock: ManualClock, chore: Chore, expected: list[int]
) -> None:
    """What is left is for the next piece, until nothing is."""
    for number in range(5):
        await given_up(store, f"g{number}", b"%d" % number)
        if chore is Chore.ORPHANS:
            await checked_out(store, None, f"g{number}")
    if chore is Chore.INTENTS:
        await store.reclaim_journals(clock.now() + DAY, 10)
    clock.advance(DAY)
    upkeep = Upkeep(store, None, AT_ONCE.model_copy(update={"rows_a_piece": 2}), clock)

    assert removed(await pieces(upkeep, chore)) == expected


async def test_what_is_vacuumed_is_bounded_too(store: SessionStore, clock: ManualClock) -> None:
    """All that is tombstoned goes, and with it its room is given back."""
    await with_orphans(store, "s", count=7)
    clock.advance(DAY)
    upkeep = Upkeep(store, None, AT_ONCE.model_copy(update={"rows_a_piece": 3}), clock)
    assert removed(await pieces(upkeep, Chore.ORPHANS)) == [3, 3, 1]
    done = await pieces(upkeep, Chore.VACUUM)

    assert max(removed(done)) <= 3
    assert sum(removed(done)) == 7
    assert await path_ids(store) == ["s-root"]
    assert (await store.stats())["tombstoned"] == 0


async def test_orphans_are_looked_for_in_every_session(
    store: SessionStore, clock: ManualClock
) -> None:
    """A few sessions a piece, in the order of their ids; one with many takes several pieces."""
    sessions = [f"s{number:03}" for number in range(2 * SESSIONS_A_PIECE + 1)]
    for session in sessions:
        await with_orphans(store, session, count=20 if session == "s012" else 1)
    clock.advance(DAY)
    policy = AT_ONCE.model_copy(update={"rows_a_piece": SESSIONS_A_PIECE + 1})
    done = await pieces(Upkeep(store, None, policy, clock), Chore.ORPHANS)

    assert [(piece.removed, piece.cursor) for piece in done] == [
        (SESSIONS_A_PIECE, "s009"),
        (SESSIONS_A_PIECE + 1, "s011"),
        (SESSIONS_A_PIECE + 1, "s011"),
        (SESSIONS_A_PIECE - 2, ""),
    ]
    assert sum(removed(done)) == len(sessions) + 19
    assert await orphans(store, *sessions) == 0


async def test_orphans_are_looked_for_from_a_cursor_on(
    store: SessionStore, clock: ManualClock
) -> None:
    """Who was looked at before is not looked at again."""
    for session in ("a", "b", "c"):
        await with_orphans(store, session)
    clock.advance(DAY)
    await pieces(Upkeep(store, None, AT_ONCE, clock), Chore.ORPHANS, cursor="b")

    assert [await orphans(store, session) for session in ("a", "b", "c")] == [1, 1, 0]


async def test_a_session_that_goes_while_orphans_are_looked_for_is_passed_over(
    store: SessionStore, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deleted since it was listed, or gone for good."""
    for session in ("a", "b", "c"):
        await with_orphans(store, session)
    clock.advance(DAY)
    heads = store.heads

    async def listed(after: str = "", limit: int = 100) -> Sequence[Head]:
        page = await heads(after, limit)
        await store.delete("b")
        return page

    monkeypatch.setattr(store, "heads", listed)
    done = await pieces(Upkeep(store, None, AT_ONCE, clock), Chore.ORPHANS)

    assert (removed(done), done[-1].faults) == ([2], ())
    assert await orphans(store, "a", "c") == 0


async def test_a_damaged_session_is_named_and_does_not_stop_the_others(
    store: SessionStore, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are looked at in the same piece."""
    for session in ("a", "b", "c"):
        await with_orphans(store, session)
    clock.advance(DAY)
    mark = store.tombstone_orphans

    async def marking(session_id: str, before: datetime, limit: int) -> int:
        if session_id == "b":
            raise GraphCorrupt(session_id="b", node_id="n", reason="a cycle")
        return await mark(session_id, before, limit)

    monkeypatch.setattr(store, "tombstone_orphans", marking)
    done = await pieces(Upkeep(store, None, AT_ONCE, clock), Chore.ORPHANS)

    assert removed(done) == [2]
    assert done[-1].faults == ("Session 'b' has a damaged graph at node 'n': a cycle.",)
    assert await orphans(store, "a", "c") == 0


async def test_a_store_that_is_busy_is_told(
    store: SessionStore, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asked tries the same again: it is no fault of one session."""
    await with_orphans(store, "a")

    async def busy(*_: object) -> int:
        raise Contended(reason="busy")

    for name in ("tombstone_orphans", "reclaim_journals"):
        monkeypatch.setattr(store, name, busy)
    upkeep = Upkeep(store, None, AT_ONCE, clock)
    for chore in (Chore.ORPHANS, Chore.JOURNALS):
        with pytest.raises(Contended):
            await upkeep.piece(chore)


async def test_bytes_that_no_row_names_are_swept_when_they_are_old(
    store: SessionStore, blobs: Watched, clock: ManualClock
) -> None:
    """A few pages a piece; what a row names stays, and what is young."""
    await keeper(store, blobs, await begun(store)).put(b"needed", "text/plain")
    needed = await keys_of(blobs)
    await waste(blobs, 7)
    clock.advance(DAY)
    young = key_of(b"young")
    await blobs.put(young, chunks(b"young"))
    policy = UpkeepPolicy(blobs_days=1, blobs_a_piece=3)
    done = await pieces(Upkeep(store, blobs, policy, clock), Chore.BLOBS)

    assert sum(removed(done)) == 7
    assert max(removed(done)) <= 4  # the page in which the bound is met is ended
    assert len(done) > 1
    assert await keys_of(blobs) == needed | {young}


async def test_without_a_blob_store_there_is_nothing_to_sweep(
    store: SessionStore, clock: ManualClock
) -> None:
    """An app that keeps no attachments has upkeep all the same."""
    assert await pieces(Upkeep(store, None, AT_ONCE, clock), Chore.BLOBS) == [Piece()]


async def test_a_store_without_attachments_empties_no_blob_store(
    store: SessionStore, clock: ManualClock
) -> None:
    """Unless the policy says so: it may be the wrong store."""
    blobs = MemoryBlobs(clock)
    keys = await waste(blobs, 3)
    clock.advance(DAY)
    with pytest.raises(EmptyRootSet):
        await Upkeep(store, blobs, AT_ONCE, clock).piece(Chore.BLOBS)
    assert await keys_of(blobs) == keys
    allowed = AT_ONCE.model_copy(update={"allow_empty": True})

    assert removed(await pieces(Upkeep(store, blobs, allowed, clock), Chore.BLOBS)) == [3]


async def test_blobs_that_cannot_be_settled_are_told_and_left_to_the_next_time(
    store: SessionStore, blobs: Watched, clock: ManualClock
) -> None:
    """The piece ends the chore for this time, and says why."""
    await given_up(store, "g", b"needed")
    await waste(blobs, 4)
    clock.advance(DAY)
    blobs.failures = [unavailable()]
    upkeep = Upkeep(store, blobs, AT_ONCE, clock)
    (piece,) = await pieces(upkeep, Chore.BLOBS)

    assert (piece.removed, piece.faults) == (2, (str(unavailable()),))
    assert isinstance(unavailable(), BlobStoreUnavailable)
    assert removed(await pieces(upkeep, Chore.BLOBS)) == [2]


async def test_the_chores_in_order_leave_nothing_of_a_turn_that_was_given_up(
    store: SessionStore, blobs: Watched, clock: ManualClock
) -> None:
    """The journal lets go of the attachment's row, and the row of its bytes."""
    lease = await begun(store)
    await keeper(store, blobs, lease).put(b"abandoned", "text/plain")
    await grown(store, "a")
    other = await begun(store, session="other")
    await keeper(store, blobs, other).put(b"at work", "text/plain")
    clock.advance(8 * DAY)
    policy = UpkeepPolicy()
    upkeep = Upkeep(store, blobs, policy, clock)
    for chore in policy.chores():
        await pieces(upkeep, chore)
    stats = await store.stats()

    assert (stats["effects"], stats["attachments"], len(await keys_of(blobs))) == (1, 1, 1)
    assert [row.turn_id for row in await store.attachments("other")] == ["t1"]
    assert list(await store.attachments("s")) == []
