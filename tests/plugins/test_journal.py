"""Plugins' states in the journal: no change is lost with the worker that made it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from sojourn import Agent, App, Plugin, tool
from sojourn.adapters.memory import MemoryStore
from sojourn.hooks import TurnView
from sojourn.host import SessionHost
from sojourn.journal import Effect, EffectKind, EffectRef, EffectStatus, Outcome
from sojourn.messages import CallStatus
from sojourn.plugin_host import PluginHost
from sojourn.plugin_journal import MAX_ENTRY_BYTES
from sojourn.plugin_merge import merged
from sojourn.plugins import PluginContext, PluginSession
from sojourn.ports import SessionStore
from sojourn.reads import ReadScope
from sojourn.requests import CallTool, CommitTurnRequest, StepTurn, TurnRef
from sojourn.testing import ScriptedModel
from sojourn.tools import AnyTool
from sojourn.turns import call_tool, commit_turn, step_turn
from tests.plugins.making import CONTENT, begun
from tests.support.scene import calling


class NotesSession(PluginSession):
    """Keeps notes, which its tool takes."""

    def __init__(self, plugin: Notes) -> None:
        self._plugin = plugin
        self.state: dict[str, Any] = {"notes": [], "by": {}}

    @override
    def tools(self) -> Sequence[AnyTool]:
        @tool(idempotent=True)
        async def note(text: str) -> int:
            """Take a note."""
            self.state["notes"].append(text)
            self.state["by"][text] = self._plugin.worker
            self.revision += 1
            self._plugin.noted.set()
            await self._plugin.pause.wait()
            return len(self.state["notes"])

        return [note]

    @override
    def snapshot(self) -> Any:
        return self.state

    @override
    def restore(self, state: Any) -> None:
        if self._plugin.is_broken:
            raise ValueError(CONTENT)
        self.state = state or {"notes": [], "by": {}}


class Notes(Plugin):
    """Takes notes for one worker.

    Attributes:
        noted: set when its tool has had its effect.
        pause: what its tool waits for then.
    """

    def __init__(self, worker: str = "") -> None:
        self.worker = worker
        self.noted = asyncio.Event()
        self.pause = asyncio.Event()
        self.pause.set()
        self.is_broken = False
        self.made: list[NotesSession] = []

    @override
    def session(self, context: PluginContext) -> PluginSession:
        self.made.append(NotesSession(self))
        return self.made[-1]


class Ran:
    """A probe that tells when a tool has run: its outcome is written next."""

    def __init__(self) -> None:
        self.ran = asyncio.Event()

    async def reached(self, point: str, session_id: str) -> None:  # noqa: ARG002 - a Probe
        """Tell."""
        if point == "tool.ran":
            self.ran.set()


class Workers:
    """Workers on one store, each with the plugin, made as they are named."""

    def __init__(self, *calls: tuple[str, Mapping[str, Any]]) -> None:
        self.store = MemoryStore()
        self.probe = Ran()
        self.plugins: dict[str, Notes] = {}
        self._script = calling(*(calls or (("note", {"text": "milk"}), ("note", {"text": "eggs"}))))
        self._hosts: dict[str, SessionHost] = {}
        self._stack = AsyncExitStack()

    async def host(self, name: str, *, is_installed: bool = True) -> SessionHost:
        """Return the host of a worker."""
        if name not in self._hosts:
            self.plugins[name] = Notes(name)
            app = App(
                agents=[Agent("clerk", model=ScriptedModel(self._script))],
                plugins=[self.plugins[name]] if is_installed else (),
                store=self.store,
                probe=self.probe,
            )
            self._hosts[name] = await self._stack.enter_async_context(app.host())
        return self._hosts[name]

    async def begin(self, name: str) -> tuple[TurnRef, list[str]]:
        """Begin a turn up to its calls, and return these."""
        host = await self.host(name)
        turn = await begun(host)
        return turn, await self.step(name, turn, 1)

    async def step(self, name: str, turn: TurnRef, step: int) -> list[str]:
        """Ask the model, and return its calls."""
        request = StepTurn(turn=turn, step=step, attempt=1 if step == 1 else 2)
        answer = await step_turn(await self.host(name), request)
        return [call.call_id for call in answer.calls]

    async def call(self, name: str, turn: TurnRef, call_id: str) -> CallStatus:
        """Run a call."""
        request = CallTool(turn=turn, step=1, call_id=call_id)
        return (await call_tool(await self.host(name), request)).status

    async def commit(self, name: str, turn: TurnRef, *, is_installed: bool = True) -> Any:
        """Commit the turn, and return the plugin's stored state."""
        host = await self.host(name, is_installed=is_installed)
        await commit_turn(host, CommitTurnRequest(turn=turn))
        return await self.stored()

    async def stored(self) -> Any:
        """Return the state that the store has of the plugin."""
        read = await self.store.load("s-1", ReadScope.FULL_GRAPH)
        assert read is not None
        return json.loads(read.plugin_state or b"{}").get("Notes", {}).get("state")

    def notes(self, name: str) -> list[str]:
        """Return what a worker's plugin has now."""
        notes: list[str] = self.plugins[name].made[-1].state["notes"]
        return notes

    async def aclose(self) -> None:
        """Close every host."""
        await self._stack.aclose()


