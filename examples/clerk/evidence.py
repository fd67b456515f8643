"""The evidence: what stands in the databases when the story is over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from temporalio.client import Client

from examples.clerk import settings
from examples.clerk.history import SessionHistory, open_workflows, read_history
from examples.clerk.invoice import Invoice, parse
from examples.clerk.ledger import Ledger
from examples.clerk.meter import answer_key, purchases
from examples.clerk.stage import Stage
from examples.clerk.story import Told
from sojourn.adapters.open import opened_store
from sojourn.view import SessionView, view_session


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool call as the session's graph has it."""

    name: str
    status: str
    response: object


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """One session as its store has it.

    Attributes:
        receipts: how many of the turns that were sent have a receipt.
        problems: what the store's own check found.
    """

    view: SessionView
    receipts: int
    problems: tuple[str, ...]

    @property
    def answers(self) -> list[str]:
        """The names of the recorded model answers."""
        turns = [each.turn_id for each in self.view.messages if each.role == "assistant"]
        return [
            answer_key(self.view.session_id, turn_id, step)
            for turn_id, count in Counter(turns).items()
            for step in range(1, count + 1)
        ]

    def calls(self, turn_id: str) -> list[ToolCall]:
        """Return a turn's tool calls, in order."""
        return [
            ToolCall(part["name"], part["status"], part.get("response"))
            for each in self.view.messages
            if each.turn_id == turn_id and each.role == "tool"
            for part in each.parts
        ]

    def answer_count(self, turn_id: str) -> int:
        """Return how many model answers a turn has."""
        return sum(
            each.turn_id == turn_id and each.role == "assistant" for each in self.view.messages
        )


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that the proof is made of.

    Attributes:
        embedded: the turns without a server.
        told: the turns on Temporal.
        invoices: what the invoice folder holds, by ordinary parsing.
        entries: what the ledger holds.
        local: the embedded session.
        remote: the session on Temporal.
        purchases: how often each model answer was paid for.
        history: what the server keeps of the session on Temporal.
        open_workflows: how many are open after parking.
    """

    embedded: Sequence[Told]
    told: Sequence[Told]
    invoices: Sequence[Invoice]
    entries: Sequence[Invoice]
    local: SessionFacts
    remote: SessionFacts
    purchases: Counter[str]
    history: SessionHistory
    open_workflows: int

    @property
    def kills(self) -> list[Told]:
        """The turns in which a worker was killed."""
        return [told for told in self.told if told.kill]


async def gather(
    stage: Stage, client: Client, workflow_id: str, embedded: Sequence[Told], told: Sequence[Told]
) -> Evidence:
    """Read the ledger, both session stores, the log of purchases and the server."""
    return Evidence(
        embedded=embedded,
        told=told,
        invoices=booked_by_hand(),
        entries=Ledger(stage.ledger).entries(),
        local=await _facts(stage.store_url("embedded"), embedded),
        remote=await _facts(stage.store_url("temporal"), told),
        purchases=purchases(stage.purchases),
        history=await read_history(client, workflow_id),
        open_workflows=await open_workflows(client, stage.queue),
    )


def booked_by_hand() -> list[Invoice]:
    """Return the invoices of the folder, without any agent."""
    files = sorted(settings.invoice_folder().glob("*.txt"))
    found = (parse(path.read_text(encoding="utf-8")) for path in files)
    return [invoice for invoice in found if invoice is not None]


async def _facts(store_url: str, told: Sequence[Told]) -> SessionFacts:
    session_id = told[0].result.session_id
    async with opened_store(store_url) as store:
        receipts = [await store.receipt(session_id, each.result.turn_id) for each in told]
        return SessionFacts(
            view=await view_session(store, session_id),
            receipts=sum(receipt is not None for receipt in receipts),
            problems=tuple([problem.problem async for problem in store.check()]),
        )
