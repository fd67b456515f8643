"""`sojourn` itself, and the commands that belong to no group."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sojourn_worker.cli import options
from sojourn_worker.cli.frames import frames
from sojourn_worker.cli.lazy import Lazy
from sojourn_worker.cli.moving import moving
from sojourn_worker.cli.session import session
from sojourn_worker.cli.store import store
from sojourn_worker.cli.tools import tools
from sojourn_worker.cli.turns import turns

if TYPE_CHECKING:
    from sojourn_worker.cli import output, replaying, serving
    from sojourn_worker.settings import Settings
else:
    output = Lazy("sojourn_worker.cli.output")
    replaying = Lazy("sojourn_worker.cli.replaying")
    serving = Lazy("sojourn_worker.cli.serving")
    Settings = Lazy("sojourn_worker.settings", "Settings")

app = typer.Typer(name="sojourn", **options.PLAIN)
session.add_typer(turns)
session.add_typer(frames)
session.add_typer(moving)
app.add_typer(session)
app.add_typer(store)
app.add_typer(tools)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"sojourn {version('sojourn')}")
        raise typer.Exit


@app.callback(
    invoke_without_command=True,
    epilog=options.examples(
        "sojourn worker --app examples.clerk.app:app", 'sojourn session send chat-42 "hello"'
    ),
)
def sojourn(
    context: typer.Context,
    show_version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print it."),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error too.")
    ] = False,
) -> None:
    """Durable agent sessions on Temporal.

    Exit codes: 0 done, 1 refused or failed (one line on standard error says why), 2 wrong usage.
    The Temporal server is named by the standard TEMPORAL_* variables and profiles
    (TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_PROFILE, ...; default: localhost:7233).
    """
    del show_version, debug  # the first has ended the command, the second is read by `Report`
    options.show_help(context)


@app.command(
    epilog=options.examples(
        "sojourn worker --app examples.clerk.app:app --store sqlite:///sojourn.db"
    )
)
def worker(  # noqa: PLR0913, PLR0917 - a command's options are its parameters
    context: typer.Context,
    app: options.App = None,
    task_queue: options.Queue = None,
    store: options.Store = None,
    blobs: options.Blobs = None,
    grace: Annotated[
        float,
        typer.Option(
            "--grace", metavar="SECONDS", min=0.1, help="What activities get to end when told to."
        ),
    ] = 10.0,
    as_json: options.AsJson = False,
) -> None:
    """Run a worker of an app until SIGTERM or Ctrl-C.

    The first signal lets running activities end, for as long as --grace says; a second one ends
    the process at once. Whatever was cut off goes on with another worker. With --json the log is
    JSON lines.
    """
    given = Settings.given(store, app, task_queue, blobs)
    debug = bool(context.find_root().params["debug"])
    output.run(serving.work(given, grace, as_json=as_json, debug=debug), as_json=as_json)


@app.command(
    epilog=options.examples(
        "temporal workflow show -w session/chat-42 --output json > chat-42.json",
        "sojourn replay chat-42.json",
        "sojourn replay histories",
    )
)
def replay(
    histories: Annotated[
        list[Path],
        typer.Argument(
            metavar="HISTORY.json...",
            exists=True,
            readable=True,
            show_default=False,
            help="Histories as `temporal workflow show --output json` writes them, or folders of "
            "*.json.",
        ),
    ],
    as_json: options.AsJson = False,
) -> None:
    """Replay recorded histories.

    Tells whether this version's workflows would go on with them.
    """
    output.run(replaying.replay(histories), as_json=as_json)
