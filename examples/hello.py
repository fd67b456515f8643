"""An agent of one's own: it remembers what it was told, in `sojourn.db` beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from sojourn import Agent, App, tool
from sojourn.messages import Message
from sojourn.testing import ScriptedModel


@tool(idempotent=True)
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def think(messages: Sequence[Message]) -> str | list[tuple[str, dict[str, Any]]]:
    """Answer without a network: `Agent(model="openai:gpt-5")` would ask a real model."""
    results = messages[-1].tool_responses
    return f"The sum is {results[0].response}." if results else [("add", {"a": 2, "b": 3})]


app = App(agents=[Agent("adder", model=ScriptedModel(think))], tools=[add])


async def main() -> None:
    """Send one message; run it again, and the session goes on."""
    async with app.open("hello-1") as session:
        result = await session.send("What is 2 + 3?")
        print(result.text, f"(turn {result.head_revision} of this session)")


if __name__ == "__main__":
    asyncio.run(main())
