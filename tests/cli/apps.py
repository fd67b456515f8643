"""The app that the command line's tests serve."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

from sojourn import Agent, App, tool
from sojourn.errors import ModelRefused
from sojourn.messages import Message, Role
from sojourn.models import ModelSpec
from sojourn.testing import ScriptedModel


@tool(approval=True)
def book(room: str) -> str:
    """Book a room."""
    return f"{room} is booked"


@tool(idempotent=True)
def look(room: str) -> str:
    """Look at a room."""
    return f"{room} is free"


@tool
def stuck(room: str) -> str:
    """Hang in a way that nothing can stop."""
    threading.Event().wait()
    return room


async def clerk(messages: Sequence[Message]) -> str | list[tuple[str, dict[str, str]]]:
    """Do what the last message says by its first word, or echo it."""
    last = messages[-1]
    if last.role is Role.TOOL:
        return f"tools said {last.tool_responses[0].status}"
    match last.text.split()[0]:
        case "book" | "look" | "stuck" as name:
            return [(name, {"room": "blue"})]
        case "wait":
            await asyncio.Event().wait()
        case "refuse":
            raise ModelRefused(model="clerk", reason="it does not want to")
    return f"you said {last.text}"


app = App(
    agents=[Agent("clerk", model=ScriptedModel(clerk), tools=[book, look, stuck])],
    store="sqlite:///in-the-app.db",
    models=[ScriptedModel(lambda _: "the other one", ModelSpec("scripted:other"))],
)
two = App(agents=[Agent("clerk"), Agent("cook")])
not_an_app = "a text"
