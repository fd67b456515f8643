"""Sending: one input, one outcome, in order, and once for each turn id."""

from __future__ import annotations

import asyncio

import pytest

from sojourn import TurnStatus, tool
from sojourn.adapters.open import opened_store
from sojourn.clock import SystemClock
from sojourn.errors import (
    EmptyText,
    InvalidId,
    InvalidInput,
    TextTooLarge,
    TurnConflict,
    UnknownSession,
)
from sojourn.inputs import MAX_TEXT_BYTES
from sojourn.testing import ScriptedModel
from tests.embedded.making import SESSION, Answers, Slow, app_of, user_texts
from tests.support.scene import calling, echo


async def test_a_result_has_the_fields_of_the_contract(store_url: str) -> None:
    """Who, which turn, how it ended, what was said, where the session stands, what it cost."""

    @tool
    def add(first: int, second: int) -> int:
        """Add."""
        return first + second

    script = calling(("add", {"first": 2, "second": 3}))
    async with app_of(store_url, script, add).open(SESSION) as session:
        result = await session.send("add them", "t-1")
        spent = (await session.show()).usage

    told = result.model_dump(mode="json")
    assert told.pop("usage") == spent.model_dump()
    assert spent.input_tokens > 0
    assert spent.output_tokens > 0
    [call] = told.pop("tool_calls")
    assert call == {"call_id": call["call_id"], "name": "add", "status": "done"}
    assert told == {
        "session_id": SESSION,
        "turn_id": "t-1",
        "status": "completed",
        "text": "[5]",
        "head_revision": 1,
        "error": None,
        "cost": None,
        "lost_attempts": 0,
    }


async def test_a_turn_without_an_id_gets_one_of_its_own(store_url: str) -> None:
    """Two messages of the same text are two turns."""
    async with app_of(store_url).open(SESSION) as session:
        first, second = await session.send("hello"), await session.send("hello")

    assert first.turn_id != second.turn_id
    assert (first.head_revision, second.head_revision) == (1, 2)


async def test_each_turn_sees_what_was_said_before(store_url: str) -> None:
    """Within one open, and after another."""
    model = Answers("first", "second", "third")
    app = app_of(store_url, model)
    async with app.open(SESSION) as session:
        await session.send("one")
        await session.send("two")
    async with app.open(SESSION) as session:
        await session.send("three")

    said = [message.text for message in model.asked[-1]]
    assert said == ["one", "first", "two", "second", "three"]


async def test_twenty_messages_at_once_run_in_the_order_of_their_submission(
    store_url: str,
) -> None:
    """Each turn is committed before the next begins."""
    texts = [f"message {number}" for number in range(20)]
    async with app_of(store_url).open(SESSION) as session:
        turns = [await session.submit(text) for text in texts]
        results = await asyncio.gather(*(turn.result() for turn in turns))
        view = await session.show()

    assert [result.head_revision for result in results] == list(range(1, 21))
    assert [result.text for result in results] == [f"you said {text}" for text in texts]
    assert user_texts(view) == texts


async def test_the_same_turn_id_again_returns_the_same_result(store_url: str) -> None:
    """Nothing runs, however often it is sent, and whatever came in between."""
    model = ScriptedModel(echo)
    async with app_of(store_url, model).open(SESSION) as session:
        first = await session.send("hello", "t-1")
        await session.send("else", "t-2")
        again = await session.send("hello", "t-1")

    assert again == first
    assert model.calls == 2


async def test_the_same_turn_id_again_after_reopening_runs_nothing(store_url: str) -> None:
    """The receipt is the store's: another process with another model finds it."""
    async with app_of(store_url).open(SESSION) as session:
        first = await session.send("hello", "t-1")
    model = ScriptedModel(echo)
    async with app_of(store_url, model).open(SESSION) as session:
        again = await session.send("hello", "t-1")

    assert again == first
    assert model.calls == 0


async def test_a_turn_id_whose_receipt_was_forgotten_runs_anew(store_url: str) -> None:
    """Retention gave up the promise for it: it is another turn, which ends like any other."""
    app = app_of(store_url)
    async with app.open(SESSION) as session:
        for turn_id in ("t-1", "t-2"):
            await session.send(turn_id, turn_id)
        async with opened_store(store_url) as store:
            assert await store.forget_receipts(SystemClock().now(), 10) == 1
        again = await session.send("t-1", "t-1")
        seen = await session.show()

    assert again.status is TurnStatus.COMPLETED
    assert user_texts(seen) == ["t-1", "t-2", "t-1"]


