"""A process that dies in a turn: the next open goes on with it from its journal."""

from __future__ import annotations

import asyncio
import signal
import sys
from dataclasses import dataclass

import pytest

from sojourn import TurnResult
from sojourn.embedded.session import EmbeddedSession
from sojourn.errors import LeaseHeld, TurnConflict
from tests.embedded.making import problems, seen, unanswered, user_texts
from tests.embedded.victim import SESSION, TURN, quick_shop
from tests.support.crash_apps import Ledger
from tests.support.polling import until
from tests.support.worker_process import ROOT

pytestmark = pytest.mark.crash


async def killed(store_url: str, point: str, text: str) -> None:
    """Let a process begin a turn and die of SIGKILL at `point`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.embedded.victim", store_url, point, text, cwd=ROOT
    )
    assert await process.wait() == -signal.SIGKILL


async def patient(session: EmbeddedSession, text: str, turn_id: str = TURN) -> TurnResult:
    """Send a message as soon as the dead process's lease has run out."""

    async def sent() -> TurnResult | None:
        try:
            return await session.send(text, turn_id)
        except LeaseHeld:
            return None

    result = await until(sent)
    assert result is not None
    return result


@dataclass(frozen=True)
class Death:
    """Where a process dies, in a turn that calls which tool; what the model is told of the tool.

    Attributes:
        bought: how often the first and the second answer are bought in all.
        ran: how often the tool takes effect in all.
    """

    point: str
    tool: str = "charge"
    status: str = "done"
    bought: tuple[int, int] = (1, 1)
    ran: int = 1


DEATHS = [
    Death("claim.after"),
    Death("model.bought", bought=(2, 1)),
    Death("model.recorded"),
    Death("tool.started", status="unknown", ran=0),
    Death("tool.ran", status="unknown"),
    Death("tool.recorded"),
    Death("tool.ran", tool="look", ran=2),
    Death("model.recorded:2"),
    Death("commit.before"),
    Death("commit.after"),
]


@pytest.mark.parametrize("death", DEATHS, ids=lambda death: f"{death.point}-{death.tool}")
async def test_a_turn_whose_process_died_is_gone_on_with(store_url: str, death: Death) -> None:
    """No recorded answer is bought again; an effect that may have happened is said to be unknown.

    The next turn works, and the store is sound.
    """
    await killed(store_url, death.point, death.tool)
    async with quick_shop(store_url).open(SESSION) as session:
        result = await patient(session, death.tool)
        after = await session.send("hello")
    counts = Ledger.beside(store_url).counts()
    view = await seen(store_url)

    assert result.text == f"{death.tool} {death.status}"
    assert (result.turn_id, result.head_revision, after.head_revision) == (TURN, 1, 2)
    assert [call.status.value for call in result.tool_calls] == [death.status]
    assert (counts["model 1"], counts["model 3"]) == death.bought
    assert counts.get(death.tool, 0) == death.ran
    assert user_texts(view) == [death.tool, "hello"]
    assert unanswered(view) == set()
    assert await problems(store_url) == []


async def test_a_dead_process_holds_its_session_until_its_lease_ends(store_url: str) -> None:
    """The refusal names it; other sessions of the store are free."""
    await killed(store_url, "model.recorded", "charge")
    app = quick_shop(store_url)
    async with app.open(SESSION) as session, app.open("chat-2") as other:
        with pytest.raises(LeaseHeld, match="embedded-"):
            await session.send("charge", TURN)
        assert (await other.send("hello")).text == "echo hello"


async def test_another_turn_may_come_before_the_one_that_died(store_url: str) -> None:
    """Nothing of the dead turn is in the conversation until it is sent again."""
    await killed(store_url, "tool.recorded", "charge")
    async with quick_shop(store_url).open(SESSION) as session:
        first = await patient(session, "hello", "t-2")
        assert user_texts(await session.show()) == ["hello"]
        again = await session.send("charge", TURN)

    assert (first.text, first.head_revision) == ("echo hello", 1)
    assert (again.text, again.head_revision) == ("charge done", 2)
    assert Ledger.beside(store_url).counts()["charge"] == 1


async def test_a_turn_that_died_is_not_gone_on_with_other_text(store_url: str) -> None:
    """Its input is journaled with it."""
    await killed(store_url, "model.recorded", "charge")
    async with quick_shop(store_url).open(SESSION) as session:
        await patient(session, "hello", "t-2")
        with pytest.raises(TurnConflict):
            await session.send("look", TURN)
