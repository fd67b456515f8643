"""The tables in the pages: their figures and names are the code's."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sojourn import Agent, App, ToolContext, TurnStatus, tool
from sojourn.adapters.sqlite.schema import BUSY_TIMEOUT_SECONDS
from sojourn.lease import LeaseTimings
from sojourn.mcp import McpServer
from sojourn.plugins import Plugin, PluginSession
from sojourn.ports import Probe
from sojourn.tool_call import DEFAULT_TIMEOUT
from sojourn_worker import SessionClient
from sojourn_worker import plugin as worker_plugin
from sojourn_worker.client import DEFAULT_HELD, DEFAULT_IDLE
from sojourn_worker.settings import Settings
from sojourn_workflows import options
from tests.docs import pages
from tests.docs.errors import error_table
from tests.docs.pages import ROOT, plain, table

QUICKSTART, CONCEPTS, OPERATIONS, PLUGINS = (
    f"docs/{name}.md" for name in ("quickstart", "concepts", "operations", "plugins")
)


def names(page: str, column: str) -> list[str]:
    """Return what a table has in its first column, without code marks."""
    return [name for row in table(page, column) for name in plain(row[0]).split(", ")]


def seconds(duration: timedelta | None) -> str:
    """Return a duration as the pages write it."""
    assert duration is not None
    return f"{duration.total_seconds():g} s"


def public(kind: Any) -> list[str]:
    """Return the fields that a dataclass is made of."""
    return [each.name for each in fields(kind) if each.init]


def parameters(made: Callable[..., Any], skipped: str) -> list[str]:
    """Return a function's parameters without the first."""
    return [name for name in inspect.signature(made).parameters if name != skipped]


def test_the_table_of_errors_is_that_of_the_classes() -> None:
    """Operators read the messages that users get; `tests.docs.errors` prints the table."""
    text = pages.text_of(OPERATIONS)
    written = re.search(r"<!-- errors: .*? -->\n(.*?)\n<!-- end of errors -->", text, re.DOTALL)

    assert written is not None
    assert written[1] == error_table()


def test_the_crash_points_are_those_of_the_probe() -> None:
    """The table of crash points has each point that a probe is told of, in order."""
    assert names(CONCEPTS, "point") == re.findall(r"`(\w+\.\w+)`", Probe.__doc__ or "")


def test_the_hooks_are_those_of_a_plugin() -> None:
    """Every method that can be overridden has its row."""
    hooks = [
        name
        for kind in (Plugin, PluginSession)
        for name, method in vars(kind).items()
        if inspect.isfunction(method) and not name.startswith("_")
    ]

    assert sorted(names(PLUGINS, "hook")) == sorted(hooks)


def test_the_statuses_of_a_turn_are_those_of_the_code() -> None:
    """Every way in which a turn can end is explained."""
    assert sorted(names(CONCEPTS, "status")) == sorted(TurnStatus)


@pytest.mark.parametrize("row", table(QUICKSTART, "what"), ids=lambda row: row[0])
def test_a_limit_is_the_constant_that_it_names(row: list[str]) -> None:
    """The figure that a limit begins with is that of the code."""
    _, limit, where = row
    module, _, name = plain(where).rpartition(".")
    value: int = getattr(importlib.import_module(module), name)

    assert re.findall(r"\d[\d,]*\b", limit)[0] == f"{value:,}"


def test_the_options_of_a_tool_are_those_of_the_decorator() -> None:
    """Every option of `@tool` is in the table, with its default where that is a value."""
    defaults = {name: each.default for name, each in inspect.signature(tool).parameters.items()}
    defaults |= {"timeout": seconds(DEFAULT_TIMEOUT)}
    listed = {plain(row[0]): row[2] for row in table(QUICKSTART, "`@tool(...)`")}
    values = {name: cell.split("`")[1] for name, cell in listed.items() if cell.startswith("`")}

    assert set(listed) == set(defaults) - {"fn"}
    assert set(listed) - set(values) == {"id", "name", "description"}
    assert values == {name: str(defaults[name]) for name in values}


