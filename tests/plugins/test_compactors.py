"""Compactors: the first answer by priority wins, and a hook's failure has a name and an end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sojourn.errors import PluginFailed
from sojourn.hooks import CompactionView
from sojourn.messages import ToolCallPart, assistant, user
from tests.plugins.making import CONTENT, Hooked, built, raising, returning

VIEW = CompactionView("s-1", [user("one"), user("two")], "tokens")


async def answered(view: CompactionView) -> Any:
    """Keep the last message."""
    return view.messages[-1:]


async def test_without_a_compactor_there_is_no_answer() -> None:
    """The built-in summary is made then; a plugin that has no such hook is not asked."""
    assert await built().compact(VIEW) is None
    assert await built(Hooked(), Hooked("other", compact=returning(None))).compact(VIEW) is None
    assert await built(Hooked(compact=returning([]))).compact(VIEW) is None


async def test_the_first_answer_wins_by_priority_then_by_order() -> None:
    """Async and plain ones alike."""
    low = Hooked("low", compact=returning([user("low")]))
    first = Hooked("first", priority=2, compact=answered)
    second = Hooked("second", priority=2, compact=returning([user("second")]))
    silent = Hooked("silent", priority=3, compact=returning(None))

    made = await built(low, first, second, silent).compact(VIEW)
    assert made is not None
    assert (made[0], made[1].messages) == ("first", [user("two")])
    made = await built(low, second, first).compact(VIEW)
    assert made is not None
    assert (made[0], made[1].messages) == ("second", [user("second")])


@pytest.mark.parametrize(
    ("hook", "reason"),
    [
        (raising, "ValueError"),
        (returning(5), "it returned int, not Sequence"),
        (returning(["text"]), "it returned str, not Message"),
        (returning([user("\ud800")]), "PydanticSerializationError"),
        (
            returning([assistant("", ToolCallPart(id="c", name="look"))]),
            "it left a call without its response",
        ),
    ],
)
async def test_a_compactor_that_fails_is_named(hook: Any, reason: str) -> None:
    """Nobody else is asked: what a user chose is not silently replaced."""
    with pytest.raises(PluginFailed) as caught:
        await built(Hooked("odd", compact=hook), Hooked("b", compact=answered)).compact(VIEW)

    failed = caught.value
    assert (failed.plugin_id, failed.hook, failed.reason) == ("odd", "compact", reason)
    assert CONTENT not in str(failed)


async def test_an_async_hook_that_hangs_is_left_after_its_time() -> None:
    """Even one that takes no cancellation: the turn goes on without it."""
    over = asyncio.Event()

    async def stubborn(*_: Any) -> None:
        while not over.is_set():
            try:
                await over.wait()
            except asyncio.CancelledError:
                continue

    plugin = Hooked("slow", seconds=0.01, compact=stubborn)
    part = vars(built(plugin))["_parts"]["slow"]
    with pytest.raises(PluginFailed, match=r"'slow' failed in compact: it did not end"):
        await part.ask("compact", VIEW)
    over.set()


async def test_a_cancellation_from_outside_reaches_the_hook_and_passes_through() -> None:
    """It is not the plugin's doing, and the hook does not run on alone."""
    begun, ended = asyncio.Event(), asyncio.Event()

    async def waiting(*_: Any) -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            ended.set()

    asking = asyncio.ensure_future(built(Hooked(compact=waiting)).compact(VIEW))
    await begun.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await ended.wait()
