"""Who the session's owner is: the logical workflow, whatever happens to its workers and runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from temporalio.api.enums.v1 import EventType

from sojourn.errors import RunEnded, SessionHeld, SojournError
from sojourn.lease import Claim, Lease
from sojourn.messages import Message
from sojourn.outcome import TurnStatus
from tests.support.gate import Gate
from tests.support.scene import QUICK, Scene, echo, until

pytestmark = pytest.mark.server


async def lease_of(scene: Scene) -> Lease:
    """Return the session's lease, in whatever state."""
    lease = await scene.store.lease(scene.session_id)
    assert lease is not None
    return lease


async def test_the_owner_is_the_workflow_and_its_life_the_first_run(scene: Scene) -> None:
    """Both can be looked up on the server."""
    async with scene.playing() as session:
        await session.send("hello", "t-1")
        lease = await lease_of(scene)

    assert lease.owner.owner_id == f"temporal/default/session/{scene.session_id}"
    assert lease.owner.incarnation_id == await scene.run_id()
    assert lease.executor_id == "t-1"


async def test_each_turn_has_a_token_above_the_last(scene: Scene) -> None:
    """A zombie of an earlier turn is fenced off by the next."""
    tokens: list[int] = []
    async with scene.playing() as session:
        for n in range(3):
            await session.send(f"message {n}")
            tokens.append((await lease_of(scene)).fencing_token)

    assert tokens == [1, 2, 3]


async def test_the_owner_outlives_a_worker(scene: Scene) -> None:
    """The next worker goes on as the same owner: nobody waits for a lease."""
    async with scene.playing() as session:
        await session.send("hello")
        before = (await lease_of(scene)).owner
    async with scene.playing() as session:
        result = await session.send("again")

    assert (await lease_of(scene)).owner == before
    assert result.head_revision == 2


async def test_a_turn_goes_on_with_the_next_worker(scene: Scene) -> None:
    """A worker that stops in mid-turn leaves its turn to another, as the same owner."""
    gate = Gate()
    scene.worker_options["graceful_shutdown_timeout"] = timedelta(milliseconds=100)

    async def gated(messages: Sequence[Message]) -> str:
        await gate.enter()
        return echo(messages)

    async with scene.playing(gated) as session:
        turn = await session.submit("hello")
        await gate.reached()
        before = await lease_of(scene)
    async with scene.playing() as session:
        outcome = await session.outcome(turn.id)
        after = await lease_of(scene)

    assert outcome.status is TurnStatus.COMPLETED
    assert (after.owner, after.fencing_token) == (before.owner, before.fencing_token)


async def test_the_owner_outlives_a_retried_activity(scene: Scene) -> None:
    """Another attempt writes with the same token: it is the same turn of the same owner."""
    leases: list[Lease] = []

    async def flaky(messages: Sequence[Message]) -> str:
        leases.append(await lease_of(scene))
        if len(leases) == 1:
            raise OSError("away")
        return echo(messages)

    async with scene.playing(flaky) as session:
        await session.send("hello")

    assert len(leases) == 2
    assert leases[0].owner == leases[1].owner
    assert leases[0].fencing_token == leases[1].fencing_token


async def test_the_owner_outlives_a_run(scene: Scene) -> None:
    """Continue-as-new changes the run and nothing else; the session goes on without a wait."""
    scene.bounds["continue_after_events"] = 10
    owners = set()
    async with scene.playing() as session:
        for n in range(4):
            await session.send(f"message {n}")
            owners.add((await lease_of(scene)).owner)
        chain = await scene.chain()

    assert len(chain) > 3
    assert {owner.incarnation_id for owner in owners} == {chain[-1]}


