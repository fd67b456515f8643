"""What models cost: each answer once, lost ones too, and nothing that is not known."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal

import pytest

from sojourn import Agent, App
from sojourn.draft import Draft
from sojourn.errors import ModelGarbage, ModelUnavailable
from sojourn.messages import Message, assistant
from sojourn.models import FinishReason, ModelAnswer, ModelSpec
from sojourn.ports import Probe, SessionStore, SilentProbe
from sojourn.requests import StepTurn
from sojourn.testing import ScriptedModel
from sojourn.turns import commit_if_last, step_turn
from sojourn.usage import ModelPrice, Usage, UsageEntry
from sojourn.view import SessionView, view_session
from sojourn.window import counted
from tests.runtime.hosts import SESSION, Gate, Worker

PRICE = ModelPrice(input=Decimal("1.10"), output=Decimal("4.40"), cache_read=Decimal("0.275"))
USAGE = Usage(input_tokens=1_000, output_tokens=100, cache_read_tokens=3)
COST = Decimal("0.001540825")
ANSWER = ModelAnswer(assistant("hi"), FinishReason.STOP, USAGE, "m-1")
Say = Callable[[Sequence[Message]], ModelAnswer]


class Tally:
    """A meter that keeps what it is told."""

    def __init__(self) -> None:
        self.answers: Counter[str] = Counter()
        self.tokens = Usage()
        self.unknown = 0

    def spent(self, entry: UsageEntry) -> None:
        """Take an answer."""
        self.answers[entry.source] += 1
        self.tokens += entry.usage

    def lost(self, model: str, attempts: int) -> None:
        """Take questions."""
        assert model == "m-1"
        self.unknown += attempts


class Priced(ScriptedModel):
    """A model that says what it costs."""

    def __init__(self, say: Say, price: ModelPrice | None = PRICE) -> None:
        super().__init__(say)
        self.spec = ModelSpec("vendor:m", price=price)


@asynccontextmanager
async def working(
    store: SessionStore, model: ScriptedModel, tally: Tally, probe: Probe | None = None
) -> AsyncIterator[Worker]:
    """Yield a worker of an app whose meter is `tally`."""
    agent = Agent("clerk", model=model)
    app = App(agents=[agent], store=store, meter=tally, probe=probe or SilentProbe())
    async with app.host() as host:
        yield Worker(host)


def broken(spent: Usage | None) -> ModelGarbage:
    """Return the error of an answer that cannot be read, and that was counted or not."""
    error = ModelGarbage(model="vendor:m", reason="cut off")
    error.spent = spent
    return error


def lines(view: SessionView) -> dict[str, tuple[int, Decimal | None]]:
    """Return a session's ledger: input tokens and cost by source."""
    return {line.source: (line.usage.input_tokens, line.cost) for line in view.ledger}


async def asked(worker: Worker, step: StepTurn) -> object:
    """Make a last step as an attempt of an activity."""
    return await commit_if_last(worker.host, step, await step_turn(worker.host, step))


async def test_a_turn_costs_its_tokens_at_their_price_exactly(store: SessionStore) -> None:
    """To the last digit, in the outcome and in the session's ledger."""
    tally = Tally()
    async with working(store, Priced(lambda _: ANSWER), tally) as one:
        turn = await one.begin()
        outcome = (await one.last_step(turn)).outcome
        assert outcome is not None
        assert (outcome.cost, outcome.lost_attempts) == (COST, 0)
        # Whoever asks again for the step or the commit is told the same, and nothing is counted.
        assert (await one.last_step(turn, attempt=2)).outcome == outcome
        assert await one.commit(turn) == outcome
    view = await view_session(store, SESSION)
    assert lines(view) == {"turn": (1_000, COST)}
    assert view.cost == COST
    assert (tally.answers, tally.tokens) == (Counter(turn=1), USAGE)


async def test_an_unknown_price_is_no_price_of_zero(store: SessionStore) -> None:
    """Tokens are counted, and no cost is told."""
    async with working(store, Priced(lambda _: ANSWER, None), Tally()) as one:
        outcome = (await one.last_step(await one.begin())).outcome
    view = await view_session(store, SESSION)
    assert outcome is not None
    assert (outcome.cost, view.cost) == (None, None)
    assert lines(view) == {"turn": (1_000, None)}


@pytest.mark.parametrize("spent", [USAGE, None], ids=["counted", "uncounted"])
async def test_an_answer_that_cannot_be_read_was_paid_all_the_same(
    store: SessionStore, spent: Usage | None
) -> None:
    """What its provider counted is in the ledger as wasted; otherwise it is a lost attempt."""
    failures = [broken(spent)]
    tally = Tally()

    def say(_: Sequence[Message]) -> ModelAnswer:
        if failures:
            raise failures.pop()
        return ANSWER

    async with working(store, Priced(say), tally) as one:
        turn = await one.begin()
        with pytest.raises(ModelGarbage):
            await asked(one, StepTurn(turn=turn, commits=True, attempt=1))
        one.host.residents.clear()  # the next attempt is another worker's
        answer = await one.last_step(turn, attempt=2)
    view = await view_session(store, SESSION)
    assert answer.outcome is not None
    wasted = 1 if spent else 0
    assert answer.outcome.lost_attempts == tally.unknown == 1 - wasted
    assert answer.outcome.cost == view.cost == COST * (1 + wasted)
    expected = (
        {"turn": (1_000, COST), "wasted": (1_000, COST)} if spent else {"turn": (1_000, COST)}
    )
    assert lines(view) == expected
    assert tally.answers == Counter(turn=1, wasted=1) if spent else Counter(turn=1)


