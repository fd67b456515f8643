"""The turn journal: each effect is recorded once, and gone when its turn is settled."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from sojourn.clock import ManualClock
from sojourn.errors import EffectSettled, LeaseLost, UnknownSession
from sojourn.journal import EffectStatus, model_key, tool_key
from sojourn.messages import Message
from sojourn.ports import SessionStore
from sojourn.testing.conformance.making import (
    BOB,
    TTL,
    answer,
    begun,
    chain,
    commit_of,
    opening,
    ref,
    result,
    wish,
)

CALL = tool_key(1, "call-1")


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


async def test_an_outcome_needs_no_start(store: SessionStore) -> None:
    """A model answer is recorded in one step; a start that comes late changes nothing."""
    lease = await begun(store)
    done = await store.record_effect(ref(lease, CALL), result())

    assert done.is_final
    assert await store.start_effect(ref(lease, CALL), "a2") == done


@pytest.mark.parametrize("status", [EffectStatus.DONE, EffectStatus.FAILED, EffectStatus.UNKNOWN])
async def test_every_outcome_is_final(store: SessionStore, status: EffectStatus) -> None:
    """What was recorded is not recorded again as something else."""
    lease = await begun(store)
    first = await store.record_effect(ref(lease, CALL), result(status))

    for other in (EffectStatus.DONE, EffectStatus.FAILED, EffectStatus.UNKNOWN):
        assert await store.record_effect(ref(lease, CALL), result(other, "a2")) == first
    assert first.status is status


async def test_an_outcome_comes_back_as_it_was_given(store: SessionStore) -> None:
    """Payload, facts and attempt; JSON keeps its types and every script."""
    lease = await begun(store)
    facts = {"usage": {"input_tokens": 2**53}, "names": ["é", "🧭", "\u0000"], "none": None}
    given = replace(answer(), payload=bytes(range(256)), facts=facts, attempt_id="a/7 é")
    await store.record_effect(ref(lease, model_key(1)), given)
    _, found = await store.effects("s", "t1")

    assert (found.payload, found.facts, found.attempt_id) == (
        given.payload,
        given.facts,
        given.attempt_id,
    )
    assert (found.effect_key, found.kind, found.status) == ("model/1", given.kind, given.status)


async def test_keys_of_one_turn_stand_beside_each_other(store: SessionStore) -> None:
    """Parallel calls of one step, and the same call id in the next step, are effects each."""
    lease = await begun(store)
    keys = [tool_key(step, call) for step in (1, 2) for call in ("x", "y", "X")]
    for key in keys:
        await store.start_effect(ref(lease, key), "a1")

    assert [effect.effect_key for effect in await store.effects("s", "t1")][1:] == keys


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


async def test_a_row_that_stands_keeps_its_position(store: SessionStore) -> None:
    """A second writer changes nothing, so that nobody reads the row again."""
    lease = await begun(store)
    first = await store.record_effect(ref(lease, CALL), result())
    await store.record_effect(ref(lease, CALL), result(EffectStatus.FAILED, "a2"))

    assert list(await store.effects("s", "t1", first.position)) == []


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


async def test_another_sessions_journal_outlives_a_commit(store: SessionStore) -> None:
    """Turns of the same name in two sessions are settled each by its own commit."""
    lease = await begun(store)
    await begun(store, session="other")
    await store.commit(commit_of(lease, 0, *chain(None, "a")))

    assert len(await store.effects("other", "t1")) == 1


async def test_a_refused_commit_settles_nothing(store: SessionStore) -> None:
    """The turn goes on with all that it had recorded."""
    lease = await begun(store)
    await store.record_effect(ref(lease, model_key(1)), answer())
    before = list(await store.effects("s", "t1"))
    with pytest.raises(LeaseLost):
        await store.commit(commit_of(replace(lease, fencing_token=9), 0, *chain(None, "a")))

    assert list(await store.effects("s", "t1")) == before


async def test_an_effect_is_recorded_beside_other_turns_of_its_name(store: SessionStore) -> None:
    """Keys count within their turn."""
    await store.record_effect(ref(await begun(store, "t1"), model_key(1)), answer("one"))
    lease = await begun(store, "t2")
    await store.record_effect(ref(lease, model_key(1), "t2"), answer("two"))
    payloads = [(await store.effects("s", turn))[1].payload for turn in ("t1", "t2")]

    assert [Message.decode(payload).text for payload in payloads] == ["one", "two"]
