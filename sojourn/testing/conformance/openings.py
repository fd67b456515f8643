"""Openings of turns: receipt, divergence, claim and input, in one step."""

from __future__ import annotations

import pytest

from sojourn.clock import ManualClock
from sojourn.errors import Diverged, InvalidId, LeaseHeld, TurnConflict
from sojourn.ids import digest
from sojourn.journal import INPUT_KEY, EffectKind, EffectStatus, model_key
from sojourn.messages import Message
from sojourn.ports import SessionStore
from sojourn.testing.conformance.making import (
    ALICE_REBORN,
    BOB,
    TTL,
    answer,
    begun,
    chain,
    commit_of,
    contents,
    grown,
    head_of,
    opening,
    ref,
    wish,
)


async def test_a_fresh_turn_is_claimed_and_its_input_journalled(store: SessionStore) -> None:
    """One transaction makes the session, claims it for the turn, and keeps the input."""
    opened = await store.open_turn(opening())

    assert opened.receipt is None
    assert opened.lease is not None
    assert (opened.lease.executor_id, opened.lease.fencing_token) == ("t1", 1)
    assert opened.head.config == {"agent": "clerk"}
    (kept,) = opened.effects
    assert (kept.effect_key, kept.kind) == (INPUT_KEY, EffectKind.INPUT)
    assert kept.status is EffectStatus.DONE
    assert kept.facts == {"digest": digest(b"hello")}
    assert Message.decode(kept.payload).text == "hello"


async def test_a_begun_turn_is_reentered_with_its_journal(store: SessionStore) -> None:
    """The retry gets the same token and all that was recorded."""
    first = await store.open_turn(opening())
    assert first.lease is not None
    recorded = await store.record_effect(ref(first.lease, model_key(1)), answer())
    again = await store.open_turn(opening())

    assert again.lease == first.lease
    assert again.effects == (*first.effects, recorded)


async def test_a_turn_of_a_session_that_is_there_keeps_its_configuration(
    store: SessionStore,
) -> None:
    """The opening's configuration is for a session that does not exist yet."""
    await begun(store)
    opened = await store.open_turn(opening("t2", config={"agent": "other"}))

    assert opened.head.config == {"agent": "clerk"}
    assert (await head_of(store)).config == {"agent": "clerk"}


async def test_an_opening_shows_the_head(store: SessionStore) -> None:
    """The head as a read shows it: nothing was committed by the opening."""
    await grown(store, "a")
    opened = await store.open_turn(opening())

    assert opened.head == await head_of(store)
    assert (opened.head.head_revision, opened.head.leaf, opened.head.turn_count) == (1, "a", 1)


async def test_a_turn_that_moved_to_another_worker_keeps_its_token(
    store: SessionStore, clock: ManualClock
) -> None:
    """The turn is the executor: whoever runs it next re-enters, even after the expiry."""
    first = await begun(store)
    clock.advance(2 * TTL)
    second = await begun(store)

    assert second.fencing_token == first.fencing_token
    assert second.is_live(clock.now())


async def test_a_turn_that_lost_its_lease_is_opened_anew(
    store: SessionStore, clock: ManualClock
) -> None:
    """With the next token, and with all that it had recorded."""
    first = await begun(store)
    recorded = await store.record_effect(ref(first, model_key(1)), answer())
    clock.advance(TTL)
    stranger = await store.claim(wish(BOB))
    await store.release(stranger)
    again = await store.open_turn(opening())

    assert again.lease is not None
    assert again.lease.fencing_token == 3
    assert recorded in again.effects


async def test_a_committed_turn_answers_by_its_receipt(store: SessionStore) -> None:
    """The same turn id with the same input claims nothing and returns the first result."""
    opened = await store.open_turn(opening())
    assert opened.lease is not None
    outcome = {"input_digest": digest(b"hello"), "text": "hi"}
    made = commit_of(opened.lease, 0, *chain(None, "a"), result=outcome, release=True)
    await store.commit(made)
    before = await contents(store)
    again = await store.open_turn(opening(owner=BOB))

    assert again.lease is None
    assert again.effects == ()
    assert again.receipt is not None
    assert (again.receipt.result, again.receipt.replayed) == (outcome, True)
    assert again.head.head_revision == 1
    assert await contents(store) == before


