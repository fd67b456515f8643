"""Who makes a summary: a plugin, or the model, in pieces if it has become too small."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from decimal import Decimal

import pytest
from typing_extensions import override

from sojourn import Agent, App, Plugin, Residency
from sojourn.compaction import PROMPT, SEED
from sojourn.errors import CompactionFailed
from sojourn.hooks import CompactionView, Condensed
from sojourn.messages import Message, user
from sojourn.models import ModelSpec
from sojourn.plugins import PluginContext, PluginSession
from sojourn.state import load_state
from sojourn.testing import ScriptedModel
from sojourn.usage import ModelPrice, Usage
from sojourn.window import estimated
from tests.embedded.making import SESSION, problems
from tests.frames.making import LONG, Counting, counting_app, path_of


class Notes(Plugin):
    """Sums a conversation up by counting it, or fails."""

    def __init__(self, *, fails: bool = False) -> None:
        self.views: list[CompactionView] = []
        self.fails = fails

    @override
    def session(self, context: PluginContext) -> PluginSession:
        return NoteTaker(self)


class NoteTaker(PluginSession):
    """Makes two seeds."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes

    @override
    async def compact(self, view: CompactionView) -> Sequence[Message] | None:
        self._notes.views.append(view)
        if self._notes.fails:
            raise ValueError("secret")
        return [user(f"{len(view.messages)} messages"), user("of note")]


async def test_a_plugin_may_sum_up_instead_of_the_model(store_url: str) -> None:
    """It is shown what the new frame no longer shows; its seeds stand before what is kept."""
    script, notes = Counting(), Notes()
    async with counting_app(store_url, script, plugins=[notes]).open(SESSION) as session:
        await session.send("one")
        await session.send("two")
        await session.compact()
        await session.send("three")

    assert script.summarised == []
    assert script.asked[-1] == ["2 messages", "of note", "two", "3 heard", "three"]
    [view] = notes.views
    assert (view.session_id, view.reason) == (SESSION, "requested")
    assert [message.text for message in view.messages] == ["one", "1 heard"]


class Condenser(Plugin):
    """Has a model of its own sum up, which costs what it says."""

    def __init__(self, answer: Condensed) -> None:
        self._answer = answer

    @override
    def session(self, context: PluginContext) -> PluginSession:
        return Condensing(self._answer)


class Condensing(PluginSession):
    """Gives the same summary always."""

    def __init__(self, answer: Condensed) -> None:
        self._answer = answer

    @override
    async def compact(self, view: CompactionView) -> Condensed:
        return self._answer


PAID = Usage(input_tokens=70, output_tokens=7)
PRICE = ModelPrice(input=Decimal(1), output=Decimal(10))


@pytest.mark.parametrize("text", ["in short", "long " * 5_000], ids=["used", "too long"])
async def test_what_a_plugin_has_paid_for_a_summary_is_in_the_ledger_under_its_name(
    store_url: str, text: str
) -> None:
    """At the price that it tells, if the summary is of no use too."""
    condenser = Condenser(Condensed([user(text)], "vendor-mini", PAID, PRICE))
    async with counting_app(store_url, Counting(), plugins=[condenser]).open(SESSION) as session:
        await session.send("one")
        with nullcontext() if text == "in short" else pytest.raises(CompactionFailed):
            await session.compact()
        [line] = [each for each in (await session.show()).ledger if each.source != "turn"]

    assert (line.source, line.model, line.usage) == ("plugin/Condenser", "vendor-mini", PAID)
    assert line.cost == Decimal("0.00014")


@pytest.mark.parametrize(
    "answer", [Condensed([], "m", PAID), Condensed([user("short")], "", PAID)], ids=["no", "whose"]
)
async def test_a_plugin_that_tells_of_spending_must_name_the_model_and_make_a_seed(
    store_url: str, answer: Condensed
) -> None:
    """Else there would be no row to put it in."""
    app = counting_app(store_url, Counting(), plugins=[Condenser(answer)])
    async with app.open(SESSION) as session:
        await session.send("one")
        with pytest.raises(CompactionFailed, match="Condenser"):
            await session.compact()


class Tactful(Plugin):
    """Keeps a word from the model, and another one from what is kept of its answers."""

    @override
    def session(self, context: PluginContext) -> PluginSession:
        return Censor()


class Censor(PluginSession):
    """Replaces both."""

    @override
    def context(self, messages: Sequence[Message]) -> Sequence[Message]:
        return [replaced(message, "Alice", "A.") for message in messages]

    @override
    def answer(self, message: Message) -> Message:
        return replaced(message, "Bob", "B.")


def replaced(message: Message, old: str, new: str) -> Message:
    """Return a message with another word in it."""
    return Message.decode(message.encode().replace(old.encode(), new.encode()))


async def test_what_plugins_keep_from_the_model_is_kept_from_it_in_a_summary_too(
    store_url: str,
) -> None:
    """A compaction is a question as any other; what is asked for stays as it is."""
    script = Counting("Bob was mentioned")
    async with counting_app(store_url, script, plugins=[Tactful()]).open(SESSION) as session:
        await session.send("ask Alice")
        await session.send("two")
        await session.compact()
        await session.send("three")

    assert script.summarised == [["ask A.", "1 heard"]]
    assert script.asked[-1][0] == f"{SEED}\n\nB. was mentioned"


async def test_a_plugin_that_fails_leaves_the_session_as_it_was(store_url: str) -> None:
    """The failure names it, and does not quote it."""
    app = counting_app(store_url, Counting(), plugins=[Notes(fails=True)])
    async with app.open(SESSION) as session:
        await session.send("one")
        with pytest.raises(CompactionFailed, match="Notes") as refusal:
            await session.compact()
        assert (await session.send("two")).head_revision == 2
    assert "secret" not in str(refusal.value)


async def test_a_session_moves_to_a_model_that_cannot_read_it_whole(store_url: str) -> None:
    """It is summed up in pieces that the smaller model can read."""
    asked: list[int] = []

    def summing(messages: Sequence[Message]) -> str:
        asked.append(estimated(len(message.encode()) for message in messages))
        return "a piece" if messages[-1].text == PROMPT else "small"

    big = ScriptedModel(lambda _: "big", ModelSpec("scripted:big", 100_000))
    small = ScriptedModel(summing, ModelSpec("scripted:small", 2_000))
    agent = Agent("clerk", model=big, compact_at=0.8, compact_keep=0)
    app = App(agents=[agent], models=[small], store=store_url)
    async with app.open(SESSION) as session:
        for number in range(20):
            await session.send(f"{number} {LONG}")
        await session.configure(model="scripted:small")
        result = await session.send("go on")
        view = await session.show()

    assert result.text == "small"
    assert len(asked) > 4
    assert max(asked) < 2_000
    assert view.frame is not None
    assert view.frame.messages == 3
    assert view.messages[-3].text == f"{SEED}\n\na piece"
    assert await problems(store_url) == []


@pytest.mark.parametrize("count", [12, 48])
async def test_what_is_loaded_of_a_compacted_session_does_not_grow_with_it(
    store_url: str, count: int
) -> None:
    """Neither in the process that compacts nor in the next one."""
    app = counting_app(store_url, Counting(), compact_at=0.6, compact_keep=0)
    sizes: set[int] = set()
    async with app.open(SESSION) as session:
        for number in range(count):
            await session.send(f"{number} {LONG}")
            async with app.host() as host:
                state = await load_state(host.store, SESSION, Residency.ACTIVE_PATH_ONLY)
            sizes.add(len(state.graph))

    assert max(sizes) <= 8
    assert len(await path_of(store_url)) > count * 2
