"""What summaries cost: each answer that was bought is in the ledger once, used or not."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from typing_extensions import override

from sojourn import Agent, App, TurnStatus
from sojourn.adapters.memory import MemoryStore
from sojourn.compaction import PROMPT
from sojourn.errors import CompactionFailed, ModelGarbage
from sojourn.messages import Message, assistant
from sojourn.models import FinishReason, ModelAnswer, ModelRequest, ModelSpec
from sojourn.operations import CompactTurn
from sojourn.ports import Probe, SessionStore, SilentProbe
from sojourn.testing import ScriptedModel
from sojourn.turns import compact_turn
from sojourn.usage import Usage
from tests.embedded.making import GateAt, problems
from tests.frames.making import SESSION, SUMMARY, frame_ids
from tests.runtime.hosts import Worker

TURN, BOUGHT = Usage(input_tokens=1_500), Usage(input_tokens=100)
WINDOW = 2_000


class Buying(ScriptedModel):
    """A model that fills its window with every turn, and gives these summaries."""

    def __init__(self, *summaries: str | BaseException) -> None:
        super().__init__(self._say)
        self.spec = ModelSpec("vendor:m", context_window_tokens=WINDOW)
        self._summaries = list(summaries)
        self.summarised: list[list[str]] = []

    def _say(self, messages: Sequence[Message]) -> ModelAnswer:
        if messages[-1].text != PROMPT:
            return ModelAnswer(assistant("hi"), FinishReason.STOP, TURN, "m-1")
        self.summarised.append([message.text for message in messages[:-1]])
        said = self._summaries.pop(0)
        if isinstance(said, BaseException):
            raise said
        return ModelAnswer(assistant(said), FinishReason.STOP, BOUGHT, "m-1")


class Rival(Buying):
    """A model that gives its summaries two at a time."""

    def __init__(self, *summaries: str) -> None:
        super().__init__(*summaries)
        self._both = asyncio.Barrier(2)

    @override
    async def complete(self, request: ModelRequest) -> ModelAnswer:
        """Wait for the other question, if it is for a summary."""
        if request.messages[-1].text == PROMPT:
            await self._both.wait()
        return await super().complete(request)


def unreadable() -> ModelGarbage:
    """Return the error of a summary that was counted and cannot be read."""
    error = ModelGarbage(model="vendor:m", reason="cut off")
    error.spent = BOUGHT
    return error


def app_of(store: str | SessionStore, model: Buying, probe: Probe | None = None) -> App:
    """Return an app that compacts before every turn but the first."""
    agent = Agent("clerk", model=model, compact_at=0.5, compact_keep=0)
    return App(agents=[agent], store=store, probe=probe or SilentProbe())


async def ledger(store: SessionStore) -> dict[str, int]:
    """Return the input tokens of every source but turns."""
    rows = await store.usage(SESSION)
    return {each.source: each.usage.input_tokens for each in rows if each.source != "turn"}


CASES: dict[str, tuple[list[str | BaseException], dict[str, int]]] = {
    "used": ([SUMMARY], {"compaction": 100}),
    "second": ([unreadable(), SUMMARY], {"compaction": 100, "wasted": 100}),
    "never": ([unreadable(), unreadable(), unreadable()], {"compaction": 100, "wasted": 200}),
    "empty": ([""], {"compaction": 100}),
}


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("case", CASES)
async def test_what_a_turn_pays_for_its_summary_is_accounted_for(case: str) -> None:
    """Every attempt of it, by the frame or by the turn."""
    summaries, expected = CASES[case]
    store = MemoryStore()
    async with app_of(store, Buying(*summaries)).open(SESSION) as session:
        await session.send("one")
        result = await session.send("two")
    assert result.status is TurnStatus.COMPLETED
    assert await ledger(store) == expected


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("case", CASES)
async def test_what_is_paid_for_a_compaction_by_hand_is_accounted_for(
    store_url: str, case: str
) -> None:
    """If it fails too, which changes nothing else."""
    summaries, expected = CASES[case]
    app = app_of(store_url, Buying(*summaries))
    async with app.open(SESSION) as session:
        await session.send("one")
        leaf = (await session.show()).leaf
        if case in {"never", "empty"}:
            with pytest.raises(CompactionFailed):
                await session.compact()
            assert (await session.show()).leaf == leaf
        else:
            await session.compact()
    async with app.host() as host:
        assert await ledger(host.store) == expected
    assert await problems(store_url) == []


async def test_a_summary_whose_turn_is_cancelled_before_its_frame_is_the_turns(
    store_url: str,
) -> None:
    """It was bought, and no frame accounts for it."""
    probe = GateAt("compact.summarised")
    app = app_of(store_url, Buying(SUMMARY), probe)
    async with app.open(SESSION) as session:
        await session.send("one")
        turn = await session.submit("two")
        await probe.gate.reached()
        assert await turn.cancel() is True
        result = await turn.result()
        probe.gate.open()
    assert (result.status, result.usage) == (TurnStatus.CANCELLED, BOUGHT)
    assert await frame_ids(store_url) == []
    async with app.host() as host:
        assert await ledger(host.store) == {"compaction": 100}


async def test_of_two_summaries_that_were_bought_at_once_one_is_wasted() -> None:
    """Two workers compact the same turn: there is one frame, and both answers are paid."""
    store, model = MemoryStore(), Rival(SUMMARY, SUMMARY)
    async with app_of(store, model).host() as one, app_of(store, model).host() as two:
        await Worker(one).last_step(await Worker(one).begin())
        turn = await Worker(one).begin("turn-2")
        request = CompactTurn(turn=turn)
        opened = await asyncio.gather(compact_turn(one, request), compact_turn(two, request))
        assert opened[0] == opened[1]
        turn = turn.model_copy(update={"head_revision": opened[0].head_revision})
        await Worker(one).last_step(turn)
    assert await ledger(store) == {"compaction": 100, "wasted": 100}


async def test_a_summary_is_of_no_use_once_its_session_has_gone_on() -> None:
    """A turn that comes back after another one does not put an older summary in its place."""
    store, model = MemoryStore(), Buying("of one", "of one and two")
    async with app_of(store, model).host() as host:
        worker = Worker(host)
        await worker.last_step(await worker.begin("turn-1", "one"))
        left = await worker.begin("turn-3", "three")
        await compact_turn(host, CompactTurn(turn=left))
        await worker.last_step(await worker.begin("turn-2", "two"))
        back = await worker.begin("turn-3", "three")
        opened = await compact_turn(host, CompactTurn(turn=back))
        back = back.model_copy(update={"head_revision": opened.head_revision})
        await worker.last_step(back)
    assert [asked[-2:] for asked in model.summarised] == [["one", "hi"], ["two", "hi"]]
    assert await ledger(store) == {"compaction": 200}
