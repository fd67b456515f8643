"""`sojourn session`, the commands that speak to a session's workflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sojourn_worker.cli import options
from sojourn_worker.cli.lazy import Lazy

if TYPE_CHECKING:
    from sojourn_worker.cli import at_server, output
    from sojourn_worker.settings import Settings
else:
    at_server = Lazy("sojourn_worker.cli.at_server")
    output = Lazy("sojourn_worker.cli.output")
    Settings = Lazy("sojourn_worker.settings", "Settings")

turns = typer.Typer(**options.PLAIN)

CallId = Annotated[
    str, typer.Argument(metavar="CALL", help="The tool call that waits.", show_default=False)
]


@turns.command(
    epilog=options.examples(
        'sojourn session send chat-42 "hello"',
        "git diff | sojourn session send chat-42 - --turn-id review-1 --json",
    )
)
def send(  # noqa: PLR0913, PLR0917 - a command's options are its parameters
    session_id: options.SessionId,
    text: Annotated[
        str,
        typer.Argument(
            metavar="TEXT", help="The message; - reads standard input.", show_default=False
        ),
    ],
    turn_id: Annotated[
        str | None,
        typer.Option("--turn-id", metavar="T", help="The turn: the same again runs nothing twice."),
    ] = None,
    agent: options.Agent = None,
    timeout: Annotated[
        float | None,
        typer.Option("--timeout", metavar="SECONDS", min=0, help="How long to wait for the end."),
    ] = None,
    store: options.Store = None,
    app: options.App = None,
    task_queue: options.Queue = None,
    as_json: options.AsJson = False,
) -> None:
    """Send a message, wait, and print the answer.

    On a terminal a line shows what the turn does. A turn that ended as failed exits with 1; one
    that was cancelled or met its limit, with 0. Without a store the text comes through a worker.
    """
    sending = at_server.Sending(
        text=text,
        turn_id=turn_id,
        agent=agent,
        timeout_seconds=timeout,
        is_watched=not as_json,
    )
    given = Settings.given(store, app, task_queue)
    output.run(at_server.send(given, session_id, sending), as_json=as_json)


@turns.command(epilog=options.examples("sojourn session cancel chat-42 review-1"))
def cancel(
    session_id: options.SessionId,
    turn_id: Annotated[str, typer.Argument(metavar="TURN", help="The turn.", show_default=False)],
    store: options.Store = None,
    app: options.App = None,
    task_queue: options.Queue = None,
    as_json: options.AsJson = False,
) -> None:
    """Cancel exactly one turn.

    It commits what it has. The answer says whether the cancel came before the commit.
    """
    given = Settings.given(store, app, task_queue)
    output.run(at_server.cancel(given, session_id, turn_id), as_json=as_json)


@turns.command(epilog=options.examples("sojourn session approve chat-42 call-3-0"))
def approve(
    session_id: options.SessionId,
    call_id: CallId,
    store: options.Store = None,
    app: options.App = None,
    task_queue: options.Queue = None,
    as_json: options.AsJson = False,
) -> None:
    """Let a tool call run that waits for a person."""
    given = Settings.given(store, app, task_queue)
    output.run(at_server.decide(given, session_id, call_id, approved=True), as_json=as_json)


@turns.command(epilog=options.examples("sojourn session deny chat-42 call-3-0"))
def deny(
    session_id: options.SessionId,
    call_id: CallId,
    store: options.Store = None,
    app: options.App = None,
    task_queue: options.Queue = None,
    as_json: options.AsJson = False,
) -> None:
    """Refuse a tool call that waits for a person.

    The model is told.
    """
    given = Settings.given(store, app, task_queue)
    output.run(at_server.decide(given, session_id, call_id, approved=False), as_json=as_json)


@turns.command(epilog=options.examples("sojourn session park chat-42"))
def park(
    session_id: options.SessionId,
    store: options.Store = None,
    app: options.App = None,
    task_queue: options.Queue = None,
    as_json: options.AsJson = False,
) -> None:
    """Let a session's turns end, then end its workflow.

    The next message brings it back.
    """
    given = Settings.given(store, app, task_queue)
    output.run(at_server.park(given, session_id), as_json=as_json)
