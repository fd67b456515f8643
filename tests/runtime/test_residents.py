"""The cache of live sessions: a hint for speed, never for correctness."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from sojourn import Agent, App
from sojourn.clock import ManualClock
from sojourn.environment import RuntimeEnvironment
from sojourn.errors import HeadConflict, StoreUnavailable
from sojourn.residency import Residency
from sojourn.residents import IDLE_AFTER, Resident, Residents
from sojourn.runtime import SessionRuntime
from sojourn.state import SessionState
from sojourn.testing import ScriptedModel
from tests.runtime.making import POLICY, Counting, environment


class Builder:
    """Builds runtimes, counts them, and can be held up."""

    def __init__(self, residents: Residents) -> None:
        self.residents = residents
        self.built: list[str] = []
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        # One register for all: a session that was not taken off cannot be built again.
        self.shared: RuntimeEnvironment = environment(Residency.KEEP_ALL, Counting())

    async def get(self, session_id: str, head_revision: int = 0) -> Resident:
        """Ask the cache for a session."""

        async def build() -> SessionRuntime:
            self.built.append(session_id)
            await self.may_go_on.wait()
            state = SessionState(session_id=session_id, head_revision=head_revision)
            return SessionRuntime.from_environment(self.shared, POLICY, state, None)

        return await self.residents.get(session_id, head_revision, build)


@pytest.fixture
def builder(clock: ManualClock) -> Builder:
    """A cache of two sessions."""
    return Builder(Residents(clock, limit=2))


async def test_a_session_at_its_head_is_kept(builder: Builder) -> None:
    """It is built once, and served again."""
    first = await builder.get("a")

    assert await builder.get("a") is first
    assert builder.built == ["a"]
    assert builder.residents.peek("a") is first


@pytest.mark.parametrize("head_revision", [3, 1])
async def test_another_head_is_a_rebuild(builder: Builder, head_revision: int) -> None:
    """Whether it is newer or older than what is kept; the old one has left the plugin host."""
    old = await builder.get("a", 2)

    new = await builder.get("a", head_revision)

    assert new is not old
    assert new.runtime.head_revision == head_revision
    assert len(builder.residents) == 1


async def test_many_who_ask_at_once_get_one_build(builder: Builder) -> None:
    """The others wait for it."""
    builder.may_go_on.clear()
    asking = [asyncio.create_task(builder.get("a")) for _ in range(5)]
    while not builder.built:
        await asyncio.sleep(0)  # lets the tasks run
    builder.may_go_on.set()
    residents = await asyncio.gather(*asking)

    assert builder.built == ["a"]
    assert all(resident is residents[0] for resident in residents)


async def test_a_slow_build_holds_up_no_other_session(builder: Builder) -> None:
    """Only its own askers wait."""
    await builder.get("b")
    builder.may_go_on.clear()
    slow = asyncio.create_task(builder.get("a"))
    while builder.built != ["b", "a"]:
        await asyncio.sleep(0)  # lets the task run

    assert (await builder.get("b")).runtime.session_id == "b"
    assert not slow.done()
    builder.may_go_on.set()
    await slow


async def test_the_least_recently_used_one_leaves_first(builder: Builder) -> None:
    """At the limit, and not before."""
    await builder.get("a")
    await builder.get("b")
    await builder.get("a")
    await builder.get("c")

    assert len(builder.residents) == 2
    assert builder.residents.peek("b") is None
    await builder.get("a")
    await builder.get("b")
    assert builder.built == ["a", "b", "c", "b"]


async def test_idle_ones_leave(builder: Builder, clock: ManualClock) -> None:
    """Whatever the limit is; one that is used stays."""
    await builder.get("a")
    clock.advance(IDLE_AFTER - timedelta(seconds=1))
    await builder.get("b")
    assert len(builder.residents) == 2
    clock.advance(timedelta(seconds=1))
    await builder.get("b")

    assert builder.residents.peek("a") is None
    assert len(builder.residents) == 1


async def test_a_build_that_fails_keeps_nothing(builder: Builder) -> None:
    """The next one who asks builds again."""

    async def away() -> SessionRuntime:
        raise StoreUnavailable(url="x", reason="away")

    with pytest.raises(StoreUnavailable):
        await builder.residents.get("a", 0, away)

    assert len(builder.residents) == 0
    assert (await builder.get("a")).runtime.session_id == "a"


async def test_a_head_that_is_not_there_leaves_nothing_behind() -> None:
    """The session can be brought to life at its head, whoever still looks at the failure."""
    model = ScriptedModel(lambda _: "hi")
    app = App(agents=[Agent("clerk", model=model)], plugins=[Counting()], store="memory://")
    async with app.host() as host:
        with pytest.raises(HeadConflict) as conflict:
            await host.resident("a", "clerk", 7)

        assert (conflict.value.expected, conflict.value.actual) == (7, 0)
        assert len(host.residents) == 0
        assert (await host.resident("a", "clerk", 0)).runtime.head_revision == 0


async def test_what_is_forgotten_has_left_the_plugin_host(builder: Builder) -> None:
    """Forgetting it twice is harmless, and it can be built again."""
    await builder.get("a")
    await builder.get("b")
    builder.residents.forget("a")
    builder.residents.forget("a")
    builder.residents.clear()

    assert len(builder.residents) == 0
    await builder.get("a")
    await builder.get("b")


async def test_a_draft_belongs_to_one_turn(builder: Builder) -> None:
    """Another turn gets a fresh one."""
    resident = await builder.get("a")
    first = resident.draft_of("turn-1")

    assert resident.draft_of("turn-1") is first
    assert resident.draft_of("turn-2") is not first
