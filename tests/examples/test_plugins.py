"""The example plugins, each in whole turns; a budget and a redaction over a worker's death too."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from examples.plugins.instructions_file import InstructionsFile
from examples.plugins.output_budget import OutputBudget
from examples.plugins.redaction import MASK, Redaction
from examples.plugins.token_budget import TokenBudget
from sojourn import Agent, App, Plugin, TurnStatus, tool
from sojourn.adapters.memory import MemoryStore
from sojourn.messages import Message
from sojourn.models import ModelAnswer, ModelRequest
from sojourn.reads import ReadScope
from sojourn.testing import ScriptedModel
from sojourn.tools import AnyTool
from sojourn.usage import Usage
from tests.support.scene import calling, echo

SECRET = "sk-abcdefghijklmnop1234"  # noqa: S105 - it only looks like one


class Model(ScriptedModel):
    """A scripted model that remembers its questions, and costs the same each time."""

    def __init__(self, script: Any = echo, cost: int = 10) -> None:
        super().__init__(script)
        self.cost = cost
        self.asked: list[ModelRequest] = []

    @override
    async def complete(self, request: ModelRequest) -> ModelAnswer:
        self.asked.append(request)
        answer = await super().complete(request)
        usage = Usage(input_tokens=self.cost)
        return ModelAnswer(answer.message, answer.finish_reason, usage)


def app_of(model: Any, *plugins: Plugin, tools: Sequence[AnyTool] = (), **options: Any) -> App:
    """Return an app in memory, attachments included."""
    options.setdefault("store", MemoryStore())
    options.setdefault("blobs", "memory://")
    agent = Agent("clerk", model=model, instructions="Be kind.")
    return App(agents=[agent], tools=tools, plugins=plugins, **options)


async def stored(app: App) -> str:
    """Return every byte that the app's store has of the session, as text."""
    assert isinstance(app.store, MemoryStore)
    read = await app.store.load("s-1", ReadScope.FULL_GRAPH)
    assert read is not None
    return "\n".join(node.body.decode() for node in read.nodes)


# Instructions from a file


async def test_instructions_are_read_anew_when_their_file_has_changed(tmp_path: Path) -> None:
    """From one question to the next, without a restart; while it is gone, the last ones stand."""
    file, model = tmp_path / "house.md", Model()
    file.write_text("Be brief.\n")
    async with app_of(model, InstructionsFile(file)).open("s-1") as session:
        await session.send("one")
        file.write_text("Be very brief.\n")
        await session.send("two")
        file.unlink()
        await session.send("three")

    assert [request.instructions for request in model.asked] == [
        "Be kind.\n\nBe brief.",
        *(["Be kind.\n\nBe very brief."] * 2),
    ]


async def test_a_file_that_has_not_changed_is_not_read_again(tmp_path: Path) -> None:
    """Its time and its size are looked at."""
    file = tmp_path / "house.md"
    file.write_text("abc")
    plugin = InstructionsFile(file)
    first, times = plugin.text(), file.stat()
    file.write_text("xyz")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))

    assert (first, plugin.text()) == ("abc", "abc")


async def test_a_file_that_never_was_fails_the_turn_and_names_the_plugin(tmp_path: Path) -> None:
    """An agent without its house rules is not the agent that was asked for."""
    async with app_of(Model(), InstructionsFile(tmp_path / "none.md")).open("s-1") as session:
        result = await session.send("one")

    assert result.error is not None
    assert result.error.message.startswith("Plugin 'InstructionsFile' failed in instructions")


# A token budget


@tool(idempotent=True)
def look() -> str:
    """Look."""
    return "seen"


async def test_a_turn_ends_before_the_question_that_its_budget_does_not_cover() -> None:
    """As a limit, with its reason; what it has is kept, and the next turn has its own."""

    def script(messages: Sequence[Message]) -> Any:
        return "done" if messages[-1].text == "stop" else [("look", {})]

    model = Model(script)
    async with app_of(model, TokenBudget(turn=20), tools=[look]).open("s-1") as session:
        result = await session.send("go on")
        after = await session.send("stop")

    assert (result.status, len(model.asked)) == (TurnStatus.LIMIT, 3)
    assert result.error is not None
    assert result.error.message == (
        "Plugin 'TokenBudget' ended the turn: its budget of 20 tokens is used up."
    )
    assert [call.name for call in result.tool_calls] == ["look", "look"]
    assert after.status is TurnStatus.COMPLETED


async def test_a_session_asks_nothing_when_its_budget_is_used_up() -> None:
    """Over rebuilds too: what was spent is the plugin's state."""
    model = Model()
    app = app_of(model, TokenBudget(session=20))
    results = []
    for text in ("one", "two", "three"):
        async with app.open("s-1") as session:
            results.append(await session.send(text))

    assert [result.status.value for result in results] == ["completed", "completed", "limit"]
    assert len(model.asked) == 2
    assert results[2].error is not None
    assert "the session's budget of 20 tokens is used up" in results[2].error.message


# A budget for tools' output


