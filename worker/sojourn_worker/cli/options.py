"""What commands share: their options, and how their groups behave."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from sojourn_worker.cli.report import WRONG_USAGE

MAX_DAYS = 36_500.0
NEVER = "never"

# Plain help, on a terminal and in a pipe alike; errors are shown by `Report`.
PLAIN: dict[str, Any] = {
    "add_completion": False,
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}

App = Annotated[
    str | None,
    typer.Option(
        "--app", metavar="MODULE:ATTRIBUTE", help="The app. [env: SOJOURN_APP]", show_default=False
    ),
]
Store = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="URL",
        help="The session store, such as sqlite:///sojourn.db. [env: SOJOURN_STORE; default: "
        "the app's]",
        show_default=False,
    ),
]
Blobs = Annotated[
    str | None,
    typer.Option(
        "--blobs",
        metavar="URL",
        help="Where attachments have their bytes, such as file:///var/lib/blobs or s3://bucket. "
        "[env: SOJOURN_BLOBS; default: the app's]",
        show_default=False,
    ),
]
Queue = Annotated[
    str | None,
    typer.Option(
        "--task-queue",
        metavar="QUEUE",
        help="The task queue of the workers. [env: SOJOURN_TASK_QUEUE; default: sojourn]",
        show_default=False,
    ),
]
Agent = Annotated[
    str | None,
    typer.Option("--agent", metavar="NAME", help="The app's agent.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, errors too.", show_default=False)]
SessionId = Annotated[str, typer.Argument(metavar="ID", help="The session.", show_default=False)]


def days(given: object) -> float:
    """Read an age in days.

    Raises:
        BadParameter: it is none.
    """
    try:
        age = float(str(given))
    except ValueError:
        age = -1.0
    if not 0 <= age <= MAX_DAYS:
        raise typer.BadParameter(f"{str(given)!r} is no age in days: write 30, or 0.5")
    return age


def days_or_never(given: object) -> float | None:
    """Read an age in days, or None for what is kept for ever.

    Raises:
        BadParameter: it is neither.
    """
    return None if given == NEVER else days(given)


def examples(*lines: str) -> str:
    """Return the last part of a command's help: lines to try, as they stand."""
    return "\n".join(["\b", "Example:", *(f"  {line}" for line in lines)])


def show_help(context: typer.Context) -> None:
    """Show a group's help when it is called without a command, which is wrong usage."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(WRONG_USAGE)