async def test_an_answer_that_lost_the_race_is_wasted(store: SessionStore) -> None:
    """Two workers have bought the same step: one answer is the turn's, both are paid."""
    gate, tally = Gate("model.calling"), Tally()
    async with AsyncExitStack() as stack:
        late = await stack.enter_async_context(
            working(store, Priced(lambda _: ANSWER), tally, probe=gate)
        )
        prompt = await stack.enter_async_context(working(store, Priced(lambda _: ANSWER), tally))
        turn = await prompt.begin()
        await gate.passed_after(late.step(turn), prompt.step(turn))
        outcome = await late.commit(turn)
        assert outcome == await prompt.commit(turn)
    assert lines(await view_session(store, SESSION)) == {
        "turn": (1_000, COST),
        "wasted": (1_000, COST),
    }
    assert outcome.cost == 2 * COST
    assert tally.answers == Counter(turn=1, wasted=1)


async def test_what_is_bought_after_its_turn_is_on_the_meter_alone(
    store: SessionStore, caplog: pytest.LogCaptureFixture
) -> None:
    """The turn's ledger is closed with the turn; what is missing there is logged."""
    gate, tally = Gate("model.calling"), Tally()
    async with AsyncExitStack() as stack:
        late = await stack.enter_async_context(
            working(store, Priced(lambda _: ANSWER), tally, probe=gate)
        )
        prompt = await stack.enter_async_context(working(store, Priced(lambda _: ANSWER), tally))
        turn = await prompt.begin()
        await gate.passed_after(late.last_step(turn), prompt.last_step(turn, 2))
    assert lines(await view_session(store, SESSION)) == {"turn": (1_000, COST)}
    assert tally.answers == Counter(turn=1, wasted=1)
    assert "is not in the ledger" in caplog.text


async def test_attempts_that_died_are_counted_without_a_cost(store: SessionStore) -> None:
    """A third attempt says that two others asked, and nobody knows what they were charged."""
    tally = Tally()

    def gone(_: Sequence[Message]) -> ModelAnswer:
        raise ModelUnavailable(model="vendor:m", reason="gone")

    async with working(store, Priced(gone), tally) as dead:
        turn = await dead.begin()
        with pytest.raises(ModelUnavailable):
            await dead.step(turn)
    async with working(store, Priced(lambda _: ANSWER), tally) as one:
        outcome = (await one.last_step(turn, attempt=3)).outcome
    assert outcome is not None
    assert (outcome.lost_attempts, tally.unknown) == (2, 2)
    assert outcome.cost == COST


async def test_prices_outlive_the_worker_and_commits_of_others(store: SessionStore) -> None:
    """An agent that has no price any more does not unprice what was paid."""
    async with working(store, Priced(lambda _: ANSWER), Tally()) as one:
        await one.last_step(await one.begin())
    other = ModelAnswer(assistant("ho"), FinishReason.STOP, USAGE, "m-2")
    async with working(store, Priced(lambda _: other, None), Tally()) as one:
        await one.last_step(await one.begin("turn-2"))
    view = await view_session(store, SESSION)
    costs = {line.model: line.cost for line in view.ledger}
    assert costs == {"m-1": COST, "m-2": None}
    assert view.cost is None


async def test_a_summary_is_in_the_ledger_and_on_the_meter(store: SessionStore) -> None:
    """At its price, under a source of its own."""
    tally = Tally()
    agent = Agent("clerk", model=Priced(lambda _: ANSWER), compact_keep=0)
    app = App(agents=[agent], store=store, meter=tally)
    async with app.open(SESSION) as session:
        await session.send("hello")
        await session.compact()
        view = await session.show()
    assert lines(view) == {"compaction": (1_000, COST), "turn": (1_000, COST)}
    assert view.cost == 2 * COST
    assert tally.answers == Counter(turn=1, compaction=1)


async def test_a_turn_keeps_its_price_and_a_session_has_the_newest(store: SessionStore) -> None:
    """Of one model whose price has changed between two turns."""
    costs: list[Decimal | None] = []
    dearer = PRICE.model_copy(update={"output": Decimal("5.40")})
    for turn_id, price in (("turn-1", PRICE), ("turn-2", dearer)):
        async with working(store, Priced(lambda _: ANSWER, price), Tally()) as one:
            outcome = (await one.last_step(await one.begin(turn_id))).outcome
            assert outcome is not None
            costs.append(outcome.cost)
    assert costs == [COST, COST + Decimal("0.0001")]
    assert (await view_session(store, SESSION)).cost == 2 * (COST + Decimal("0.0001"))


def test_every_kind_of_token_has_its_price_and_cached_ones_that_of_input_if_none_is_told() -> None:
    """Reasoning is a part of the output, and is not paid twice."""
    usage = Usage(
        input_tokens=1,
        output_tokens=10,
        cache_read_tokens=100,
        cache_write_tokens=1_000,
        reasoning_tokens=9,
    )
    whole = ModelPrice(
        input=Decimal(2), output=Decimal(3), cache_read=Decimal(5), cache_write=Decimal(7)
    )
    assert whole.cost(usage) * 1_000_000 == 2 + 30 + 500 + 7_000
    assert ModelPrice(input=Decimal(2), output=Decimal(3)).cost(usage) * 1_000_000 == 2_232


def test_a_window_is_filled_by_what_was_cached_too() -> None:
    """All that was read and written is read next time; else nothing would be compacted."""
    usage = Usage(
        input_tokens=1,
        output_tokens=10,
        cache_read_tokens=100,
        cache_write_tokens=1_000,
        reasoning_tokens=9,
    )
    assert counted(usage) == 1_111


def test_an_empty_turn_costs_nothing() -> None:
    """No answer, no cost, no attempt."""
    draft = Draft()
    assert (draft.cost(), draft.lost_attempts(), draft.usage()) == (0, 0, ())
