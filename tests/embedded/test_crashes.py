"""After a process's death: what the next open may do before, instead of, and beside the dead turn.

What becomes of the turn itself at each point of its death stands in `tests/crash/test_embedded`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from sojourn import Agent, App, TurnStatus
from sojourn.adapters.open import open_store
from sojourn.clock import ManualClock
from sojourn.embedded.session import EmbeddedSession
from sojourn.errors import LeaseHeld, TurnConflict
from sojourn.ports import SilentProbe
from sojourn.testing import ScriptedModel
from tests.embedded.making import SESSION, problems, seen, unanswered, user_texts
from tests.support.crash_apps import Ledger, shop, told
from tests.support.worker_process import ROOT, SOURCES

pytestmark = pytest.mark.crash

TURN = "t-1"
NEVER_BOUGHT = "model 3"


async def killed(store_url: str, point: str, text: str, app: str = "shop") -> None:
    """Let a process begin `t-1` in the shop and die of SIGKILL at `point`."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.embedded_main", f"tests.support.crash_apps:{app}"),
        *(store_url, point, SESSION, TURN, text),
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, SOURCES))},
    )
    assert await process.wait() == -signal.SIGKILL


@asynccontextmanager
async def opened_later(store_url: str, app: App | None = None) -> AsyncIterator[EmbeddedSession]:
    """Open the session in the shop (or `app`) when the dead process's lease has run out."""
    later = datetime.now(UTC) + timedelta(hours=1)  # noqa: TID251 - the dead had real time
    store = await open_store(store_url, clock=ManualClock(later))
    try:
        async with (app or shop(store_url, SilentProbe())).open(SESSION, store=store) as session:
            yield session
    finally:
        await store.close()


async def test_the_turn_that_died_ends_and_the_next_one_works(store_url: str) -> None:
    """The tool's effect may have happened: the model is told so, and it is not repeated."""
    await killed(store_url, "tool.ran", "charge")
    async with opened_later(store_url) as session:
        result = await session.send("charge", TURN)
        after = await session.send("hello")
    view = await seen(store_url)

    assert (result.turn_id, result.text) == (TURN, "charge unknown")
    assert (result.head_revision, after.head_revision) == (1, 2)
    assert Ledger.beside(store_url).counts()["charge"] == 1
    assert unanswered(view) == set()
    assert await problems(store_url) == []


async def test_another_turn_may_come_before_the_one_that_died(store_url: str) -> None:
    """Nothing of the dead turn is in the conversation until it is sent again."""
    await killed(store_url, "tool.recorded", "charge")
    async with opened_later(store_url) as session:
        first = await session.send("hello", "t-2")
        assert user_texts(await session.show()) == ["hello"]
        again = await session.send("charge", TURN)

    assert (first.text, first.head_revision) == ("echo hello", 1)
    assert (again.text, again.head_revision) == ("charge done", 2)
    assert Ledger.beside(store_url).counts()["charge"] == 1


async def test_a_turn_that_died_is_not_gone_on_with_other_text(store_url: str) -> None:
    """Its input is journaled with it."""
    await killed(store_url, "model.recorded", "charge")
    async with opened_later(store_url) as session:
        with pytest.raises(TurnConflict):
            await session.send("look", TURN)
        assert (await session.send("charge", TURN)).text == "charge done"


async def test_a_turn_that_died_can_be_cancelled(store_url: str) -> None:
    """It commits what its journal has, without asking a model or a tool again."""
    await killed(store_url, "tool.ran", "charge")
    async with opened_later(store_url) as session:
        turn = await session.submit("charge", TURN)
        assert await turn.cancel() is True
        result = await turn.result()

    assert result.status is TurnStatus.CANCELLED
    assert [call.status.value for call in result.tool_calls] == ["unknown"]
    assert NEVER_BOUGHT not in Ledger.beside(store_url).counts()


async def test_a_turn_that_died_is_gone_on_with_by_an_app_that_lacks_its_tool(
    store_url: str,
) -> None:
    """The call cannot be run any more: the model is told, and the turn ends."""
    await killed(store_url, "model.recorded", "charge")
    model = ScriptedModel(told)
    app = App(agents=[Agent("clerk", model=model)], store=store_url)
    async with opened_later(store_url, app) as session:
        result = await session.send("charge", TURN)

    assert (result.status, result.text) == (TurnStatus.COMPLETED, "charge failed")
    assert model.calls == 1
    assert "charge" not in Ledger.beside(store_url).counts()


async def test_a_fork_may_be_taken_while_the_dead_process_holds_the_session(
    store_url: str,
) -> None:
    """From what is committed; the fork has a lease of its own."""
    app = shop(store_url, SilentProbe())
    async with app.open(SESSION) as session:
        await session.send("hello")
    await killed(store_url, "tool.ran", "charge")
    async with app.open(SESSION) as session:
        with pytest.raises(LeaseHeld):
            await session.send("hello again")
        await session.fork("chat-2")
    async with app.open("chat-2") as fork:
        assert (await fork.send("and now?")).text == "echo and now?"
        assert user_texts(await fork.show()) == ["hello", "and now?"]


async def test_parallel_calls_of_a_turn_that_died_end_each_in_its_own_way(store_url: str) -> None:
    """The process dies when both have had their effect: what is idempotent runs again."""
    await killed(store_url, "tools.met", "look charge", app="meeting")
    async with opened_later(store_url) as session:
        result = await session.send("look charge", TURN)
    counts = Ledger.beside(store_url).counts()

    assert [call.status.value for call in result.tool_calls] == ["done", "unknown"]
    assert (counts["look"], counts["charge"]) == (2, 1)