@pytest.mark.parametrize("tail", [(), ("report",)])
async def test_a_long_result_is_kept_whole_and_shown_in_part(tail: Sequence[str]) -> None:
    """The model is told how much is missing, and which attachment has it."""
    text = "".join(f"line {n}\n" for n in range(1_000))

    @tool
    def report() -> str:
        """Report at length."""
        return text

    model = Model(calling(("report", {})))
    plugin = OutputBudget(max_chars=100, tail=tail)
    async with app_of(model, plugin, tools=[report]).open("s-1") as session:
        await session.send("report")
        view = await session.show()
        parts = view.messages[2].parts
        whole = await session.attachments.get(parts[1]["file_id"])

    shown: str = parts[0]["response"]
    assert whole.decode() == text
    assert (text[-100:] if tail else text[:100]) in shown
    assert len(shown) < 350
    assert f"{len(text) - 100:,} of {len(text):,} characters are left out" in shown
    assert parts[1]["file_id"] in shown


async def test_a_short_result_is_left_as_it_is() -> None:
    """And is no attachment."""
    model = Model(calling(("look", {})))
    app = app_of(model, OutputBudget(max_chars=100), tools=[look], blobs=None)
    async with app.open("s-1") as session:
        await session.send("look")
        view = await session.show()

    assert view.messages[2].parts[0]["response"] == "seen"
    assert len(view.messages[2].parts) == 1


async def test_a_long_object_is_kept_as_json() -> None:
    """So that whoever reads the attachment has the object."""

    @tool
    def rows() -> dict[str, list[int]]:
        """Return many rows."""
        return {"rows": list(range(1_000))}

    model = Model(calling(("rows", {})))
    async with app_of(model, OutputBudget(max_chars=50), tools=[rows]).open("s-1") as session:
        await session.send("rows")
        file = (await session.show()).messages[2].parts[1]

    assert file["mime_type"] == "application/json"


# Redaction


async def test_secrets_are_neither_stored_nor_sent() -> None:
    """In the message, the arguments, the result and the answer; the tool gets the mask too."""
    given: list[str] = []

    @tool
    def whisper(text: str) -> dict[str, Any]:
        """Tell a secret."""
        given.append(text)
        return {"key": [f"it is {SECRET}"], SECRET: 1}

    def script(messages: Sequence[Message]) -> Any:
        if messages[-1].text:
            return [("whisper", {"text": f"say {SECRET}"})]
        return f"the key is {SECRET}"

    model = Model(script)
    app = app_of(model, Redaction(), tools=[whisper])
    async with app.open("s-1") as session:
        result = await session.send(f"my key is {SECRET}")

    assert given == [f"say {MASK}"]
    assert result.text == f"the key is {MASK}"
    assert SECRET not in await stored(app) + repr(model.asked)
    assert (await stored(app)).count(MASK) == 5


async def test_a_redacted_message_is_still_the_same_turn() -> None:
    """The same text under the same id runs nothing; another text is refused."""
    model = Model()
    async with app_of(model, Redaction()).open("s-1") as session:
        first = await session.send(f"key {SECRET}", "t-1")
        again = await session.send(f"key {SECRET}", "t-1")

    assert again == first
    assert len(model.asked) == 1


async def test_what_was_stored_before_is_masked_when_it_is_sent() -> None:
    """A session that began without the plugin."""
    store, model = MemoryStore(), Model()
    async with app_of(Model(), store=store).open("s-1") as session:
        await session.send(f"key {SECRET}")
    async with app_of(model, Redaction(), store=store).open("s-1") as session:
        await session.send("hello")

    assert SECRET not in repr(model.asked)
    assert MASK in model.asked[0].messages[0].text


async def test_a_compaction_sends_no_secret_either() -> None:
    """Its question is one like others."""
    store, model = MemoryStore(), Model()
    async with app_of(Model(), store=store).open("s-1") as session:
        for _ in range(3):
            await session.send(f"key {SECRET} " + "word " * 200)
    async with app_of(model, Redaction(), store=store).open("s-1") as session:
        await session.compact()

    assert model.asked
    assert SECRET not in repr(model.asked)


@pytest.mark.parametrize(
    "secret",
    [
        SECRET,
        "AKIAABCDEFGHIJKLMNOP",
        "ghp_abcdefghijklmnopqrstuvwxyz0123",
        "Bearer abcdefghijklmnop.qrstuv",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
    ],
)
def test_the_patterns_know_common_secrets(secret: str) -> None:
    """Amid other words, which stay."""
    masked = Redaction().masked({"a": [f"before {secret} after", 7]})

    assert masked == {"a": [f"before {MASK} after", 7]}


async def test_redaction_goes_before_the_output_budget() -> None:
    """What is kept whole is what was left of it."""

    @tool
    def dump() -> str:
        """Return much, and a key at its end."""
        return "x" * 1_000 + f"\n{SECRET}"

    model = Model(calling(("dump", {})))
    app = app_of(model, Redaction(), OutputBudget(max_chars=100), tools=[dump])
    async with app.open("s-1") as session:
        await session.send("dump")
        file = (await session.show()).messages[2].parts[1]
        whole = (await session.attachments.get(file["file_id"])).decode()

    assert whole.endswith(f"x\n{MASK}")