async def test_a_committed_turn_answers_whoever_holds_the_session(store: SessionStore) -> None:
    """The receipt comes before the claim: nobody has to wait for an answer that is there."""
    lease = await begun(store)
    outcome = {"input_digest": digest(b"hello")}
    await store.commit(commit_of(lease, 0, *chain(None, "a"), result=outcome, release=True))
    held = await store.claim(wish(BOB, "t2"))
    again = await store.open_turn(opening(known_token=0))

    assert again.receipt is not None
    assert again.receipt.result == outcome
    assert await store.lease("s") == held


async def test_a_committed_turn_refuses_another_input(store: SessionStore) -> None:
    """A turn id is one turn for ever."""
    opened = await store.open_turn(opening())
    assert opened.lease is not None
    outcome = {"input_digest": digest(b"hello")}
    await store.commit(commit_of(opened.lease, 0, *chain(None, "a"), result=outcome))

    with pytest.raises(TurnConflict):
        await store.open_turn(opening(text="something else"))


async def test_a_begun_turn_refuses_another_input(store: SessionStore) -> None:
    """The journal knows the input too, and nothing is written."""
    await store.open_turn(opening())
    before = await contents(store)

    with pytest.raises(TurnConflict):
        await store.open_turn(opening(text="something else"))

    assert await contents(store) == before


async def test_an_owner_that_went_back_in_time_has_diverged(store: SessionStore) -> None:
    """A workflow reset shows as the owner's own lease with a token that it does not know."""
    await store.claim(wish(executor="t1"))
    await store.claim(wish(executor="t2"))

    with pytest.raises(Diverged) as diverged:
        await store.open_turn(opening("t3", known_token=1))

    assert (diverged.value.known, diverged.value.actual) == (1, 2)
    assert list(await store.effects("s", "t3")) == []


async def test_an_owner_that_knows_its_newest_token_goes_on(store: SessionStore) -> None:
    """The next turn of a workflow takes over from its last one."""
    await store.claim(wish(executor="t1"))
    opened = await store.open_turn(opening("t2", known_token=1))

    assert opened.lease is not None
    assert opened.lease.fencing_token == 2


async def test_a_lost_answer_is_no_divergence(store: SessionStore) -> None:
    """A retry of the opening whose answer was lost meets its own executor's newer token."""
    await store.claim(wish(executor="t1"))
    await store.open_turn(opening("t2", known_token=1))

    assert (await store.open_turn(opening("t2", known_token=1))).lease is not None


async def test_another_owners_token_is_no_divergence(
    store: SessionStore, clock: ManualClock
) -> None:
    """Only the own history can be gone back in: another incarnation's newer token is none of it."""
    await store.claim(wish(ALICE_REBORN, "t1"))
    clock.advance(TTL)

    assert (await store.open_turn(opening("t2", known_token=0))).lease is not None


async def test_a_turn_of_a_held_session_writes_nothing(store: SessionStore) -> None:
    """Who is refused the lease leaves no input behind."""
    await store.claim(wish(BOB))
    before = await contents(store)

    with pytest.raises(LeaseHeld):
        await store.open_turn(opening())

    assert await contents(store) == before
    assert list(await store.effects("s", "t1")) == []


async def test_turns_of_two_sessions_may_have_one_name(store: SessionStore) -> None:
    """A turn id counts within its session."""
    await begun(store, text="one")
    await begun(store, text="two", session="other")

    assert [len(await store.effects(session, "t1")) for session in ("s", "other")] == [1, 1]


async def test_a_turn_of_an_impossible_session_is_refused(store: SessionStore) -> None:
    """Nothing is made under an id that could not be typed."""
    with pytest.raises(InvalidId):
        await store.open_turn(opening(session="two words"))

    assert (await store.stats())["effects"] == 0


async def test_what_a_caller_changes_later_is_not_stored(store: SessionStore) -> None:
    """The store keeps values, not the caller's objects."""
    config = {"agent": "clerk"}
    await store.open_turn(opening(config=config))
    config["agent"] = "other"
    head = await store.head("s")

    assert head is not None
    assert head.config == {"agent": "clerk"}
