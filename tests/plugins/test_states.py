"""States that cannot be kept: the session goes on with the last one that can, and opens again."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from sojourn import Agent, App, TurnStatus
from sojourn.hooks import Answer
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