async def test_a_claim_whose_answer_was_lost_does_no_harm(scene: Scene) -> None:
    """A worker may die between its claim and its word of it: another turn may come first then."""
    async with scene.playing() as session:
        await session.send("hello", "t-1")
        owner = (await lease_of(scene)).owner
        await scene.store.claim(Claim(scene.session_id, owner, "t-lost"))
        result = await session.send("again", "t-2")

    assert (result.status, result.head_revision) == (TurnStatus.COMPLETED, 2)
    assert (await lease_of(scene)).fencing_token == 3


async def test_a_terminated_workflow_is_succeeded_by_a_new_life(scene: Scene) -> None:
    """The new incarnation waits until the old one's lease has run out, and then goes on."""
    scene.timings = QUICK
    async with scene.playing() as session:
        await session.send("hello")
        before = await lease_of(scene)
        await scene.handle.terminate("by the test")
        result = await session.send("again")
        after = await lease_of(scene)
        events = await scene.events()

    assert after.owner.owner_id == before.owner.owner_id
    assert after.owner.incarnation_id == await scene.run_id() != before.owner.incarnation_id
    assert after.claimed_at >= before.expires_at
    assert after.fencing_token == before.fencing_token + 1
    assert result.head_revision == 2
    assert EventType.EVENT_TYPE_TIMER_FIRED in {event.event_type for event in events}


async def test_a_terminated_turn_is_told_to_its_caller_and_goes_on_when_sent_again(
    scene: Scene,
) -> None:
    """The same turn id in the new life is the same turn: the answer that was bought is kept."""
    scene.timings = QUICK
    gate = Gate()

    async def gated(messages: Sequence[Message]) -> str:
        if not gate.passed:
            gate.open()
            await gate.enter()
            await scene.handle.terminate("by the test")
        return echo(messages)

    async with scene.playing(gated) as session:
        with pytest.raises(RunEnded, match="send that id again"):
            await session.send("hello", "t-1")
        result = await session.send("hello", "t-1")

    assert result.text == "you said hello"
    assert await scene.texts() == ["hello"]


async def test_a_session_that_stays_held_is_refused_by_name(scene: Scene) -> None:
    """After its bound the message is refused, and the refusal names the holder."""
    scene.bounds["held"] = timedelta(milliseconds=300)
    async with scene.embedded() as holder, scene.playing() as session:
        await holder.send("mine")
        with pytest.raises(SessionHeld, match="was held by embedded") as refused:
            await session.send("yours", "t-1")
        owner = (await lease_of(scene)).owner

    assert str(owner) == refused.value.holder
    assert await scene.texts() == ["mine"]


async def test_a_refused_turn_may_be_sent_again(scene: Scene) -> None:
    """The same turn id is served as soon as the holder is gone; nothing of it was kept."""
    scene.bounds["held"] = timedelta(0)
    async with scene.playing() as session:
        async with scene.embedded() as holder:
            await holder.send("mine")
            with pytest.raises(SessionHeld):
                await session.send("yours", "t-1")
        result = await session.send("yours", "t-1")

    assert (result.status, result.head_revision) == (TurnStatus.COMPLETED, 2)
    assert await scene.texts() == ["mine", "yours"]


async def test_a_session_that_is_given_back_in_time_goes_on(scene: Scene) -> None:
    """The message waits for the holder's release, not for the lease to run out."""
    async with scene.playing() as session:
        async with scene.embedded() as holder:
            await holder.send("mine")
            turn = await session.submit("yours")

            async def begins() -> bool:
                return (await session.status()).phase == "begin"

            await until(begins)
            assert await scene.texts() == ["mine"]
        result = await turn.result()

    assert result.head_revision == 2
    assert await scene.texts() == ["mine", "yours"]


async def test_an_open_session_refuses_an_embedded_owner(scene: Scene) -> None:
    """The lease excludes both ways, until the session is parked."""
    async with scene.playing() as session:
        await session.send("mine")
        async with scene.embedded() as other:
            with pytest.raises(SojournError, match="is held by temporal/default/session"):
                await other.send("yours")
        await session.park()
        async with scene.embedded() as other:
            assert (await other.send("yours")).head_revision == 2
