"""`sojourn.events`: what can be watched from a store, and what an embedded session tells."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import timedelta

import pytest

from sojourn import App, ids
from sojourn.adapters.memory import MemoryStore
from sojourn.branching import checkout
from sojourn.clock import ManualClock
from sojourn.errors import InvalidInput, UnknownAgent, UnknownSession
from sojourn.events import EventKind, SessionEvent, follow, follow_turn, is_idle
from sojourn.journal import EffectKind, EffectRef, EffectStatus, Outcome, model_key, tool_key
from sojourn.lease import Claim, LeaseOwner
from sojourn.messages import CallStatus, ToolCallPart, assistant, tool_response, user
from sojourn.reads import TurnOpening
from tests.cli.apps import app as clerks

EXECUTOR = LeaseOwner("temporal/default/session/s", "run-1")
START = "0.0"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often: how often is no law."""
    monkeypatch.setattr("sojourn.events.POLL", timedelta(milliseconds=1))


@pytest.fixture
def store() -> MemoryStore:
    """A store without a file."""
    return MemoryStore()


@pytest.fixture
def app() -> App:
    """The clerk, without a store of its own."""
    return App(agents=clerks.agents, store="memory://")


async def opened_turn(store: MemoryStore, turn_id: str = "t1") -> EffectRef:
    """Open a turn as a workflow does, and return a reference with its fence."""
    opened = await store.open_turn(
        TurnOpening(
            claim=Claim("s", EXECUTOR, turn_id),
            turn_id=turn_id,
            input_payload=user("hello").encode(),
            input_digest=ids.digest(b"hello"),
        )
    )
    assert opened.lease is not None
    return EffectRef("s", turn_id, "input", opened.lease.fencing_token)


def at(ref: EffectRef, key: str) -> EffectRef:
    """Return another effect of the same turn."""
    return EffectRef(ref.session_id, ref.turn_id, key, ref.fencing_token)


async def asked_for_tool(store: MemoryStore, ref: EffectRef) -> None:
    """Journal a model's answer that calls a tool."""
    said = assistant("secret", ToolCallPart(id="c1", name="look", arguments={"room": "secret"}))
    await store.record_effect(
        at(ref, model_key(1)), Outcome(EffectKind.MODEL, EffectStatus.DONE, said.encode())
    )


async def answered_by_tool(store: MemoryStore, ref: EffectRef) -> None:
    """Journal the tool's answer."""
    said = tool_response("c1", "look", "secret", CallStatus.DENIED)
    outcome = Outcome(
        EffectKind.TOOL, EffectStatus.FAILED, said.encode(), {"status": CallStatus.DENIED.value}
    )
    await store.record_effect(at(ref, tool_key(1, "c1")), outcome)


async def taken(events: AsyncIterator[SessionEvent], count: int) -> list[SessionEvent]:
    """Take so many events."""
    return [await anext(events) for _ in range(count)]


async def all_of(events: AsyncIterator[SessionEvent]) -> list[SessionEvent]:
    """Take all events, to the end."""
    return [event async for event in events]


async def test_the_open_turn_is_told_from_its_beginning_and_then_as_it_goes(
    store: MemoryStore,
) -> None:
    """Ids, steps, tools' names and statuses are told, in order; no content is."""
    ref = await opened_turn(store)
    events = follow(store, "s")
    seen = await taken(events, 1)
    await asked_for_tool(store, ref)
    seen += await taken(events, 1)
    await store.start_effect(at(ref, tool_key(1, "c1")), "try-1")
    seen += await taken(events, 1)
    await answered_by_tool(store, ref)
    seen += await taken(events, 1)

    assert [event.kind for event in seen] == [
        EventKind.TURN_OPENED,
        EventKind.MODEL_ANSWERED,
        EventKind.TOOL_STARTED,
        EventKind.TOOL_ENDED,
    ]
    assert {event.turn_id for event in seen} == {"t1"}
    assert (seen[2].step, seen[2].call_id, seen[2].tool) == (1, "c1", "look")
    assert (seen[3].call_id, seen[3].tool, seen[3].status) == ("c1", "look", "denied")
    assert "secret" not in "".join(event.model_dump_json() for event in seen)


async def test_a_cursor_goes_on_after_its_event(store: MemoryStore) -> None:
    """Nothing is told twice, nothing is left out."""
    ref = await opened_turn(store)
    await asked_for_tool(store, ref)
    first, second = await taken(follow(store, "s"), 2)
    await store.start_effect(at(ref, tool_key(1, "c1")), "try-1")

    assert (await taken(follow(store, "s", first.cursor), 1))[0].kind == second.kind
    (started,) = await taken(follow(store, "s", second.cursor), 1)
    assert started.kind == EventKind.TOOL_STARTED
    assert started.tool == ""


async def test_turns_that_were_committed_between_two_looks_are_told_in_order(
    store: MemoryStore, app: App
) -> None:
    """However many: each turn's commit, with its status and the head after it."""
    async with app.open("s", store=store) as session:
        for text in ("one", "refuse", "look at it"):
            await session.send(text)
    told = await all_of(follow(store, "s", START, until_idle=True))

    assert [(event.head_revision, event.status) for event in told] == [
        (1, "completed"),
        (2, "failed"),
        (3, "completed"),
    ]
    assert await all_of(follow(store, "s", told[1].cursor, until_idle=True)) == told[2:]


