"""Compaction by itself: before a turn's first step, when the window is as full as was said."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from sojourn import Agent, TurnStatus, tool
from sojourn.branching import checkout
from sojourn.compaction import SEED
from sojourn.errors import InvalidInput, MissingContextWindow, ModelUnavailable
from sojourn.messages import Message, ToolCallPart, assistant
from sojourn.models import FinishReason, ModelAnswer, ModelSpec
from sojourn.usage import Usage
from tests.embedded.making import GateAt, problems
from tests.frames.making import (
    LONG,
    SESSION,
    SUMMARY,
    WINDOW,
    Counting,
    counting_app,
    frame_ids,
)

SEEDED = f"{SEED}\n\n{SUMMARY}"


async def test_a_session_is_compacted_when_its_window_fills_up(store_url: str) -> None:
    """Before the turn's first step: the turn itself is shown the summary."""
    script = Counting()
    app = counting_app(store_url, script, compact_at=0.5, compact_keep=0)
    async with app.open(SESSION) as session:
        for number in range(4):
            await session.send(f"{number} {LONG}")
        view = await session.show()

    assert len(script.summarised) == 1
    assert script.asked[-1][0] == SEEDED
    assert len(await frame_ids(store_url)) == 1
    assert (view.turns, view.head_revision) == (4, 5)
    assert await problems(store_url) == []


async def test_a_session_stays_within_its_window_for_ever(store_url: str) -> None:
    """However long it goes on, the model is shown a bounded part of it."""
    script = Counting()
    async with counting_app(store_url, script, compact_at=0.6).open(SESSION) as session:
        for number in range(30):
            await session.send(f"{number} {LONG}")

    assert max(sum(map(len, asked)) for asked in script.asked) < WINDOW * 4
    assert len(script.summarised) > 5


async def test_without_a_share_nothing_is_compacted_by_itself(store_url: str) -> None:
    """The default: the whole conversation is shown."""
    script = Counting()
    async with counting_app(store_url, script, window=100_000).open(SESSION) as session:
        for number in range(6):
            await session.send(f"{number} {LONG}")

    assert len(script.asked[-1]) == 11
    assert await frame_ids(store_url) == []


async def test_a_place_where_nobody_has_counted_is_looked_at(store_url: str) -> None:
    """After a checkout the conversation itself is measured."""
    script = Counting()
    app = counting_app(store_url, script, compact_at=0.5, compact_keep=0)
    async with app.open(SESSION) as session:
        await session.send("short")
        first = (await session.show()).leaf
        await session.send(f"1 {LONG}")
        await session.send(f"2 {LONG}")
        long = (await session.show()).leaf
    assert first is not None
    assert long is not None
    assert script.summarised == []
    async with app.host() as host:
        await checkout(host.store, SESSION, first)
    async with app.open(SESSION) as session:
        await session.send("after the short one")
    assert script.summarised == []
    async with app.host() as host:
        await checkout(host.store, SESSION, long)
    async with app.open(SESSION) as session:
        await session.send(f"3 {LONG}")

    assert len(script.summarised) == 1


