"""Events: what happens in a session, in order, without content, from any cursor on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from sojourn import tool
from sojourn.errors import InvalidInput
from sojourn.events import SessionEvent
from sojourn.testing import ScriptedModel
from tests.embedded.making import SESSION, Slow, app_of
from tests.support.gate import Gate
from tests.support.scene import calling

FIRST = "0.0"


@tool
def work(word: str) -> str:
    """Work."""
    return f"{word} works"


async def taken(events: AsyncGenerator[SessionEvent, None], count: int) -> list[SessionEvent]:
    """Return the first events and stop listening."""
    heard: list[SessionEvent] = []
    async with asyncio.timeout(20), aclosing(events):
        async for event in events:
            heard.append(event)
            if len(heard) == count:
                break
    return heard


def kinds(events: list[SessionEvent]) -> list[str]:
    """Return what happened."""
    return [event.kind.value for event in events]


async def test_a_turns_events_come_in_order_and_end_with_its_commit(store_url: str) -> None:
    """Each with its step, its call and its status."""
    gate = Gate()

    @tool
    async def dig() -> str:
        """Dig."""
        await gate.enter()
        return "dug"

    async with app_of(store_url, calling(("dig", {})), dig).open(SESSION) as session:
        turn = await session.submit("go", "t-1")
        await gate.reached()
        listening = asyncio.create_task(taken(turn.events(), 99))
        begun = await taken(session.events(), 3)
        gate.open()
        events = await listening
        await turn.result()

    assert kinds(begun) == ["turn_opened", "model_answered", "tool_started"]
    assert kinds(events)[:2] == ["turn_opened", "model_answered"]
    assert events[-1].kind == "turn_committed"
    assert (events[-1].status, events[-1].head_revision) == ("completed", 1)
    assert {event.turn_id for event in events} == {"t-1"}
    started = begun[-1]
    assert (started.step, started.tool, started.call_id is not None) == (1, "dig", True)


async def test_events_from_the_beginning_tell_every_commit(store_url: str) -> None:
    """In order, however long ago; after a cursor only what came later."""
    app = app_of(store_url)
    async with app.open(SESSION) as session:
        for number in range(3):
            await session.send("hello", f"t-{number}")
    async with app.open(SESSION) as session:
        events = await taken(session.events(after=FIRST), 3)
        later = await taken(session.events(after=events[0].cursor), 2)

    assert [event.turn_id for event in events] == ["t-0", "t-1", "t-2"]
    assert [event.head_revision for event in events] == [1, 2, 3]
    assert later == events[1:]


async def test_events_without_a_cursor_begin_now(store_url: str) -> None:
    """What was committed before is not told."""
    async with app_of(store_url).open(SESSION) as session:
        await session.send("old", "t-1")
        listening = asyncio.create_task(taken(session.events(), 1))
        await asyncio.sleep(0)
        await session.send("new", "t-2")
        [event] = await listening

    assert event.turn_id == "t-2"


async def test_events_hold_no_content(store_url: str) -> None:
    """Neither what was said, nor arguments, nor results."""
    script = calling(("work", {"word": "argument"}))
    async with app_of(store_url, script, work).open(SESSION) as session:
        turn = await session.submit("input")
        events = await taken(turn.events(), 99)
        text = (await turn.result()).text

    told = "".join(event.model_dump_json() for event in events)
    assert not [word for word in ("input", "argument", "works", text) if word in told]


async def test_a_turn_that_is_cancelled_or_fails_says_so(store_url: str) -> None:
    """Its events end like those of any other turn."""
    slow = Slow()
    agent = {"model_attempts": 1}
    async with app_of(store_url, slow, agent=agent).open(SESSION) as session:
        turn = await session.submit("wait")
        await slow.gate.reached()
        await turn.cancel()
        cancelled = (await taken(turn.events(), 99))[-1]

    def refusing(messages: object) -> str:
        raise ValueError

    async with app_of(store_url, refusing, agent=agent).open(SESSION) as session:
        turn = await session.submit("hello")
        failed = (await taken(turn.events(), 99))[-1]

    assert (cancelled.status, cancelled.head_revision) == ("cancelled", 1)
    assert (failed.status, failed.head_revision) == ("failed", 2)


async def test_events_of_a_turn_that_cannot_begin_end(store_url: str) -> None:
    """Nobody listens for ever to a turn that was refused."""
    app = app_of(store_url)
    async with app.open(SESSION) as holder, app.open(SESSION) as session:
        await holder.send("mine")
        turn = await session.submit("yours")
        assert await taken(turn.events(), 99) == []


async def test_events_of_a_turn_that_ended_are_its_commit(store_url: str) -> None:
    """Listening late, or again, ends at once."""
    model = ScriptedModel(calling(("work", {"word": "it"})))
    async with app_of(store_url, model, work).open(SESSION) as session:
        turn = await session.submit("go")
        await turn.result()
        events = await taken(turn.events(), 99)

    assert kinds(events) == ["turn_committed"]


@pytest.mark.parametrize("cursor", ["", "x", "1", "1.2.3", "1.x"])
async def test_a_cursor_that_is_none_is_refused(store_url: str, cursor: str) -> None:
    """By the session's events and by a turn's."""
    async with app_of(store_url).open(SESSION) as session:
        turn = await session.submit("hello")
        await turn.result()
        for events in (session.events(after=cursor), turn.events(after=cursor)):
            with pytest.raises(InvalidInput, match="no cursor"):
                await taken(events, 1)
