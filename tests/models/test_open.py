from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any

import pytest
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from sojourn.adapters.models import open_model
from sojourn.adapters.models.pydantic_ai import PydanticAIModel
from sojourn.errors import MissingExtra, UnusableModel
from sojourn.messages import CallStatus, Message, ReasoningPart, assistant, tool_response, user
from sojourn.models import ModelRequest, ModelSpec
from tests.models.asking import PROMPT, WEATHER, question
from tests.models.http_server import OpenAIServer, answer, raw

HEAVY = ("pydantic_ai", "openai", "httpx2")
THOUGHT: dict[str, Any] = {
    "id": "rs_1",
    "type": "reasoning",
    "summary": [],
    "encrypted_content": "c2VhbGVk",
}
CALL = {
    "id": "fc_1",
    "type": "function_call",
    "call_id": "call_1",
    "name": "weather",
    "arguments": "{}",
    "status": "completed",
}
TALK: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "Rain.", "annotations": []}],
}


def _response(*output: dict[str, Any]) -> bytes:
    fixed = {"object": "response", "created_at": 1_700_000_000, "status": "completed"}
    choices: dict[str, Any] = {"parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
    return json.dumps(
        {"id": "resp_1", "model": "gpt-5", "output": output, **fixed, **choices}
    ).encode()


def test_importing_the_package_loads_no_provider_library() -> None:
    """Workers and commands that ask no model do not pay for the libraries of one."""
    program = (
        "import sys, sojourn.adapters.models, sojourn.testing;"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("model", "missing", "package"),
    [
        ("openai:gpt-5", "pydantic_ai", "sojourn[openai]"),
        ("openai:gpt-5", "openai", "sojourn[openai]"),
        ("anthropic:claude-opus-4-5", "anthropic", "sojourn[anthropic]"),
        ("google:gemini-3-pro", "google.genai", "sojourn[google]"),
        ("groq:llama", "groq", "pydantic-ai-slim[groq]"),
    ],
)
def test_a_missing_library_is_named_with_its_cure(model: str, missing: str, package: str) -> None:
    """One typed error says what to install, and has no chain of import errors."""
    program = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from sojourn.adapters.models import open_model\n"
        "from sojourn.models import ModelSpec\n"
        f"try: open_model(ModelSpec(id={model!r}))\n"
        "except Exception as error: print(type(error).__name__, '|', error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    kind, _, message = done.stdout.partition(" | ")
    assert kind == MissingExtra.__name__
    assert f"`pip install {package}`" in message


@pytest.mark.parametrize("model", ["gpt-5", ":gpt-5", "openai:", "", "nobody:gpt-5"])
def test_a_name_that_names_no_vendor_is_refused(model: str) -> None:
    """A malformed or unknown name fails at once, not at the first question."""
    with pytest.raises(UnusableModel):
        open_model(ModelSpec(id=model))


def test_a_missing_key_is_named() -> None:
    """Whoever forgot the key is told which variable it goes into."""
    with pytest.raises(UnusableModel, match="OPENAI_API_KEY"):
        open_model(ModelSpec(id="openai:gpt-5"))


async def test_openai_on_a_server_of_ones_own_speaks_chat(monkeypatch: pytest.MonkeyPatch) -> None:
    """`OPENAI_BASE_URL` is all that a compatible server takes."""
    async with OpenAIServer([answer("hello")]) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        model = open_model(ModelSpec(id="openai:gpt-5"))
        assert isinstance(model, PydanticAIModel)
        async with aclosing(model):
            got = await model.complete(question())
    assert got.message == assistant("hello")
    assert server.asked[0].path == "/v1/chat/completions"


async def test_sealed_reasoning_goes_back_to_openai(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Responses API gets its encrypted reasoning back from stored bytes, and stores nothing."""
    script = [raw(_response(THOUGHT, CALL)), raw(_response(TALK))]
    async with OpenAIServer(script) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        async with aclosing(PydanticAIModel("openai-responses:gpt-5")) as model:
            first = await model.complete(question(tools=[WEATHER]))
            stored = Message.decode(first.message.encode())
            result = tool_response("call_1", "weather", "rain", CallStatus.DONE)
            second = await model.complete(question(user(PROMPT), stored, result, tools=[WEATHER]))
    assert isinstance(stored.parts[0], ReasoningPart)
    assert stored.parts[0].signature == "c2VhbGVk"
    assert second.message.text == "Rain."
    sent = server.asked[1].body
    assert sent["store"] is False
    kinds = {item.get("type", "message"): item for item in sent["input"]}
    assert kinds["reasoning"]["encrypted_content"] == "c2VhbGVk"
    assert kinds["function_call_output"]["call_id"] == "call_1"


async def test_a_model_of_ones_own_is_asked_as_it_is() -> None:
    """Any pydantic-ai model will do, also one that knows nothing of retries."""

    def _reply(messages: Sequence[ModelMessage], info: AgentInfo) -> ModelResponse:
        return ModelResponse(parts=[TextPart(f"{len(messages)} {len(info.function_tools)}")])

    async with aclosing(PydanticAIModel(FunctionModel(_reply))) as model:
        got = await model.complete(
            ModelRequest(ModelSpec(id="own:model"), "", [user("a"), user("b")], [WEATHER])
        )
    assert got.message.text == "1 1"
