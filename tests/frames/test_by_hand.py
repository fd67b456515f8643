"""Compaction and frames by hand: one commit, everything before stays readable."""

from __future__ import annotations

import asyncio

import pytest

from sojourn import Residency
from sojourn.adapters.open import opened_store
from sojourn.branching import checkout
from sojourn.compaction import SEED
from sojourn.errors import CompactionFailed, InvalidInput, LeaseHeld, ModelRefused, UnknownSession
from sojourn.events import follow
from sojourn.frames import Frame
from sojourn.graph import NodeKind
from tests.embedded.making import GateAt, problems, seen
from tests.frames.making import SESSION, SUMMARY, Counting, counting_app, frame_ids, path_of


@pytest.mark.parametrize("residency", list(Residency))
async def test_after_a_compaction_the_model_is_shown_the_summary_and_the_last_turn(
    store_url: str, residency: Residency
) -> None:
    """Under every residency, in the process that compacted and in the next one."""
    script = Counting()
    app = counting_app(store_url, script, residency=residency)
    async with app.open(SESSION) as session:
        for text in ("one", "two", "three"):
            await session.send(text)
        opened = await session.compact()
        await session.send("four")
    async with app.open(SESSION) as session:
        await session.send("five")

    kept = [f"{SEED}\n\n{SUMMARY}", "three", "5 heard"]
    assert script.summarised == [["one", "1 heard", "two", "3 heard"]]
    assert script.asked[-2:] == [[*kept, "four"], [*kept, "four", "4 heard", "five"]]
    assert (opened.head_revision, opened.replaced, opened.kept) == (4, 4, 2)
    assert await problems(store_url) == []


async def test_what_came_before_a_frame_stays_readable(store_url: str) -> None:
    """Nothing is removed: the whole conversation is on the active path."""
    async with counting_app(store_url, Counting()).open(SESSION) as session:
        await session.send("one")
        await session.send("two")
        opened = await session.compact()
    nodes = await path_of(store_url)

    assert [node.kind for node in nodes].count(NodeKind.FRAME) == 1
    assert [node.message.text for node in nodes[:4]] == ["one", "1 heard", "two", "3 heard"]
    assert nodes[4].node_id == opened.frame
    assert Frame.of(nodes[4]).reason == "requested"


async def test_a_compaction_is_no_turn_and_is_accounted_for_apart(store_url: str) -> None:
    """The head moves by one, the count of turns does not; the tokens are the compaction's."""
    app = counting_app(store_url, Counting())
    async with app.open(SESSION) as session:
        await session.send("one")
        await session.send("two")
        before = await session.show()
        await session.compact()
        after = await session.show()
    async with app.host() as host:
        sources = {entry.source: entry.usage for entry in await host.store.usage(SESSION)}
        stats = await host.store.stats()

    assert (after.turns, after.head_revision) == (before.turns, before.head_revision + 1)
    assert set(sources) == {"turn", "compaction"}
    assert sources["compaction"].output_tokens > 0
    assert after.usage.input_tokens > before.usage.input_tokens
    assert stats["effects"] == 0


async def test_a_second_compaction_without_a_turn_between_does_nothing(store_url: str) -> None:
    """Nothing has come since the frame was opened: no model is asked, nothing is committed."""
    script = Counting()
    async with counting_app(store_url, script).open(SESSION) as session:
        await session.send("one")
        await session.send("two")
        first = await session.compact()
        second = await session.compact()

    assert second.frame is None
    assert second.head_revision == first.head_revision
    assert len(script.summarised) == 1
    assert await frame_ids(store_url) == [first.frame]


async def test_frames_follow_one_another(store_url: str) -> None:
    """A later summary sums up the earlier one too."""
    script = Counting()
    async with counting_app(store_url, script, compact_keep=0).open(SESSION) as session:
        await session.send("one")
        await session.compact()
        await session.send("two")
        await session.compact()
        await session.send("three")

    seed = f"{SEED}\n\n{SUMMARY}"
    assert script.summarised == [["one", "1 heard"], [seed, "two", "2 heard"]]
    assert script.asked[-1] == [seed, "three"]
    assert len(await frame_ids(store_url)) == 2


async def test_a_summary_of_ones_own_asks_no_model(store_url: str) -> None:
    """It stands where the model's would."""
    script = Counting()
    async with counting_app(store_url, script, compact_keep=0).open(SESSION) as session:
        await session.send("one")
        await session.compact("we said one")
        await session.send("two")

    assert script.summarised == []
    assert script.asked[-1] == [f"{SEED}\n\nwe said one", "two"]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("summary", "paid"),
    [
        ("", 1),
        ("   ", 1),
        ("long " * 5_000, 1),
        (ModelRefused(model="m", reason="no"), 0),
        (ValueError("secret"), 0),
    ],
    ids=["empty", "blank", "too long", "refused", "broken"],
)
async def test_a_compaction_that_fails_leaves_the_session_as_it_was(
    store_url: str, summary: str | BaseException, paid: int
) -> None:
    """It says why, without content, and the next turn sees the whole conversation.

    What a model was paid in vain is committed, and moves the head.
    """
    script = Counting(summary)
    async with counting_app(store_url, script).open(SESSION) as session:
        await session.send("one")
        await session.send("two")
        with pytest.raises(CompactionFailed) as refusal:
            await session.compact()
        await session.send("three")
        view = await session.show()

    assert "secret" not in str(refusal.value)
    assert script.asked[-1] == ["one", "1 heard", "two", "3 heard", "three"]
    assert (view.turns, view.head_revision) == (3, 3 + paid)
    assert await problems(store_url) == []


