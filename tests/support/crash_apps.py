"""Apps for workers that are killed: what they buy and what their tools do is counted outside."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from sojourn import Agent, App, tool
from sojourn.compaction import PROMPT
from sojourn.messages import Message, Role
from sojourn.models import ModelSpec
from sojourn.ports import Probe
from sojourn.testing import ScriptedModel

HEARTBEAT = timedelta(seconds=1)


@dataclass(frozen=True)
class Ledger:
    """Lines in a file beside the store: each is there at once, whatever becomes of its writer."""

    path: Path

    @classmethod
    def beside(cls, store_url: str) -> Ledger:
        """Return the ledger of a store."""
        return cls(Path(store_url.removeprefix("sqlite:///") + ".ledger"))

    def write(self, entry: str) -> None:
        """Append one line."""
        with self.path.open("ab", buffering=0) as file:
            file.write(f"{entry}\n".encode())

    def counts(self) -> dict[str, int]:
        """Return how often each line was written."""
        return dict(Counter(self.path.read_text().splitlines())) if self.path.exists() else {}


class StopAt:
    """A probe that stops its process by SIGSTOP at a point: a zombie, until SIGCONT."""

    def __init__(self, point: str) -> None:
        self._point = point
        self._has_stopped = False

    async def reached(self, point: str, session_id: str) -> None:  # noqa: ARG002 - a Probe
        """Stand still here, once."""
        if point == self._point and not self._has_stopped:
            self._has_stopped = True
            os.kill(os.getpid(), signal.SIGSTOP)


async def at_once() -> None:
    """Do not wait."""


def shop(store_url: str, probe: Probe, *, others: Callable[[], Awaitable[None]] = at_once) -> App:
    """Return an app that counts: `charge` (not idempotent), `look` (idempotent), `refund` (asks).

    A message names the tools to call. The model says how they ended; without tools it echoes.
    It passes a point of its own: `model.bought`, when it is paid and has not answered yet.

    Args:
        store_url: the store.
        probe: is told of points.
        others: what `charge` and `look` wait for when they have had their effect.
    """
    ledger = Ledger.beside(store_url)

    async def answer(messages: Sequence[Message]) -> str | list[tuple[str, Mapping[str, Any]]]:
        ledger.write(f"model {len(messages)}")
        await probe.reached("model.bought", "")
        last = messages[-1]
        if last.role is Role.TOOL:
            return told(messages)
        named = [name for name in last.text.split() if name in ("charge", "look", "refund")]
        return [(name, {"order": 42}) for name in named] or f"echo {last.text}"

    @tool
    async def charge(order: int) -> str:
        """Charge an order."""
        ledger.write("charge")
        await others()
        return f"charged {order}"

    @tool(idempotent=True, retry=3)
    async def look(order: int) -> str:
        """Look an order up."""
        ledger.write("look")
        await others()
        return f"order {order} is paid"

    @tool(approval=True)
    def refund(order: int) -> str:
        """Refund an order."""
        ledger.write("refund")
        return f"refunded {order}"

    return App(
        agents=[Agent("clerk", model=ScriptedModel(answer))],
        tools=[charge, look, refund],
        store=store_url,
        probe=probe,
        heartbeat_timeout=HEARTBEAT,
    )


def meeting(store_url: str, probe: Probe) -> App:
    """Return the shop whose tools wait for each other; then they pass the point `tools.met`."""
    both = asyncio.Barrier(2)

    async def met() -> None:
        await both.wait()
        await probe.reached("tools.met", "")

    return shop(store_url, probe, others=met)


def stopped_asking(store_url: str, probe: Probe) -> App:
    """Return the shop of a worker that stops by SIGSTOP when it asks the model."""
    return shop(store_url, StopAt("model.calling"))


def stopped_committing(store_url: str, probe: Probe) -> App:
    """Return the shop of a worker that stops by SIGSTOP just before a commit."""
    return shop(store_url, StopAt("commit.before"))


def told(messages: Sequence[Message]) -> str:
    """Return how the tools of the newest turn ended, in the order of the calls."""
    since = max(i for i, message in enumerate(messages) if message.role is Role.USER)
    parts = [part for message in messages[since:] for part in message.tool_responses]
    return ", ".join(f"{part.name} {part.status}" for part in parts)


def talker(store_url: str, probe: Probe) -> App:
    """Return an app that compacts its sessions at half of a small window, and counts summaries."""
    ledger = Ledger.beside(store_url)

    def answer(messages: Sequence[Message]) -> str:
        is_summary = messages[-1].text == PROMPT
        ledger.write("summary" if is_summary else f"model {len(messages)}")
        return "a summary" if is_summary else f"echo {messages[-1].text[:5]}"

    spec = ModelSpec("scripted:talker", context_window_tokens=2_000)
    agent = Agent("talker", model=ScriptedModel(answer, spec), compact_at=0.5, compact_keep=0)
    return App(agents=[agent], store=store_url, probe=probe, heartbeat_timeout=HEARTBEAT)
