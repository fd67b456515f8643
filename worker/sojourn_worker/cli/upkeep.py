"""The store commands: looking after a whole store."""

from __future__ import annotations

from dataclasses import asdict
from importlib import import_module

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from sojourn.outcome import Fault
from sojourn.ports import SessionStore
from sojourn.reads import Problem
from sojourn_worker.cli.output import Answer, console, table
from sojourn_worker.cli.stores import opened, store_of
from sojourn_worker.settings import Settings

# Where each adapter says which schema it writes.
SCHEMAS = {"sqlite": "sojourn.adapters.sqlite.schema"}


async def check(settings: Settings, *, is_watched: bool) -> Answer:
    """Look at every session and node; an answer with problems is a failure."""
    async with opened(settings) as store:
        counts = await store.stats()
        problems = await _problems(store, counts, is_watched=is_watched)
    data = {
        "sessions": counts["sessions"],
        "nodes": counts["nodes"],
        "problems": [asdict(problem) for problem in problems],
    }
    said = f"{counts['sessions']} sessions, {counts['nodes']} nodes, {len(problems)} problems"
    lines = [f"{p.session_id} {p.node_id or '-'}: {p.problem}" for p in problems]
    fault = Fault(type="StoreDamaged", message=f"the store has {len(problems)} problems")
    return Answer(data, "\n".join([said, *lines]), fault if problems else None)


async def stats(settings: Settings) -> Answer:
    """Count what the store holds."""
    async with opened(settings) as store:
        counts = await store.stats()
    shown = table("WHAT", "HOW MUCH")
    for name, count in counts.items():
        shown.add_row(name, str(count))
    return Answer(dict(counts), shown)


async def vacuum(settings: Settings) -> Answer:
    """Remove tombstoned nodes for good, and give their room back."""
    async with opened(settings) as store:
        removed = await store.vacuum()
        size = (await store.stats())["size_bytes"]
    return Answer(
        {"removed": removed, "size_bytes": size}, f"{removed} nodes removed, {size} bytes left"
    )


async def migrate(settings: Settings) -> Answer:
    """Open the store, which makes it or brings its schema up to date."""
    async with opened(settings, make=True):
        version = _schema_version(settings)
    return Answer({"schema_version": version}, f"schema version {version}")


async def _problems(
    store: SessionStore, counts: dict[str, int], *, is_watched: bool
) -> list[Problem]:
    """Collect the problems, with a bar on standard error for a person at a terminal."""
    screen = console(stderr=True)
    what = f"checking {counts['sessions']} sessions and {counts['nodes']} nodes"
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    found: list[Problem] = []
    is_shown = is_watched and screen.is_terminal
    with Progress(*columns, console=screen, transient=True, disable=not is_shown) as progress:
        task = progress.add_task(what, total=None)
        async for problem in store.check():
            found.append(problem)
            progress.update(task, description=f"{what}: {len(found)} problems")
    return found


def _schema_version(settings: Settings) -> int:
    """Return the version that the store's adapter writes: what is open has it."""
    store = store_of(settings)
    scheme = store.partition("://")[0] if isinstance(store, str) else ""
    if scheme not in SCHEMAS:
        raise typer.BadParameter("give a store's URL: this one has no schema", param_hint="--store")
    return int(import_module(SCHEMAS[scheme]).SCHEMA_VERSION)
