"""What commands print: JSON for programs; for people plain text, or rich on a terminal."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import typer
from rich.console import Console, RenderableType
from rich.table import Table

from sojourn.outcome import Fault
from sojourn_worker.cli.report import Failed
from sojourn_worker.cli.stdout import output, unguarded

PLAIN_WIDTH = 10_000


@dataclass(frozen=True)
class Answer:
    """What a command has to say.

    Attributes:
        data: printed with `--json`.
        human: printed without; a text as it stands.
        fault: set if the answer is that something failed.
    """

    data: dict[str, Any]
    human: RenderableType
    fault: Fault | None = None


def run(work: Coroutine[Any, Any, Answer | None], *, as_json: bool) -> None:
    """Run a command's work and print its answer.

    Raises:
        Failed: the answer is a failure.
    """
    # Without a handler Python would print warnings between the lines of ours.
    logging.getLogger().addHandler(logging.NullHandler())
    with unguarded():
        answer = asyncio.run(work)
    if answer is None:
        return
    if as_json:
        print_json(answer.data)
    else:
        print_human(answer.human)
    if answer.fault is not None:
        raise Failed(answer.fault.type, answer.fault.message)


def print_json(data: dict[str, Any]) -> None:
    """Print one line of JSON."""
    typer.echo(json.dumps(data, ensure_ascii=False), file=output())


def print_human(what: RenderableType) -> None:
    """Print a text as it stands, or anything else by rich; both are plain in a pipe."""
    if isinstance(what, str):
        typer.echo(harmless(what) if output().isatty() else what, file=output())
    else:
        console().print(what)


def console(*, stderr: bool = False) -> Console:
    """Return a console that neither colours, wraps nor cuts what goes into a pipe."""
    made = Console(stderr=stderr, highlight=False, markup=False, soft_wrap=True)
    if not made.is_terminal:
        made.width = PLAIN_WIDTH
    return made


def table(*columns: str) -> Table:
    """Return an empty table without lines."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


def harmless(text: str) -> str:
    """Return `text` without what would steer a terminal."""
    return "".join(char if char.isprintable() or char in "\n\t" else "\ufffd" for char in text)