async def test_a_frame_that_is_opened_by_hand_begins_with_its_text_alone(store_url: str) -> None:
    """The model is not asked for it, and is shown nothing else."""
    script = Counting()
    async with counting_app(store_url, script).open(SESSION) as session:
        await session.send("one")
        opened = await session.open_frame("now count in threes")
        await session.send("three")
        await session.open_frame()
        await session.send("six")

    assert script.asked[-2:] == [["now count in threes", "three"], ["six"]]
    assert script.summarised == []
    assert opened.frame == (await frame_ids(store_url))[0]


async def test_a_compaction_waits_for_the_turns_that_were_sent_before(store_url: str) -> None:
    """It is queued like a message."""
    script, probe = Counting(), GateAt("model.calling")
    app = counting_app(store_url, script, probe=probe, compact_keep=0)
    async with app.open(SESSION) as session:
        turn = await session.submit("one")
        await probe.gate.reached()
        compacting = asyncio.create_task(session.compact())
        probe.gate.open()
        await turn.result()
        await compacting

    assert script.summarised == [["one", "1 heard"]]


async def test_a_frame_is_told_to_whoever_watches_without_what_it_says(store_url: str) -> None:
    """In order with the turns around it; a change of tools or model is none of its content."""
    async with counting_app(store_url, Counting()).open(SESSION) as session:
        await session.send("one", "t-1")
        opened = await session.compact("secret")
        await session.send("two", "t-2")
    async with counting_app(store_url, Counting()).host() as host:
        events = [event async for event in follow(host.store, SESSION, "0.0", until_idle=True)]

    told = [(event.kind, event.head_revision) for event in events]
    assert told == [("turn_committed", 1), ("frame_opened", 2), ("turn_committed", 3)]
    assert opened.head_revision == 2
    assert "secret" not in repr(events)


async def test_a_session_that_is_closed_here_is_left_alone(store_url: str) -> None:
    """Nobody would give its lease back."""
    async with counting_app(store_url, Counting()).open(SESSION) as session:
        await session.send("one")
    for asked in (session.compact(), session.open_frame(), session.configure(disable=["x"])):
        with pytest.raises(InvalidInput, match="closed"):
            await asked


async def test_a_session_that_nobody_made_cannot_be_compacted(store_url: str) -> None:
    """And is not made by that."""
    app = counting_app(store_url, Counting())
    async with app.open(SESSION) as session:
        with pytest.raises(UnknownSession):
            await session.compact()
        with pytest.raises(UnknownSession):
            await session.show()


async def test_a_session_that_another_holds_cannot_be_compacted(store_url: str) -> None:
    """The refusal names the holder; nothing is written."""
    app = counting_app(store_url, Counting())
    async with app.open(SESSION) as holder:
        await holder.send("one")
        async with app.open(SESSION) as other:
            with pytest.raises(LeaseHeld):
                await other.compact()
    assert (await seen(store_url)).head_revision == 1


@pytest.mark.parametrize("residency", list(Residency))
async def test_a_checkout_of_a_node_before_a_frame_makes_the_earlier_frame_current(
    store_url: str, residency: Residency
) -> None:
    """The model is shown what it was shown there; the later frame can be checked out again."""
    script = Counting()
    app = counting_app(store_url, script, residency=residency, compact_keep=0)
    async with app.open(SESSION) as session:
        await session.send("one")
        earlier = (await session.show()).leaf
        await session.compact()
        later = (await session.send("two")).head_revision
        leaf = (await session.show()).leaf
    assert later == 3
    assert earlier is not None
    assert leaf is not None
    await checked_out(store_url, earlier)
    async with app.open(SESSION) as session:
        await session.send("other")
    await checked_out(store_url, leaf)
    async with app.open(SESSION) as session:
        await session.send("three")

    seed = f"{SEED}\n\n{SUMMARY}"
    assert script.asked[-2:] == [["one", "1 heard", "other"], [seed, "two", "2 heard", "three"]]
    assert await problems(store_url) == []


async def test_a_fork_at_a_node_before_a_frame_has_the_earlier_conversation(
    store_url: str,
) -> None:
    """And one at its leaf begins in the frame."""
    script = Counting()
    app = counting_app(store_url, script, compact_keep=0)
    async with app.open(SESSION) as session:
        await session.send("one")
        before = (await session.show()).leaf
        await session.compact()
        await session.fork("before", at=before)
        await session.fork("within")
    async with app.open("before") as fork:
        await fork.send("and?")
    async with app.open("within") as fork:
        await fork.send("and?")

    assert script.asked[-2:] == [["one", "1 heard", "and?"], [f"{SEED}\n\n{SUMMARY}", "and?"]]


async def checked_out(store_url: str, node_id: str) -> None:
    """Make the session stand on a node."""
    async with opened_store(store_url) as store:
        await checkout(store, SESSION, node_id)