class Slow(MemoryStore):
    """A store that answers a write only when its gate is open."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()
        self.written = asyncio.Event()

    @override
    async def record_effect(self, ref: Any, outcome: Any) -> Any:
        effect = await super().record_effect(ref, outcome)
        if effect.is_final and not self.gate.is_set():
            self.written.set()
            await self.gate.wait()
        return effect


@pytest.fixture
async def workers() -> AsyncIterator[Workers]:
    """Workers on a store of their own."""
    made = Workers()
    yield made
    await made.aclose()


async def test_a_change_is_not_lost_with_the_worker_that_made_it(workers: Workers) -> None:
    """Another one commits: it has read the change in the journal."""
    turn, calls = await workers.begin("a")
    for call in calls:
        await workers.call("a", turn, call)
    stored = await workers.commit("b", turn)

    assert stored == {"notes": ["milk", "eggs"], "by": {"milk": "a", "eggs": "a"}}
    assert workers.notes("b") == ["milk", "eggs"]


async def test_tools_beside_each_other_on_two_workers_lose_nothing(workers: Workers) -> None:
    """Each started from the same state; whoever commits has both changes."""
    turn, (first, second) = await workers.begin("a")
    await workers.host("b")
    await workers.step("b", turn, 1)
    await workers.call("a", turn, first)
    await workers.call("b", turn, second)
    assert (workers.notes("a"), workers.notes("b")) == (["milk"], ["eggs"])
    stored = await workers.commit("c", turn)

    assert stored == {"notes": ["milk", "eggs"], "by": {"milk": "a", "eggs": "b"}}


@pytest.mark.parametrize("committer", ["a", "b", "c"])
async def test_whoever_commits_what_was_merged_stores_the_same(
    committer: str, workers: Workers
) -> None:
    """The one whose change came first, the one whose came last, and one who made none."""
    turn, (first, second) = await workers.begin("a")
    await workers.step("b", turn, 1)
    await workers.call("b", turn, second)
    await workers.call("a", turn, first)
    stored = await workers.commit(committer, turn)

    assert stored["notes"] == ["eggs", "milk"]


async def test_calls_beside_each_other_in_one_process_are_no_merge(workers: Workers) -> None:
    """The second row follows the first, however late the store answers: nothing stands twice."""
    slow = Slow()
    workers.store = slow
    turn, (first, second) = await workers.begin("a")
    slow.gate.clear()
    earlier = asyncio.ensure_future(workers.call("a", turn, first))
    await slow.written.wait()
    workers.probe.ran.clear()
    later = asyncio.ensure_future(workers.call("a", turn, second))
    await workers.probe.ran.wait()
    slow.gate.set()
    await asyncio.gather(earlier, later)
    stored = await workers.commit("b", turn)

    assert stored["notes"] == ["milk", "eggs"]


async def test_a_change_that_is_made_on_a_merged_state_keeps_it(workers: Workers) -> None:
    """Both workers go on after they have met in a step, and the state with them."""
    turn, (first, second) = await workers.begin("a")
    await workers.step("b", turn, 1)
    await workers.call("a", turn, first)
    await workers.call("b", turn, second)
    await workers.step("a", turn, 2)
    assert workers.notes("a") == ["milk", "eggs"]
    stored = await workers.commit("b", turn)

    assert stored["notes"] == ["milk", "eggs"]


async def test_a_change_that_nobody_has_recorded_yet_is_kept_when_anothers_comes(
    workers: Workers,
) -> None:
    """A tool of this process has changed the state and still runs: both changes stand."""
    turn, (first, second) = await workers.begin("a")
    await workers.step("b", turn, 1)
    workers.plugins["a"].pause.clear()
    running = asyncio.ensure_future(workers.call("a", turn, first))
    await workers.plugins["a"].noted.wait()
    await workers.call("b", turn, second)
    host = await workers.host("a")
    resident = host.residents.peek("s-1")
    assert resident is not None
    resident.absorb("t-1", await workers.store.effects("s-1", "t-1"))
    assert workers.notes("a") == ["eggs", "milk"]
    workers.plugins["a"].pause.set()
    await running
    stored = await workers.commit("c", turn)

    assert stored["notes"] == ["eggs", "milk"]


async def test_a_worker_without_the_plugin_keeps_what_was_journaled(workers: Workers) -> None:
    """It cannot read the state, and need not."""
    turn, (first, _) = await workers.begin("a")
    await workers.call("a", turn, first)
    stored = await workers.commit("b", turn, is_installed=False)

    assert stored["notes"] == ["milk"]


async def test_a_worker_whose_plugin_cannot_restore_commits_what_was_journaled(
    workers: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    """Its own, older state is not stored over it."""
    turn, (first, _) = await workers.begin("a")
    await workers.step("b", turn, 1)
    workers.plugins["b"].is_broken = True
    await workers.call("a", turn, first)
    stored = await workers.commit("b", turn)

    assert stored["notes"] == ["milk"]
    assert "plugin Notes failed in restore" in caplog.text
    assert CONTENT not in caplog.text


async def test_reading_the_journal_again_changes_nothing(workers: Workers) -> None:
    """A turn that is entered again is read from its beginning."""
    turn, (first, second) = await workers.begin("a")
    await workers.step("b", turn, 1)
    await workers.call("a", turn, first)
    await workers.call("b", turn, second)
    for _ in range(2):
        await begun(await workers.host("a"))

    assert workers.notes("a") == ["milk", "eggs"]


async def test_what_a_commit_amid_the_turn_has_stored_is_not_read_from_the_journal_again(
    workers: Workers,
) -> None:
    """As when a frame is opened for a turn that was entered again."""
    turn, (first, second) = await workers.begin("a")
    await workers.step("b", turn, 1)
    await workers.call("a", turn, first)
    await begun(await workers.host("a"))
    resident = (await workers.host("a")).residents.peek("s-1")
    assert resident is not None
    plugins = resident.runtime.plugins
    plugins.capture()
    plugins.settle()
    await workers.call("b", turn, second)
    await begun(await workers.host("a"))

    assert workers.notes("a") == ["milk", "eggs"]


async def test_a_state_that_is_too_large_is_kept_out_and_told(
    workers: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    """The journal stays small; the process that has it stores it with its commit."""
    turn, (first, _) = await workers.begin("a")
    workers.plugins["a"].made[-1].state["large"] = "x" * MAX_ENTRY_BYTES
    await workers.call("a", turn, first)
    rows = await workers.store.effects("s-1", "t-1")
    stored = await workers.commit("a", turn)

    assert all("plugins" not in row.facts for row in rows)
    assert "plugin Notes: its state of" in caplog.text
    assert stored["notes"] == ["milk"]


async def test_the_next_turn_begins_on_the_committed_state(workers: Workers) -> None:
    """Its first change is made from it, whoever makes it."""
    turn, (first, second) = await workers.begin("a")
    await workers.call("a", turn, first)
    await workers.commit("a", turn)
    host = await workers.host("a")
    later = await begun(host, "t-2")
    answer = await step_turn(host, StepTurn(turn=later, step=1, attempt=1))
    await call_tool(host, CallTool(turn=later, step=1, call_id=answer.calls[1].call_id))
    stored = await workers.commit("b", later)

    assert stored["notes"] == ["milk", "eggs"]
    assert second


async def test_what_a_turn_hook_changes_rides_with_the_next_answer() -> None:
    """With nothing else to record: no row of its own is written for it."""

    class Counting(PluginSession):
        count = 0

        @override
        def before_turn(self, view: TurnView) -> None:
            self.count += 1
            self.revision += 1

        @override
        def snapshot(self) -> Any:
            return self.count

    class Counts(Plugin):
        @override
        def session(self, context: PluginContext) -> PluginSession:
            return Counting()

    store = MemoryStore()
    app = App(agents=[Agent("clerk", model=ScriptedModel(str))], plugins=[Counts()], store=store)
    async with app.host() as host:
        turn = await begun(host)
        await step_turn(host, StepTurn(turn=turn, step=1, attempt=1))
        rows = await store.effects("s-1", "t-1")

    assert [row.effect_key for row in rows] == ["input", "model/1"]
    assert rows[1].facts["plugins"]["Counts"]["state"] == 1


# Any order


class Rows:
    """A store of nothing but rows, in the order in which they were written."""

    def __init__(self) -> None:
        self.rows: list[Effect] = []

    async def record_effect(self, ref: EffectRef, outcome: Outcome) -> Effect:
        """Write a row."""
        row = Effect(len(self.rows) + 1, ref.effect_key, outcome.kind, outcome.status, "")
        self.rows.append(replace(row, facts=json.loads(json.dumps(outcome.facts))))
        return self.rows[-1]


class Worker:
    """A worker's plugin and journal, without anything around them."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._read = 0
        self.plugin = Notes()
        self.journal = PluginHost([self.plugin]).build(PluginContext("s-1")).journal

    def note(self, text: str) -> None:
        """Change the state."""
        session = self.plugin.made[-1]
        session.state["notes"].append(text)
        session.state["by"][text] = len(session.state["notes"])
        session.revision += 1

    async def record(self) -> None:
        """Record something."""
        outcome = Outcome(EffectKind.TOOL, EffectStatus.DONE, b"{}")
        ref = EffectRef("s-1", "t-1", f"tool/1/{len(self._rows.rows)}", 1)
        await self.journal.record(cast("SessionStore", self._rows), ref, outcome)

    def absorb(self) -> None:
        """Read on."""
        self.journal.absorb(self._rows.rows[self._read :])
        self._read = len(self._rows.rows)

    @property
    def state(self) -> Any:
        """What the plugin has."""
        return self.plugin.made[-1].state


