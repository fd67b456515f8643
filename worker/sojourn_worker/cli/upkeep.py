"""The store commands: looking after a whole store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict
from importlib import import_module

import typer
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)

from sojourn.chores import Chore, UpkeepPolicy
from sojourn.outcome import Fault
from sojourn.ports import PagedCheck, SessionStore
from sojourn.reads import CheckedPage, Problem
from sojourn.upkeep_ports import Rewritable
from sojourn_worker.cli.output import Answer, console, table
from sojourn_worker.cli.stores import opened, opened_blobs_of, store_of
from sojourn_worker.cli.tidying import tidy
from sojourn_worker.settings import Settings

# Where each adapter says which schema it writes.
SCHEMAS = {
    "sqlite": "sojourn.adapters.sqlite.schema",
    "postgresql": "sojourn.adapters.postgres.schema",
    "postgres": "sojourn.adapters.postgres.schema",
}


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
    lines = [_told(problem) for problem in problems]
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


async def vacuum(
    settings: Settings, orphans_days: float | None, *, is_rewritten: bool, is_watched: bool
) -> Answer:
    """Remove what is deleted, and before it, if asked to, delete what no session holds.

    Raises:
        BadParameter: the store is to be rewritten, and is none that can be.
    """
    policy = UpkeepPolicy(orphans_days=orphans_days)
    chores = [chore for chore in policy.chores() if chore in {Chore.ORPHANS, Chore.VACUUM}]
    async with opened(settings) as store:
        rewritable = store if is_rewritten and isinstance(store, Rewritable) else None
        if is_rewritten and rewritable is None:
            raise typer.BadParameter("only a SQLite file can be", param_hint="--rewrite")
        answer = await tidy(store, None, policy, chores, is_watched=is_watched)
        return answer if rewritable is None else await _rewritten(rewritable, answer)


async def _rewritten(store: Rewritable, answer: Answer) -> Answer:
    """Write a store anew, and add that to what a command has to say."""
    freed_bytes = await store.rewrite()
    size_bytes = answer.data["size_bytes"] - freed_bytes
    data = {**answer.data, "rewrite": {"freed_bytes": freed_bytes}, "size_bytes": size_bytes}
    said = f"{answer.human}\nrewritten: it has {size_bytes} bytes"
    return Answer(data, said, answer.fault)


async def reconcile(
    settings: Settings, grace_days: float, *, allow_empty: bool, is_watched: bool
) -> Answer:
    """Remove pending attachments of dead turns, and blobs without a row.

    Raises:
        BadParameter: nothing names a blob store.
        BlobStoreUnavailable: it is a folder that is not there.
    """
    policy = UpkeepPolicy(intents_days=grace_days, blobs_days=grace_days, allow_empty=allow_empty)
    async with opened_blobs_of(settings, is_needed=True) as blobs, opened(settings) as store:
        return await tidy(store, blobs, policy, [Chore.INTENTS, Chore.BLOBS], is_watched=is_watched)


async def keep_up(
    settings: Settings, days: Mapping[str, float | None], *, is_watched: bool
) -> Answer:
    """Do every chore of a policy; blobs only if something names a blob store."""
    policy = UpkeepPolicy.model_validate(days)
    async with opened_blobs_of(settings) as blobs, opened(settings) as store:
        chores = [each for each in policy.chores() if blobs is not None or each != Chore.BLOBS]
        return await tidy(store, blobs, policy, chores, is_watched=is_watched)


async def migrate(settings: Settings) -> Answer:
    """Open the store, which makes it or brings its schema up to date."""
    async with opened(settings, make=True):
        version = _schema_version(settings)
    return Answer({"schema_version": version}, f"schema version {version}")


def _told(problem: Problem) -> str:
    """Return a problem as a line: whose it is, at which node, what is wrong, what to do."""
    place = f"{problem.session_id or '-'} {problem.node_id or '-'}"
    remedy = f" (remedy: {problem.remedy})" if problem.remedy else ""
    return f"{place}: {problem.problem}{remedy}"


async def _problems(
    store: SessionStore, counts: dict[str, int], *, is_watched: bool
) -> list[Problem]:
    """Collect the problems, with a bar on standard error for a person at a terminal."""
    screen = console(stderr=True)
    what = f"checking {counts['sessions']} sessions and {counts['nodes']} nodes"
    total = counts["sessions"] + counts["nodes"] if isinstance(store, PagedCheck) else None
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    found: list[Problem] = []
    is_shown = is_watched and screen.is_terminal
    with Progress(
        *columns, TimeElapsedColumn(), console=screen, transient=True, disable=not is_shown
    ) as progress:
        task = progress.add_task(what, total=total)
        async for page in _pages(store):
            found.extend(page.problems)
            told = f"{what}: {len(found)} problems" if found else what
            progress.update(task, advance=page.looked, description=told)
    return found


async def _pages(store: SessionStore) -> AsyncIterator[CheckedPage]:
    """Check a store in pieces, or problem by problem if it cannot tell how far it has come."""
    if isinstance(store, PagedCheck):
        async for page in store.check_pages():
            yield page
    else:
        async for problem in store.check():
            yield CheckedPage((problem,))


def _schema_version(settings: Settings) -> int:
    """Return the version that the store's adapter writes: what is open has it."""
    store = store_of(settings)
    scheme = store.partition("://")[0] if isinstance(store, str) else ""
    if scheme not in SCHEMAS:
        raise typer.BadParameter("give a store's URL: this one has no schema", param_hint="--store")
    return int(import_module(SCHEMAS[scheme]).SCHEMA_VERSION)