@pytest.mark.parametrize(
    ("column", "wanted"),
    [
        ("`App(...)`", public(App)),
        ("`Agent(...)`", public(Agent)),
        ("`ToolContext`", public(ToolContext)),
        ("`SessionClient(client, ...)`", parameters(SessionClient, skipped="client")),
    ],
)
def test_a_table_of_parameters_has_each_of_them(column: str, wanted: list[str]) -> None:
    """No parameter is left out of its table, and none is made up."""
    assert sorted(names(QUICKSTART, column)) == sorted(wanted)


def test_the_table_of_an_mcp_server_has_each_of_its_parameters() -> None:
    """No parameter is left out, and none is made up."""
    assert sorted(names("docs/mcp.md", "`McpServer(...)`")) == sorted(public(McpServer))


def test_the_settings_are_those_that_the_command_line_reads() -> None:
    """Each `SOJOURN_*` variable stands in the table, beside its flag."""
    sojourn = [row for row in rows_of_settings() if "SOJOURN_" in row[0]]

    assert {plain(row[0]): plain(row[1]) for row in sojourn} == {
        f"SOJOURN_{name.upper()}": f"--{name.replace('_', '-')}" for name in Settings.model_fields
    }


def rows_of_settings() -> list[list[str]]:
    """Return the rows of both tables of variables."""
    lines = pages.prose_of(OPERATIONS).splitlines()
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line[:3] == "| `"]


LEASE = LeaseTimings()
COLUMNS = 8  # of a line of a table of benchmarks, split at its bars
TIMEOUTS = {
    "heartbeat timeout": seconds(App([Agent()]).heartbeat_timeout),
    "sticky timeout": seconds(options.STICKY_TIMEOUT),
    "workflow task timeout": seconds(options.TASK_TIMEOUT),
    "heartbeat throttle": seconds(options.HEARTBEAT_THROTTLE),
    "graceful shutdown": seconds(worker_plugin.GRACE),
    "model attempt": f"10 min, {Agent().model_attempts} attempts",
    "tool attempt": f"{seconds(DEFAULT_TIMEOUT)}, 1 attempt",
    "lost workers": f"{options.INFRASTRUCTURE_ATTEMPTS} attempts more",
    "store operation": f"{seconds(options.STORE.get('start_to_close_timeout'))}, 5 min in all",
    "SQLite busy": f"{BUSY_TIMEOUT_SECONDS:g} s",
    "lease": f"{seconds(LEASE.ttl)}, renewed every {seconds(LEASE.renew_interval)}",
    "held": seconds(DEFAULT_HELD),
    "idle": seconds(DEFAULT_IDLE),
    "continue as new": f"{options.CONTINUE_AFTER_EVENTS} events",
}


def test_the_timeouts_are_those_of_the_code() -> None:
    """Whoever plans by the table plans by what the workers do."""
    assert {row[0]: row[1] for row in table(OPERATIONS, "what")} == TIMEOUTS
    assert Agent().model_timeout == timedelta(minutes=10)
    assert options.STORE.get("schedule_to_close_timeout") == timedelta(minutes=5)


def test_the_costs_in_the_readme_are_those_that_were_measured() -> None:
    """The README rounds what `docs/benchmarks.md` has, and has no figures of its own."""
    rows = [line.split("|") for line in pages.text_of("docs/benchmarks.md").splitlines()]
    found = {row[1].strip().partition(",")[0]: row for row in rows if len(row) == COLUMNS}
    events = int(found["history events of a turn"][2])
    size = int(found["history bytes of a turn beyond its text"][2].replace(",", ""))
    disk = float(found["disk per turn"][4])

    readme = pages.text_of("README.md")
    assert f"{events} events and {size / 1000:.1f} KB of workflow history" in readme
    assert f"{disk:.1f} x the bytes of its messages on disk" in readme


def test_the_example_of_the_readme_is_the_one_in_examples() -> None:
    """What the README shows is what the reader finds, runs and changes."""
    (shown,) = [
        block for block in pages.blocks("python", page="README.md") if block.file == "hello.py"
    ]

    assert shown.text == Path(ROOT / "examples/hello.py").read_text(encoding="utf-8")