async def test_what_was_committed_before_is_not_told_without_a_cursor(
    store: MemoryStore, app: App
) -> None:
    """Following begins now."""
    async with app.open("s", store=store) as session:
        await session.send("one")

    assert await all_of(follow(store, "s", until_idle=True)) == []


async def test_a_checkout_is_no_turn(store: MemoryStore, app: App) -> None:
    """The head moves, and nothing that is known is told again."""
    async with app.open("s", store=store) as session:
        await session.send("one")
        view = await session.show()
        await session.send("two")
    seen = await all_of(follow(store, "s", START, until_idle=True))
    await checkout(store, "s", view.leaf or "")
    assert await all_of(follow(store, "s", seen[-1].cursor, until_idle=True)) == []
    async with app.open("s", store=store) as session:
        await session.send("three")

    later = await all_of(follow(store, "s", seen[-1].cursor, until_idle=True))
    assert [event.head_revision for event in later] == [4]


async def test_following_costs_what_is_new_however_long_the_session_is(
    store: MemoryStore, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The path is walked from the leaf to the first turn that is known."""
    async with app.open("s", store=store) as session:
        for number in range(20):
            await session.send(f"message {number}")
    seen = await all_of(follow(store, "s", START, until_idle=True))
    reads: list[str] = []
    node = store.node

    async def counted(session_id: str, node_id: str) -> object:
        reads.append(node_id)
        return await node(session_id, node_id)

    monkeypatch.setattr(store, "node", counted)
    await all_of(follow(store, "s", seen[-2].cursor, until_idle=True))

    assert len(reads) == 3  # the two nodes of the last turn, and the one before them


async def test_a_session_that_does_not_exist_yet_is_waited_for(
    store: MemoryStore, app: App
) -> None:
    """Whoever follows first misses nothing."""
    events = follow(store, "s")
    first = asyncio.ensure_future(anext(events))
    async with app.open("s", store=store) as session:
        await session.send("one")
        assert (await first).kind == EventKind.TURN_COMMITTED


async def test_following_a_session_that_is_deleted_ends_with_an_error(
    store: MemoryStore, app: App
) -> None:
    """Silence would look like idleness."""
    async with app.open("s", store=store) as session:
        await session.send("one")
    events = follow(store, "s", START)
    await anext(events)
    await store.delete("s")

    with pytest.raises(UnknownSession):
        await anext(events)


@pytest.mark.parametrize("cursor", ["", "1", "one.two", "1.2.3"])
async def test_what_is_no_cursor_is_refused(store: MemoryStore, cursor: str) -> None:
    """It is the caller's mistake, and is not taken for the beginning."""
    with pytest.raises(InvalidInput):
        await anext(follow(store, "s", cursor))


async def test_idle_is_when_nobody_works() -> None:
    """An open turn is work until its lease has run out; a commit ends it at once."""
    clock = ManualClock()
    store = MemoryStore(clock)
    assert await is_idle(store, "s", clock)
    await opened_turn(store)
    assert not await is_idle(store, "s", clock)
    clock.advance(timedelta(minutes=1))
    assert await is_idle(store, "s", clock)


async def test_an_embedded_turn_tells_its_events_and_ends(store: MemoryStore, app: App) -> None:
    """A turn that waits can be watched up to there; its commit is the last event."""
    async with app.open("s", store=store) as session:
        turn = await session.submit("book it")
        async with aclosing(turn.events()) as events:
            seen = await taken(events, 2)
            while not session.waiting_approvals():
                await asyncio.sleep(0)
            await session.approve(session.waiting_approvals()[0])
            seen += await all_of(events)

    assert [event.kind for event in seen[:2]] == [EventKind.TURN_OPENED, EventKind.MODEL_ANSWERED]
    assert (seen[-1].kind, seen[-1].status) == (EventKind.TURN_COMMITTED, "completed")


async def test_the_events_of_a_turn_that_has_ended_are_its_commit(
    store: MemoryStore, app: App
) -> None:
    """A journal is settled by its commit: nothing more is known."""
    async with app.open("s", store=store) as session:
        turn = await session.submit("one")
        result = await turn.result()
        (event,) = await all_of(turn.events())

    assert (event.turn_id, event.head_revision) == (turn.id, result.head_revision)


async def test_the_events_of_a_turn_that_was_refused_end_without_a_commit(
    store: MemoryStore,
) -> None:
    """What never began has nothing to tell; `result` says why."""
    refused: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    refused.set_exception(UnknownAgent(agent="nobody", known="clerk"))
    told = await all_of(follow_turn(store, "s", "t1", refused))

    assert told == []
    assert isinstance(refused.exception(), UnknownAgent)


async def test_an_embedded_session_tells_its_turns_one_after_another(
    store: MemoryStore, app: App
) -> None:
    """The session's stream goes on over turns, with the running turn's journal in it."""
    async with app.open("s", store=store) as session:
        events = session.events()
        waiting = await session.submit("wait")
        queued = await session.submit("two")
        (opened,) = await taken(events, 1)
        assert (opened.kind, opened.turn_id) == (EventKind.TURN_OPENED, waiting.id)
        await waiting.cancel()
        told = await taken(events, 1)
        while told[-1].turn_id != queued.id or told[-1].kind != EventKind.TURN_COMMITTED:
            told += await taken(events, 1)

    assert (told[0].turn_id, told[0].status) == (waiting.id, "cancelled")
