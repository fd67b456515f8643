"""A store that others are in the way of: the same is tried again, and nothing is done twice."""

from __future__ import annotations

from typing import Any

import pytest
from typing_extensions import override

from sojourn import TurnStatus, tool
from sojourn.adapters.memory import MemoryStore
from sojourn.commit import Commit, CommitReceipt
from sojourn.errors import Contended
from sojourn.journal import Effect, EffectRef, Outcome
from sojourn.lease import Lease
from sojourn.reads import OpenTurn, TurnOpening
from tests.embedded.making import SESSION, app_of, unanswered
from tests.support.scene import calling

pytestmark = pytest.mark.usefixtures("impatient")


class Busy(MemoryStore):
    """A store that is in use by others at the first calls of one method."""

    def __init__(self, method: str, times: int) -> None:
        super().__init__()
        self._method = method
        self._left = times

    def _pass(self, method: str) -> None:
        if method == self._method and self._left:
            self._left -= 1
            raise Contended(reason="a test")

    @override
    async def open_turn(self, opening: TurnOpening) -> OpenTurn:
        self._pass("open_turn")
        return await super().open_turn(opening)

    @override
    async def start_effect(self, ref: EffectRef, attempt_id: str) -> Effect:
        self._pass("start_effect")
        return await super().start_effect(ref, attempt_id)

    @override
    async def record_effect(self, ref: EffectRef, outcome: Outcome) -> Effect:
        self._pass("record_effect")
        return await super().record_effect(ref, outcome)

    @override
    async def commit(self, commit: Commit) -> CommitReceipt:
        self._pass("commit")
        return await super().commit(commit)

    @override
    async def release(self, lease: Lease) -> None:
        self._pass("release")
        await super().release(lease)


METHODS = ["open_turn", "record_effect", "start_effect", "commit", "release"]


@pytest.mark.parametrize("method", METHODS)
async def test_a_store_that_is_busy_at_first_costs_nothing(method: str) -> None:
    """The turn ends as it would have, with one effect, one commit, and the lease given back."""
    made: list[int] = []

    @tool
    def charge() -> str:
        """Charge."""
        made.append(1)
        return "charged"

    app = app_of(Busy(method, 3), calling(("charge", {})), charge)
    async with app.open(SESSION) as session:
        result = await session.send("go")
        await session.park()
        view = await session.show()

    assert (result.status, result.text) == (TurnStatus.COMPLETED, "['charged']")
    assert (len(made), view.head_revision) == (1, 1)
    assert view.lease is not None
    assert view.lease.released


@pytest.mark.parametrize("method", ["open_turn", "commit"])
async def test_a_store_that_stays_busy_is_told_and_nothing_is_lost(method: str) -> None:
    """The caller gets the store's own error; the same turn again goes on from its journal."""
    made: list[int] = []

    @tool
    def charge() -> str:
        """Charge."""
        made.append(1)
        return "charged"

    app = app_of(Busy(method, 5), calling(("charge", {})), charge)
    async with app.open(SESSION) as session:
        with pytest.raises(Contended):
            await session.send("go", "t-1")
        result = await session.send("go", "t-1")
        view = await session.show()

    assert (result.text, result.head_revision) == ("['charged']", 1)
    assert len(made) == 1
    assert unanswered(view) == set()


async def test_a_store_that_stays_busy_for_a_tool_fails_the_turn() -> None:
    """The tool was not begun, and says so; the next turn works."""
    made: list[int] = []

    @tool
    def charge() -> str:
        """Charge."""
        made.append(1)
        return "charged"

    options: dict[str, Any] = {"agent": {"model_attempts": 1}}
    app = app_of(Busy("start_effect", 5), calling(("charge", {})), charge, **options)
    async with app.open(SESSION) as session:
        failed = await session.send("go")
        after = await session.send("go")

    assert failed.status is TurnStatus.FAILED
    assert failed.error is not None
    assert failed.error.type == "Contended"
    assert [call.status.value for call in failed.tool_calls] == ["cancelled"]
    assert (after.text, len(made)) == ("['charged']", 1)
