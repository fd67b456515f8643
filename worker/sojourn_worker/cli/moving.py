"""`sojourn session import` and `export`: sessions that come from elsewhere, or go there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sojourn_worker.cli import options
from sojourn_worker.cli.lazy import Lazy

if TYPE_CHECKING:
    from sojourn_worker.cli import carrying, output
    from sojourn_worker.settings import Settings
else:
    carrying = Lazy("sojourn_worker.cli.carrying")
    output = Lazy("sojourn_worker.cli.output")
    Settings = Lazy("sojourn_worker.settings", "Settings")

FORMATS = "sojourn, openai-agents or langchain"

moving = typer.Typer(**options.PLAIN)


@moving.command(
    "import",
    epilog=options.examples(
        "sojourn session import chat-42.jsonl --store sqlite:///sojourn.db",
        "sojourn session import items.jsonl --session chat-7 --agent clerk "
        "--store sqlite:///sojourn.db",
    ),
)
def import_(  # noqa: PLR0913, PLR0917 - a command's options are its parameters
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="The file; - is standard input.", show_default=False),
    ],
    session_id: Annotated[
        str | None,
        typer.Option(
            "--session",
            metavar="ID",
            help="The session that it becomes; default: the id that the file names.",
        ),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format", metavar="FORMAT", help=f"{FORMATS}; default: what the file looks like."
        ),
    ] = None,
    agent: Annotated[
        str | None,
        typer.Option(
            "--agent", metavar="NAME", help="The agent that it goes on with; default: its own."
        ),
    ] = None,
    store: options.Store = None,
    blobs: options.Blobs = None,
    app: options.App = None,
    as_json: options.AsJson = False,
) -> None:
    """Make a session of a file: of Sojourn's own format, or of another library's messages.

    An import that was cut off goes on when it is run again with the same file; until then the
    session takes no turns. What could not be kept as it was is counted, and named by its line.
    An id that exists, or was deleted, is refused.
    """
    given = Settings.given(store, app, blobs=blobs)
    work = carrying.bring(
        given, file, carrying.Wish(session_id, form, agent), is_watched=not as_json
    )
    output.run(work, as_json=as_json)


@moving.command(
    epilog=options.examples(
        "sojourn session export chat-42 --output chat-42.jsonl --store sqlite:///sojourn.db",
        "sojourn session export chat-42 --format langchain --store sqlite:///sojourn.db",
    )
)
def export(  # noqa: PLR0913, PLR0917 - a command's options are its parameters
    session_id: options.SessionId,
    form: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help=f"{FORMATS}.")
    ] = "sojourn",
    target: Annotated[
        str,
        typer.Option("--output", metavar="FILE", help="Where to; - is standard output."),
    ] = "-",
    active_path: Annotated[
        bool, typer.Option("--active-path", help="Leave out what the session does not stand on.")
    ] = False,
    attachments: Annotated[
        bool,
        typer.Option("--attachments", help="Write the bytes of attachments too (needs --blobs)."),
    ] = False,
    store: options.Store = None,
    blobs: options.Blobs = None,
    app: options.App = None,
    as_json: options.AsJson = False,
) -> None:
    """Write a session into a file, from its store alone.

    Sojourn's own format keeps all of it: every branch, each stored byte, turns, usage and
    states. Those of other libraries keep the conversation. With --json and --output a line says
    what was written. A file appears when it is whole.
    """
    given = Settings.given(store, app, blobs=blobs)
    wish = carrying.Exported(
        session_id, form, target, is_active_path=active_path, has_bytes=attachments
    )
    output.run(carrying.take(given, wish, is_watched=not as_json), as_json=as_json)
