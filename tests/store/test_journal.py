from __future__ import annotations

from datetime import timedelta

import pytest

from sojourn.clock import ManualClock
from sojourn.errors import (
    Diverged,
    EffectSettled,
    LeaseHeld,
    LeaseLost,
    TurnConflict,
    UnknownSession,
)
from sojourn.ids import digest
from sojourn.journal import INPUT_KEY, EffectKind, EffectStatus, model_key, tool_key
from sojourn.messages import Message
from sojourn.ports import SessionStore
from tests.store.making import (
    ALICE_REBORN,
    BOB,
    TTL,
    answer,
    chain,
    commit_of,
    contents,
    opening,
    ref,
    result,
    wish,
)

CALL = tool_key(1, "call-1")


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


async def test_the_first_writer_of_an_outcome_wins(store: SessionStore) -> None:
    """A model answer is recorded once: the second writer is given the first one's."""
    opened = await store.open_turn(opening())
    assert opened.lease is not None
    key = ref(opened.lease, model_key(1))
    first = await store.record_effect(key, answer("first", "a1"))
    second = await store.record_effect(key, answer("second", "a2"))

    assert second == first
    assert Message.decode(second.payload).text == "first"
    assert list(await store.effects("s", "t1", opened.effects[0].position)) == [first]


async def test_a_call_is_started_once(store: SessionStore) -> None:
    """A later attempt finds the row of the one that started, and can tell by its name."""
    opened = await store.open_turn(opening())
    assert opened.lease is not None
    first = await store.start_effect(ref(opened.lease, CALL), "a1")
    second = await store.start_effect(ref(opened.lease, CALL), "a2")

    assert second == first
    assert (first.status, first.attempt_id, first.payload) == (EffectStatus.STARTED, "a1", b"")
    assert not first.is_final


async def test_a_started_call_is_settled_once(store: SessionStore) -> None:
    """STARTED gives way to an outcome, and an outcome to nothing."""
    opened = await store.open_turn(opening())
    assert opened.lease is not None
    started = await store.start_effect(ref(opened.lease, CALL), "a1")
    unknown = await store.record_effect(ref(opened.lease, CALL), result(EffectStatus.UNKNOWN, "a2"))
    late = await store.record_effect(ref(opened.lease, CALL), result(EffectStatus.DONE, "a1"))

    assert unknown.status is EffectStatus.UNKNOWN
    assert unknown.position > started.position
    assert late == unknown
    assert await store.start_effect(ref(opened.lease, CALL), "a3") == unknown


async def test_effects_are_read_on_from_a_position(store: SessionStore) -> None:
    """Rows that are new or changed come again, in order; others do not."""
    opened = await store.open_turn(opening())
    assert opened.lease is not None
    started = await store.start_effect(ref(opened.lease, CALL), "a1")
    answered = await store.record_effect(ref(opened.lease, model_key(2)), answer())
    assert list(await store.effects("s", "t1", started.position)) == [answered]
    done = await store.record_effect(ref(opened.lease, CALL), result())

    assert list(await store.effects("s", "t1", started.position)) == [answered, done]
    assert list(await store.effects("s", "t1", done.position)) == []


async def test_positions_grow_from_turn_to_turn(store: SessionStore) -> None:
    """Who reads on after a commit misses nothing of the next turn."""
    first = await store.open_turn(opening("t1"))
    assert first.lease is not None
    await store.commit(commit_of(first.lease, 0, *chain(None, "a")))
    second = await store.open_turn(opening("t2"))

    assert second.effects[0].position > first.effects[0].position


async def test_effects_of_nothing_are_none(store: SessionStore) -> None:
    """An unknown session or turn has an empty journal."""
    await store.claim(wish())

    assert list(await store.effects("s", "t9")) == []
    assert list(await store.effects("x", "t1")) == []


async def test_an_effect_after_the_commit_is_dropped(store: SessionStore) -> None:
    """The commit settles the journal: a late result is refused by name, and not kept."""
    opened = await store.open_turn(opening())
    assert opened.lease is not None
    await store.start_effect(ref(opened.lease, CALL), "a1")
    await store.commit(commit_of(opened.lease, 0, *chain(None, "a")))

    assert list(await store.effects("s", "t1")) == []
    with pytest.raises(EffectSettled):
        await store.record_effect(ref(opened.lease, CALL), result())
    with pytest.raises(EffectSettled):
        await store.start_effect(ref(opened.lease, CALL), "a2")
    assert list(await store.effects("s", "t1")) == []


async def test_an_effect_of_a_turn_that_never_began_is_refused(store: SessionStore) -> None:
    """Without its input a turn has no journal."""
    lease = await store.claim(wish())

    with pytest.raises(EffectSettled):
        await store.record_effect(ref(lease, model_key(1)), answer())


async def test_a_zombie_records_nothing(store: SessionStore, clock: ManualClock) -> None:
    """Effects are fenced as commits are, and before anything else is told."""
    opened = await store.open_turn(opening())
    assert opened.lease is not None
    clock.advance(TTL + timedelta(seconds=1))
    await store.claim(wish(BOB))

    with pytest.raises(LeaseLost):
        await store.record_effect(ref(opened.lease, model_key(1)), answer())
    with pytest.raises(LeaseLost):
        await store.start_effect(ref(opened.lease, CALL), "a1")
    assert list(await store.effects("s", "t1")) == list(opened.effects)


async def test_effects_need_a_session(store: SessionStore) -> None:
    """There is no journal without a session."""
    lease = await store.claim(wish())
    stranger = ref(lease, model_key(1))

    with pytest.raises(UnknownSession):
        await store.record_effect(type(stranger)("x", "t1", "model/1", 1), answer())


async def test_another_turns_journal_outlives_a_commit(store: SessionStore) -> None:
    """A commit settles its own turn alone."""
    await store.open_turn(opening("t1"))
    second = await store.open_turn(opening("t2"))
    assert second.lease is not None
    await store.commit(commit_of(second.lease, 0, *chain(None, "a")))

    assert len(await store.effects("s", "t1")) == 1
    assert len(await store.effects("s", "t2")) == 0


async def test_what_a_caller_changes_later_is_not_stored(store: SessionStore) -> None:
    """The store keeps values, not the caller's objects."""
    config = {"agent": "clerk"}
    await store.open_turn(opening(config=config))
    config["agent"] = "other"
    head = await store.head("s")

    assert head is not None
    assert head.config == {"agent": "clerk"}
