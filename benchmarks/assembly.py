"""What it costs to bring a session to life, by its tools and plugins, and to keep it resident.

Run by `python -m benchmarks.assembly [--rounds N] [--only tools|plugins|memory|imports]`.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from typing_extensions import override

from benchmarks.measure import PAGE, Row, interleaved, milliseconds, publish
from sojourn.catalog import ToolCatalog
from sojourn.clock import ManualClock
from sojourn.environment import RuntimeEnvironment
from sojourn.graph import Node, NodeKind, SessionGraph
from sojourn.messages import assistant, user
from sojourn.models import ModelSpec
from sojourn.plugin_host import PluginHost
from sojourn.plugins import Plugin, PluginContext, PluginSession
from sojourn.policy import SessionPolicy
from sojourn.residency import Residency
from sojourn.runtime import SessionRuntime
from sojourn.state import SessionState
from sojourn.tool_spec import ToolSpec
from sojourn.tools import AnyTool, FunctionSource, Tool

COUNTS = (10, 100, 1_000, 10_000)
ORPHANED = (0, 10, 100)
BUDGET_MS, BUDGET_KB, BUDGET_IMPORT_MS = 20.0, 200.0, 500.0
MESSAGES, TOOLS, PLUGINS, SESSIONS = 50, 50, 100, 64
POLICY = SessionPolicy(agent="bench", model=ModelSpec(id="scripted:one"))
TOLD = "Finds what a customer has booked, by the number of the booking or by name and date."
SCHEMA = {
    "type": "object",
    "properties": {name: {"type": "string", "description": TOLD} for name in ("number", "name")},
}


def idle(arguments: object, context: object) -> None:
    """Do nothing."""


def made(count: int) -> list[AnyTool]:
    """Return so many tools, as a source makes them of manifests."""
    return [
        Tool(
            idle,
            tool_id=f"bench/tool-{number}",
            spec=ToolSpec(f"tool_{number}", TOLD, lambda: SCHEMA, digest=f"{number:032x}"),
        )
        for number in range(count)
    ]


def environment(tools: Sequence[AnyTool], plugins: Sequence[Plugin] = ()) -> RuntimeEnvironment:
    """Return what sessions with these tools and plugins share."""
    return RuntimeEnvironment(
        plugin_host=PluginHost(plugins),
        sources=[FunctionSource("bench", tools)],
        residency=Residency.KEEP_ALL,
    )


def brought_to_life(
    shared: RuntimeEnvironment,
    tools: bytes | None = None,
    plugins: bytes | None = None,
    graph: SessionGraph | None = None,
    session_id: str = "s",
) -> SessionRuntime:
    """Assemble a session of what a store has said of it."""
    state = SessionState(
        session_id=session_id,
        tool_state=tools,
        plugin_state=plugins,
        graph=graph or SessionGraph(),
    )
    return SessionRuntime.from_environment(shared, POLICY, state, None)


class Ways:
    """One session's tools, brought to life in all ways that we compare."""

    def __init__(self, count: int, orphaned: int) -> None:
        self.tools = made(count)
        self.stored = ToolCatalog([FunctionSource("bench", self.tools)]).export().encode()
        self.kept = self.tools[: count * (100 - orphaned) // 100]
        self.shared = environment(self.kept)
        runtime = self._assembled(self.shared)
        self.stored = runtime.catalog.export().encode()  # its orphans are known to be some

    async def parsed(self) -> None:
        """Read the stored state and make nothing of it: the least that anybody can do."""
        json.loads(self.stored)

    async def warm(self) -> None:
        """Assemble in a process that has done so before."""
        self._assembled(self.shared)

    def cold(self, rounds: int) -> float:
        """Return the median seconds of a first assembly, with tools that nobody has seen."""
        taken: list[float] = []
        for _ in range(rounds):
            shared = environment(made(len(self.kept)))
            started = time.perf_counter()
            self._assembled(shared)
            taken.append(time.perf_counter() - started)
        return statistics.median(taken)

    def _assembled(self, shared: RuntimeEnvironment) -> SessionRuntime:
        runtime = brought_to_life(shared, self.stored)
        runtime.unregister_plugin_session()
        return runtime


async def measured_tools(rounds: int) -> list[Row]:
    """Measure assembly by the number of tools, and of those that are orphaned."""
    rows: list[Row] = []
    for count in COUNTS:
        for orphaned in ORPHANED:
            ways = Ways(count, orphaned)
            medians = await interleaved({"floor": ways.parsed, "ours": ways.warm}, rounds)
            ours, floor = medians["ours"], medians["floor"]
            what = f"{count:,} tools, {orphaned} % orphaned"
            rows.append(Row(what, milliseconds(ours), milliseconds(floor), ours / floor))
            if count == COUNTS[2]:
                share = ours * 1000 / BUDGET_MS
                target = f"{BUDGET_MS:.2f} ms"
                rows.append(Row(f"{what}, in all", milliseconds(ours), target, share, 1.0))
            if orphaned == 0:
                cold = ways.cold(rounds)
                what = f"{count:,} tools, the first time in a process against later"
                rows.append(Row(what, milliseconds(cold), milliseconds(ours), cold / ours))
    return rows


class Noting(Plugin):
    """A plugin with a state of its own."""

    def __init__(self, number: int) -> None:
        self._id = f"noting-{number}"

    @property
    @override
    def id(self) -> str:
        return self._id

    @override
    def session(self, context: PluginContext) -> PluginSession:
        return NotingSession()


class NotingSession(PluginSession):
    """One session's notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.revision = 1

    @override
    def snapshot(self) -> Any:
        return {"notes": self.notes}

    @override
    def restore(self, state: Any) -> None:
        self.notes = list(state["notes"]) if state else ["The customer likes the window."] * 5


async def measured_plugins(rounds: int) -> list[Row]:
    """Measure assembly with many plugins against one, each with a state to restore."""
    works: dict[str, Callable[[], Awaitable[object]]] = {}
    for count in (0, 1, PLUGINS):
        shared = environment(made(TOOLS), [Noting(number) for number in range(count)])
        fresh = brought_to_life(shared)
        tools, plugins = fresh.catalog.export().encode(), fresh.plugins.capture()
        fresh.unregister_plugin_session()

        async def assemble(
            shared: RuntimeEnvironment = shared, tools: bytes = tools, plugins: bytes = plugins
        ) -> None:
            brought_to_life(shared, tools, plugins).unregister_plugin_session()

        works[str(count)] = assemble
    medians = await interleaved(works, rounds)
    many, one, none = (medians[str(count)] for count in (PLUGINS, 1, 0))
    share = (many - none) / PLUGINS
    return [
        Row(f"{PLUGINS} plugins, {TOOLS} tools", milliseconds(many), milliseconds(one), many / one),
        Row(
            f"the same against {BUDGET_MS:.0f} ms",
            milliseconds(many),
            f"{BUDGET_MS:.2f} ms",
            many * 1000 / BUDGET_MS,
            1.0,
        ),
        Row(
            f"each of {PLUGINS} plugins against the only one",
            milliseconds(share),
            milliseconds(one - none),
            share / (one - none),
        ),
    ]


def conversation(session_id: str) -> SessionGraph:
    """Return a session's graph as a store gives it: fifty messages of 0.8 KB."""
    nodes: list[Node] = []
    for number in range(MESSAGES):
        text = f"{session_id} {number} " + TOLD * 9
        body = (assistant(text) if number % 2 else user(text)).encode()
        parent = nodes[-1].node_id if nodes else None
        node_id = f"{session_id}-{number}"
        nodes.append(Node(node_id, parent, NodeKind.MESSAGE, body, "op", ManualClock().now()))
    return SessionGraph(nodes, nodes[-1].node_id, session_id)


def measured_memory() -> list[Row]:
    """Measure what one more resident session holds, beyond what all of them share."""
    rows: list[Row] = []
    for orphaned in (0, 100):
        ways = Ways(TOOLS, orphaned)
        first = brought_to_life(ways.shared, ways.stored, graph=conversation("first"))
        first.messages()
        gc.collect()
        tracemalloc.start()
        kept: list[SessionRuntime] = []
        for number in range(SESSIONS):
            name = f"session-{number}"
            # The stored bytes as a store reads them: each time anew.
            stored = bytes(bytearray(ways.stored))
            kept.append(brought_to_life(ways.shared, stored, None, conversation(name), name))
        gc.collect()
        each = tracemalloc.get_traced_memory()[0] / SESSIONS / 1024
        tracemalloc.stop()
        bodies = sum(len(node.body) for node in kept[0].graph.active_path()) / 1024
        what = f"{MESSAGES} messages, {TOOLS} tools, {orphaned} % of them orphaned"
        rows.append(Row(what, f"{each:.0f} KB", f"{bodies:.0f} KB", each / bodies))
        target = f"{BUDGET_KB:.0f} KB"
        rows.append(Row(f"{what}, in all", f"{each:.0f} KB", target, each / BUDGET_KB, 1.0))
    return rows


async def measured_imports(rounds: int) -> list[Row]:
    """Measure how long a process takes to have the workflows imported, and nothing else."""
    works: dict[str, Callable[[], Awaitable[object]]] = {}
    codes = {
        "none": "pass",
        "parts": "import temporalio.workflow, temporalio.common, pydantic",
        "ours": "import sojourn_workflows.session, sojourn_workflows.upkeep",
    }
    for name, code in codes.items():

        async def run(code: str = code) -> None:
            subprocess.run([sys.executable, "-c", code], check=True)  # noqa: ASYNC221 - alone here

        works[name] = run
    medians = await interleaved(works, rounds)
    ours, parts = medians["ours"] - medians["none"], medians["parts"] - medians["none"]
    what = "`sojourn_workflows`, beyond an empty process"
    return [
        Row(f"{what}, against temporalio and pydantic alone", *_both(ours, parts), ours / parts),
        Row(
            f"{what}, in all",
            milliseconds(ours),
            f"{BUDGET_IMPORT_MS:.0f} ms",
            ours * 1000 / BUDGET_IMPORT_MS,
            1.0,
        ),
    ]


def _both(ours: float, floor: float) -> tuple[str, str]:
    return milliseconds(ours), milliseconds(floor)


NOTES = {
    "tools": (
        "A session is assembled from its stored state, which is in memory: catalogue and plugins "
        "restored, no store asked. Its process has assembled one like it before. The floor parses "
        "the stored catalogue with `json.loads` and makes nothing of it."
    ),
    "plugins": (
        "The same with plugins, each with a state of five notes; the floor is one plugin, "
        "and of one plugin's share what the only one adds to none."
    ),
    "memory": (
        "What one more resident session holds, by `tracemalloc`, beside what the sessions of its "
        "environment share; the floor is the bytes of its messages as they are stored."
    ),
    "imports": (
        "A new process that imports the workflows and ends, less one that imports nothing; "
        "the floor is the same of the libraries that workflows cannot do without."
    ),
}
TITLES = {
    "tools": "Assembly: tools",
    "plugins": "Assembly: plugins",
    "memory": "Assembly: memory of a resident",
    "imports": "Assembly: imports",
}


async def measured(part: str, rounds: int) -> list[Row]:
    """Measure one part."""
    if part == "tools":
        return await measured_tools(rounds)
    if part == "plugins":
        return await measured_plugins(rounds)
    return measured_memory() if part == "memory" else await measured_imports(rounds)


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", choices=list(NOTES), action="append")
    parser.add_argument("--page", type=Path, default=PAGE)
    given = parser.parse_args()
    logging.disable(logging.WARNING)  # orphans are told of with every assembly
    for part in given.only or NOTES:
        rows = asyncio.run(measured(part, given.rounds))
        command = f"python -m benchmarks.assembly --only {part}"
        publish(TITLES[part], command, rows, NOTES[part], given.page)


if __name__ == "__main__":
    main()
