"""However a session is brought to life, what comes out is the same session."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, example, given, settings

from sojourn import Residency
from sojourn.adapters.open import opened_store
from sojourn.branching import spawn
from sojourn.embedded.session import EmbeddedSession
from tests.equality.apps import family
from tests.equality.cold import ColdProcess
from tests.equality.portrait import Portrait, cold_portrait, portrait
from tests.equality.scripts import OTHER, Life, Turn, sessions

SESSION = "chat-1"
CHILD = "chat-1/child"
EXAMPLES = 12

EVERYTHING = (
    Life(
        has_crm=True,
        turns=(
            Turn(((0, 2), (5,)), "tea", change="-add"),
            Turn(((4, 6),), "", frame="summary", change=OTHER),
        ),
    ),
    Life(has_crm=False, turns=(Turn(((3, 5),), "two words", frame="bare"),)),
    Life(has_crm=True, turns=(Turn(((2,), (1,)), "tea"),)),
)
GONE = (EVERYTHING[0], EVERYTHING[1])


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[ColdProcess]:
    """Another process, which has seen no session."""
    with ColdProcess() as process:
        yield process


async def lived(store_url: str, lives: tuple[Life, ...], residency: Residency) -> Portrait:
    """Live a session's lives in this process; return what was live when it was last parked."""
    number = 0
    seen: Portrait = {}
    for life in lives:
        app = family(residency, store_url, has_crm=life.has_crm)
        async with app.open(SESSION) as session:
            for turn in life.turns:
                number += 1
                await session.send(replace(turn, number=number).text, f"turn-{number}")
                await framed(session, turn)
                await changed(session, turn.change)
            runtime = vars(session)["_host"].residents.peek(SESSION).runtime
            await session.park()
            seen = portrait(runtime)
    return seen


async def framed(session: EmbeddedSession, turn: Turn) -> None:
    """Open the frame that follows a turn, if one does."""
    match turn.frame:
        case "summary":
            await session.compact()
        case "bare":
            await session.open_frame("It was about tea.", instructions="Be kind.")
        case _:
            pass


async def changed(session: EmbeddedSession, change: str) -> None:
    """Choose what a turn is followed by, if anything is."""
    sign, tool_id = change[:1], change[1:]
    match sign:
        case "+":
            await session.configure(enable=[tool_id])
        case "-":
            await session.configure(disable=[tool_id])
        case "":
            pass
        case _:
            await session.configure(model=change)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(lives=sessions)
@example(lives=EVERYTHING)
@example(lives=GONE)
@pytest.mark.parametrize("residency", list(Residency))
def test_a_session_is_the_same_wherever_it_is_assembled(
    lives: tuple[Life, ...], residency: Residency, elsewhere: ColdProcess
) -> None:
    """Live, cold here and in another process, under the other residency, and as a child."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/sojourn.db"
        live = asyncio.run(lived(url, lives, residency))
        has_crm = lives[-1].has_crm

        for each in Residency:
            assert elsewhere.portrait(url, SESSION, each, has_crm=has_crm) == live
            assert asyncio.run(cold(url, SESSION, each, has_crm)) == live
        child = asyncio.run(child_of(url, residency, has_crm))

    assert child == live | {"head_revision": 2}


async def cold(url: str, session_id: str, residency: Residency, has_crm: bool) -> Portrait:
    """Assemble a session from its store in this process."""
    async with opened_store(url) as store:
        return await cold_portrait(family(residency, url, has_crm=has_crm), store, session_id)


async def child_of(url: str, residency: Residency, has_crm: bool) -> Portrait:
    """Make a child on the session's leaf, and assemble it."""
    async with opened_store(url) as store:
        head = await store.head(SESSION)
        assert head is not None
        await spawn(store, SESSION, CHILD, at=head.leaf)
    return await cold(url, CHILD, residency, has_crm)


def test_portraits_differ_where_sessions_do(elsewhere: ColdProcess) -> None:
    """Another tool, another note, another word: each shows, so that equal portraits mean much."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/sojourn.db"
        live = asyncio.run(lived(url, EVERYTHING, Residency.KEEP_ALL))
        without = elsewhere.portrait(url, SESSION, Residency.KEEP_ALL, has_crm=False)
        other = asyncio.run(lived(f"{url}2", GONE, Residency.KEEP_ALL))

    assert live["policy"]["model"]["id"] == OTHER
    assert "add" not in [name for name, _ in live["shown"]]
    assert without["orphaned"] == ["find_customer"]
    assert without["generation"] == live["generation"] + 1
    assert {key for key in live if live[key] != other[key]} >= {
        "generation",
        "orphaned",
        "plugins",
        "transcript",
        "instructions",
    }
    assert live["plugins"]["Turns"] == ["2", {"count": 4}]