async def test_the_same_turn_id_while_it_is_open_joins_it(store_url: str) -> None:
    """Both callers get the one result."""
    slow = Slow()
    async with app_of(store_url, slow).open(SESSION) as session:
        first, second = await session.submit("wait", "t-1"), await session.submit("wait", "t-1")
        assert second is first
        await slow.gate.reached()
        slow.gate.open()
        results = await first.result(), await second.result()

    assert results[0] == results[1]
    assert slow.gate.passed == 1


async def test_a_turn_id_with_other_text_is_refused_after_its_end(store_url: str) -> None:
    """A turn id is one turn for ever, over reopening too."""
    app = app_of(store_url)
    async with app.open(SESSION) as session:
        await session.send("hello", "t-1")
        with pytest.raises(TurnConflict):
            await session.send("other", "t-1")
    async with app.open(SESSION) as session:
        with pytest.raises(TurnConflict):
            await session.send("other", "t-1")
        assert user_texts(await session.show()) == ["hello"]


async def test_a_turn_id_with_other_text_is_refused_while_it_is_open(store_url: str) -> None:
    """The open turn goes on."""
    slow = Slow()
    async with app_of(store_url, slow).open(SESSION) as session:
        turn = await session.submit("wait", "t-1")
        await slow.gate.reached()
        with pytest.raises(TurnConflict):
            await session.submit("other", "t-1")
        slow.gate.open()
        assert (await turn.result()).text == "you said wait"


async def test_a_caller_who_gives_up_does_not_stop_the_turn(store_url: str) -> None:
    """It goes on, and whoever sends the same id again gets its result."""
    slow = Slow()
    model = ScriptedModel(slow)
    async with app_of(store_url, model).open(SESSION) as session:
        sending = asyncio.create_task(session.send("wait", "t-1"))
        await slow.gate.reached()
        sending.cancel()
        await asyncio.wait({sending})
        slow.gate.open()
        result = await session.send("wait", "t-1")

    assert sending.cancelled()
    assert result.status is TurnStatus.COMPLETED
    assert model.calls == 1


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("", EmptyText),
        (" \n\t", EmptyText),
        ("a" * (MAX_TEXT_BYTES + 1), TextTooLarge),
        ("é" * (MAX_TEXT_BYTES // 2 + 1), TextTooLarge),
        ("lone \ud800 surrogate", InvalidInput),
    ],
    ids=["empty", "blank", "too many letters", "too many bytes", "no Unicode"],
)
async def test_what_is_no_message_is_refused(
    store_url: str, text: str, refusal: type[Exception]
) -> None:
    """Nothing is written, and the error does not quote it."""
    async with app_of(store_url).open(SESSION) as session:
        with pytest.raises(refusal) as refused:
            await session.send(text)
        with pytest.raises(UnknownSession):
            await session.show()

    assert not text.strip() or text not in str(refused.value)


async def test_a_message_of_exactly_the_limit_is_taken(store_url: str) -> None:
    """The limit itself is allowed."""
    text = "a" * MAX_TEXT_BYTES
    async with app_of(store_url, Answers("done")).open(SESSION) as session:
        await session.send(text)
        assert user_texts(await session.show()) == [text]


BAD_IDS = ["", " ", "a b", "tab\t", "new\nline", "\x00", "\ud800", "x" * 201]


@pytest.mark.parametrize("bad", BAD_IDS)
async def test_a_turn_id_that_cannot_be_one_is_refused(store_url: str, bad: str) -> None:
    """Before anything is written."""
    async with app_of(store_url).open(SESSION) as session:
        with pytest.raises(InvalidId):
            await session.send("hello", bad)
        with pytest.raises(UnknownSession):
            await session.show()


@pytest.mark.parametrize("bad", BAD_IDS)
async def test_a_session_id_that_cannot_be_one_is_refused(store_url: str, bad: str) -> None:
    """No session of that name is opened."""
    with pytest.raises(InvalidId):
        async with app_of(store_url).open(bad):
            raise AssertionError(bad)


@pytest.mark.parametrize("good", ["x" * 200, "../../etc/passwd", "%00;--'\"", "😀", "a/b", "tür"])
async def test_any_printable_id_serves(store_url: str, good: str) -> None:
    """An id is a name, and nothing else is read into it."""
    async with app_of(store_url).open(good) as session:
        result = await session.send("hello", good)

    assert (result.session_id, result.turn_id) == (good, good)