@given(moves=st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["note", "record", "absorb"]))))
async def test_in_whatever_order_workers_change_record_and_read_nothing_is_lost_or_doubled(
    moves: list[tuple[int, str]],
) -> None:
    """When all have recorded and read, all have the same: every note, each once."""
    rows = Rows()
    workers = [Worker(rows) for _ in range(3)]
    notes: list[str] = []
    for number, move in moves:
        match move:
            case "note":
                notes.append(f"n{len(notes)}")
                workers[number].note(notes[-1])
            case "record":
                await workers[number].record()
            case _:
                workers[number].absorb()
    for worker in workers:
        await worker.record()
    workers.append(Worker(rows))
    for worker in workers:
        worker.absorb()

    states = [worker.state for worker in workers]
    assert all(state == states[0] for state in states)
    assert sorted(states[0]["notes"]) == sorted(notes)
    assert states[0]["by"].keys() == set(notes)


# Merging

JSONS = st.recursive(
    st.none() | st.integers(0, 3) | st.text("ab", max_size=2),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(base=JSONS, changed=JSONS)
def test_one_sides_change_is_taken_whole(base: Any, changed: Any) -> None:
    """Whichever side it is on; two equal changes are one."""
    assert merged(base, changed, base) == changed
    assert merged(base, base, changed) == changed
    assert merged(base, changed, changed) == changed


DEEP = {"a": {"x": [1, 2], "y": 1}}


@pytest.mark.parametrize(
    ("base", "first", "second", "result"),
    [
        ([1], [1, 2], [1, 3], [1, 2, 3]),
        (None, [2], [3], [2, 3]),
        ([1], [2], [1, 3], [2, 3]),
        ([1], [1, 3], [2], [2, 3]),
        ([1], [2], [3], [3]),
        ({"a": 1}, {"a": 1, "b": 2}, {"a": 1, "c": 3}, {"a": 1, "b": 2, "c": 3}),
        ({"a": 1, "b": 2}, {"b": 2}, {"a": 1, "b": 3}, {"b": 3}),
        ({"a": {"x": [1]}}, {"a": {"x": [1, 2]}}, {"a": {"x": [1], "y": 1}}, DEEP),
        (1, 2, 3, 3),
        ({"a": 1}, {"a": 2}, {"a": 3}, {"a": 3}),
    ],
)
def test_two_changes_are_merged_by_key_and_by_tail(
    base: Any, first: Any, second: Any, result: Any
) -> None:
    """And where both changed the same, the second stands."""
    assert merged(base, first, second) == result