@pytest.mark.usefixtures("impatient")
async def test_a_turn_goes_on_uncompacted_if_there_is_no_summary(
    store_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It says so in the log and in an event, asks for no other summary, and accounts for none."""
    script, probe = Counting(ModelUnavailable(model="m", reason="down")), GateAt("model.calling")
    async with counting_app(store_url, script).open(SESSION) as session:
        for number in range(3):
            await session.send(f"{number} {LONG}")
    watched = counting_app(store_url, script, compact_at=0.5, probe=probe)
    async with watched.open(SESSION) as session:
        turn = await session.submit("go on")
        events = turn.events(after="0.0")
        kinds = [await anext(events), await anext(events)]
        probe.gate.open()
        result = await turn.result()

    assert result.status is TurnStatus.COMPLETED
    assert len(script.asked[-1]) == 7
    assert "down" in caplog.text
    assert [(event.kind, event.status) for event in kinds] == [
        ("turn_opened", None),
        ("summarised", "failed"),
    ]
    assert await frame_ids(store_url) == []


async def test_a_summary_of_no_use_is_paid_for_and_accounted_for(store_url: str) -> None:
    """By the turn that asked for it."""
    app = counting_app(store_url, Counting(""), compact_at=0.5)
    async with app.open(SESSION) as session:
        for number in range(4):
            await session.send(f"{number} {LONG}")
    async with app.host() as host:
        sources = {entry.source: entry.usage for entry in await host.store.usage(SESSION)}

    assert sources["compaction"].input_tokens > 0


async def test_a_turn_that_no_longer_fits_ends_as_limit_and_says_why(store_url: str) -> None:
    """The model has counted that there is no room: it is not asked in vain."""
    asked: list[int] = []

    @tool
    def read() -> str:
        """Read a lot."""
        return LONG * 3

    def script(messages: Sequence[Message]) -> ModelAnswer:
        asked.append(len(messages))
        message = assistant("", ToolCallPart(id=f"c{len(messages)}", name="read"))
        usage = Usage(input_tokens=sum(len(each.encode()) for each in messages) // 4)
        return ModelAnswer(message, FinishReason.TOOL_CALLS, usage)

    app = counting_app(store_url, script, tools=[read])  # type: ignore[arg-type]
    async with app.open(SESSION) as session:
        result = await session.send("read it all")

    assert result.status is TurnStatus.LIMIT
    assert result.error is not None
    assert result.error.type == "ContextFull"
    assert str(WINDOW) in result.error.message
    assert len(asked) == 3


async def test_a_cancel_that_meets_the_opening_of_a_frame_wins(store_url: str) -> None:
    """The frame is committed by then; the turn goes by the head that it has made."""
    script, probe = Counting(), GateAt("compact.after")
    app = counting_app(store_url, script, compact_at=0.5, compact_keep=0, probe=probe)
    async with app.open(SESSION) as session:
        for number in range(3):
            await session.send(f"{number} {LONG}")
        turn = await session.submit(f"3 {LONG}")
        await probe.gate.reached()
        assert await turn.cancel() is True
        result = await turn.result()
        probe.gate.open()
        again = await session.send("go on")

    assert (result.status, result.head_revision) == (TurnStatus.CANCELLED, 5)
    assert again.head_revision == 6
    assert await problems(store_url) == []


def test_compaction_needs_to_know_how_much_a_model_can_read() -> None:
    """The refusal says how to tell it; without compaction nobody needs to know."""
    with pytest.raises(MissingContextWindow, match="context_window_tokens"):
        Agent(model="openai:gpt-5", compact_at=0.8)
    assert Agent(model="openai:gpt-5").spec == ModelSpec("openai:gpt-5")
    Agent(model=ModelSpec("openai:gpt-5", context_window_tokens=400_000), compact_at=0.8)


@pytest.mark.parametrize("options", [{"compact_at": 0}, {"compact_at": 1.1}, {"compact_keep": -1}])
def test_shares_and_counts_are_checked(options: dict[str, float]) -> None:
    """When the agent is made, not in the middle of a session."""
    model = ModelSpec("openai:gpt-5", context_window_tokens=400_000)
    with pytest.raises(InvalidInput):
        Agent(model=model, **options)  # type: ignore[arg-type]


async def test_a_summary_that_would_fill_a_small_window_is_refused(store_url: str) -> None:
    """Else it would be paid for again before every turn."""
    script = Counting("y" * 6_000)
    app = counting_app(store_url, script, compact_at=0.5, compact_keep=0)
    async with app.open(SESSION) as session:
        for number in range(3):
            await session.send(f"{number} {LONG}")
        await session.send("go on")

    assert await frame_ids(store_url) == []


async def test_after_a_compaction_some_small_turns_need_no_other(store_url: str) -> None:
    """A summary that is let pass leaves room, in the smallest of windows too."""
    script = Counting("y" * 1_800)
    app = counting_app(store_url, script, compact_at=0.5, compact_keep=0)
    async with app.open(SESSION) as session:
        for number in range(3):
            await session.send(f"{number} {LONG}")
        for _ in range(4):
            await session.send("go on")

    assert len(script.summarised) == 1
