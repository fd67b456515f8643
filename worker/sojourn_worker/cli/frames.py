"""`sojourn session`, the commands that change what a session's model is shown, or which one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sojourn_worker.cli import options
from sojourn_worker.cli.lazy import Lazy

if TYPE_CHECKING:
    from sojourn_worker.cli import at_frames, output
    from sojourn_worker.settings import Settings
else:
    at_frames = Lazy("sojourn_worker.cli.at_frames")
    output = Lazy("sojourn_worker.cli.output")
    Settings = Lazy("sojourn_worker.settings", "Settings")

frames = typer.Typer(**options.PLAIN)


@frames.command(
    epilog=options.examples(
        "sojourn session compact chat-42",
        'sojourn session compact chat-42 --summary "The invoice of May is booked."',
    )
)
def compact(
    session_id: options.SessionId,
    summary: Annotated[
        str | None,
        typer.Option(
            "--summary",
            metavar="TEXT",
            help="What stands for what came before; - reads standard input. Default: the model's.",
        ),
    ] = None,
    store: options.Store = None,
    app: options.App = None,
    task_queue: options.Queue = None,
    as_json: options.AsJson = False,
) -> None:
    """Summarise a session, so that its model is shown less.

    It waits for the turns that were sent before. Its last turns stay verbatim, as many as the
    agent says. What came before stays readable, and can be checked out.
    """
    given = Settings.given(store, app, task_queue)
    output.run(at_frames.compact(given, session_id, summary), as_json=as_json)


@frames.command(
    epilog=options.examples(
        "sojourn session configure chat-42 --model openai:gpt-5-mini --disable refund",
        "sojourn session configure chat-42 --default-model",
    )
)
def configure(  # noqa: PLR0913, PLR0917 - a command's options are its parameters
    session_id: options.SessionId,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="MODEL", help="The model, as provider:model."),
    ] = None,
    default_model: Annotated[
        bool, typer.Option("--default-model", help="Take back an earlier --model.")
    ] = False,
    enable: Annotated[
        list[str] | None,
        typer.Option("--enable", metavar="TOOL", help="A tool's id; may be given again."),
    ] = None,
    disable: Annotated[
        list[str] | None,
        typer.Option("--disable", metavar="TOOL", help="A tool's id; may be given again."),
    ] = None,
    store: options.Store = None,
    app: options.App = None,
    task_queue: options.Queue = None,
    as_json: options.AsJson = False,
) -> None:
    """Change a session's model or tools.

    It waits for the turns that were sent before. The change stands until it is taken back, and
    wins over what the app names. A model that cannot be opened is refused.
    """
    changes = at_frames.Changes(
        model=model,
        default_model=default_model,
        enable=tuple(enable or ()),
        disable=tuple(disable or ()),
    )
    given = Settings.given(store, app, task_queue)
    output.run(at_frames.configure(given, session_id, changes), as_json=as_json)
