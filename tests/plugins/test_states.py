"""States that cannot be kept: the session goes on with the last one that can, and opens again."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from sojourn import Agent, App, TurnStatus
from sojourn.hooks import AbortTurn, Answer, Deny, Enqueue, ReplaceResult
from sojourn.messages import user
from sojourn.testing import ScriptedModel
from tests.plugins.making import Hooked, returning
from tests.plugins.test_calls import Adding, app_of, played


def _nested(levels: int) -> Any:
    value: Any = "the innermost"
    for _ in range(levels):
        value = [value]
    return value


def _app(path: Path, states: list[Any], restored: list[Any]) -> App:
    def moved(_: Any) -> None:
        plugin.made.revision += 1

    plugin = Hooked(before_turn=moved, snapshot=lambda: states[-1], restore=restored.append)
    model = ScriptedModel(lambda _: "hello")
    return App(agents=[Agent("clerk", model=model)], plugins=[plugin], store=f"sqlite:///{path}")


@pytest.mark.parametrize(
    "state",
    ["half an emoji: \ud83d", {"\ud83d": 1}, _nested(250), _nested(190), "x" * 20_000_000],
    ids=["value", "key", "deep", "almost too deep", "large"],
)
async def test_a_state_that_cannot_be_kept_does_no_harm(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, state: Any
) -> None:
    """Neither the commit nor the next opening fails over it; the log names the plugin."""
    states: list[Any] = [{"count": 1}]
    restored: list[Any] = []
    async with _app(tmp_path / "s.db", states, restored).open("s-1") as session:
        await session.send("one")
        states.append(state)
        with caplog.at_level(logging.WARNING):
            assert (await session.send("two")).status is TurnStatus.COMPLETED

    async with _app(tmp_path / "s.db", states, restored).open("s-1") as session:
        assert (await session.send("three")).status is TurnStatus.COMPLETED
    assert restored[-1] == {"count": 1}
    assert "plugin hooked failed in snapshot" in caplog.text


async def test_an_answer_that_could_not_be_read_again_is_the_plugins_failure() -> None:
    """It would make the whole session unreadable."""
    adding = Adding()
    result, response = await played(
        app_of(adding, Hooked(before_tool_call=returning(Answer(_nested(250)))))
    )
    assert result.error is not None
    assert (result.status, result.error.type) == (TurnStatus.FAILED, "PluginFailed")
    assert "failed in before_tool_call" in str(response.response)


def _cancelling(*_: Any) -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize("hook", ["before_turn", "context", "before_tool_call", "after_tool_call"])
async def test_a_cancellation_that_nobody_asked_for_is_the_plugins_failure(hook: str) -> None:
    """A plain hook that raises it, by a library of its own, cancels nothing of ours."""
    app = app_of(Adding(), Hooked(**{hook: _cancelling}))
    async with app.open("s-1") as session:
        result = await session.send("add")
    assert result.error is not None
    assert result.error.message == f"Plugin 'hooked' failed in {hook}: CancelledError."


async def test_a_paid_answer_is_committed_whatever_is_raised_behind_it() -> None:
    """A cancellation that nobody asked for, too."""
    app = app_of(Adding(), Hooked(after_turn=_cancelling, on_event=_cancelling))
    async with app.open("s-1") as session:
        assert (await session.send("add")).status is TurnStatus.COMPLETED


LARGE = "x" * (9 * 1024 * 1024)


@pytest.mark.parametrize(
    ("hook", "word"),
    [
        ("before_tool_call", Answer(LARGE)),
        ("before_tool_call", Deny(LARGE)),
        ("before_tool_call", AbortTurn(5)),  # type: ignore[arg-type]
        ("after_tool_call", ReplaceResult(LARGE)),
        ("after_tool_call", AbortTurn(5)),  # type: ignore[arg-type]
        ("before_turn", Enqueue([user(LARGE)])),
    ],
    ids=["answer", "denial", "no reason", "result", "no reason behind", "message"],
)
async def test_a_word_that_cannot_be_recorded_ends_the_turn_in_a_commit(
    hook: str, word: Any
) -> None:
    """It is the plugin's failure: the turn could never be committed with it."""
    app = app_of(Adding(), Hooked(**{hook: returning(word)}))
    async with app.open("s-1") as session:
        result = await session.send("add")
        assert result.error is not None
        assert result.error.message.startswith(f"Plugin 'hooked' failed in {hook}: it")
        assert len((await session.show()).messages) > 0
