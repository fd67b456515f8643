"""The main module of a traced worker and its client: `traced_main ADDRESS QUEUE STORE SESSION`."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from importlib.metadata import entry_points
from types import SimpleNamespace
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from temporalio.client import Client
from temporalio.worker import Worker
from typing_extensions import override

from sojourn import Agent, App
from sojourn.testing import ScriptedModel
from sojourn_worker import SessionClient, SojournPlugin, telemetry
from sojourn_worker.telemetry import flush_telemetry, telemetry_plugins


class BrokenExporter(SpanExporter):
    """An exporter whose collector is gone."""

    @override
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Fail."""
        raise ConnectionError("nobody takes spans here")


async def main(address: str, queue: str, store: str, session_id: str) -> None:
    """Run one turn, and print its text."""
    app = App(
        agents=[Agent("clerk", model=ScriptedModel(lambda _: "a spoken secret"))], store=store
    )
    plugins = [SojournPlugin(app), *telemetry_plugins()]
    client = await Client.connect(address, plugins=plugins)
    async with Worker(client, task_queue=queue):
        result = await SessionClient(client, task_queue=queue).session(session_id).send("a secret")
    await flush_telemetry()
    sys.stdout.write(f"{result.status.value}\n")


def with_a_broken_one(**wanted: str) -> list[Any]:
    """Find exporters as ever, and one that is broken."""
    if wanted.get("name") != "broken":
        return list(entry_points(**wanted))
    return [SimpleNamespace(load=lambda: BrokenExporter)]


if __name__ == "__main__":
    telemetry.entry_points = with_a_broken_one
    asyncio.run(main(*sys.argv[1:5]))
    sys.stdout.flush()
    sys.stderr.flush()
    # Temporal's threads may hang the interpreter's end; `sojourn worker` leaves like this too.
    os._exit(0)
