"""`sojourn session`, the commands that need the store alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sojourn_worker.cli import options
from sojourn_worker.cli.lazy import Lazy

if TYPE_CHECKING:
    from sojourn_worker.cli import at_store, output
    from sojourn_worker.settings import Settings
else:
    at_store = Lazy("sojourn_worker.cli.at_store")
    output = Lazy("sojourn_worker.cli.output")
    Settings = Lazy("sojourn_worker.settings", "Settings")

session = typer.Typer(name="session", **options.PLAIN)

NodeId = Annotated[str, typer.Argument(metavar="NODE", help="The node.", show_default=False)]


@session.callback(
    invoke_without_command=True, epilog=options.examples('sojourn session send chat-42 "hello"')
)
def group(context: typer.Context) -> None:
    """Talk to sessions, look at them, and branch them."""
    options.show_help(context)


@session.command(
    epilog=options.examples(
        "sojourn session start chat-42 --agent clerk --store sqlite:///sojourn.db"
    )
)
def start(
    session_id: options.SessionId,
    agent: options.Agent = None,
    parent: Annotated[
        str | None,
        typer.Option(
            "--parent", metavar="ID", help="Make it a child, with this session's tools and state."
        ),
    ] = None,
    store: options.Store = None,
    app: options.App = None,
    as_json: options.AsJson = False,
) -> None:
    """Make a session before its first message.

    `send` makes sessions by itself: this is for fixing the agent beforehand, or the parent. A
    session that exists is left as it is, and that is no error.
    """
    started = at_store.start(Settings.given(store, app), session_id, agent, parent)
    output.run(started, as_json=as_json)


@session.command(
    epilog=options.examples("sojourn session show chat-42 --store sqlite:///sojourn.db --json")
)
def show(
    session_id: options.SessionId,
    store: options.Store = None,
    app: options.App = None,
    as_json: options.AsJson = False,
) -> None:
    """Show a session, from its store alone."""
    output.run(at_store.show(Settings.given(store, app), session_id), as_json=as_json)


@session.command(
    "list", epilog=options.examples("sojourn session list --store sqlite:///sojourn.db")
)
def list_all(
    store: options.Store = None, app: options.App = None, as_json: options.AsJson = False
) -> None:
    """List the sessions of a store."""
    output.run(at_store.list_all(Settings.given(store, app)), as_json=as_json)


@session.command(
    epilog=options.examples("sojourn session fork chat-42 chat-43 --store sqlite:///sojourn.db")
)
def fork(
    session_id: options.SessionId,
    new_id: Annotated[
        str, typer.Argument(metavar="NEW", help="The new session.", show_default=False)
    ],
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="NODE", help="Where it stands; default: the session's leaf."),
    ] = None,
    store: options.Store = None,
    app: options.App = None,
    as_json: options.AsJson = False,
) -> None:
    """Make a session that goes on from another's node.

    No node is copied.
    """
    output.run(at_store.fork(Settings.given(store, app), session_id, new_id, at), as_json=as_json)


@session.command(
    epilog=options.examples(
        "sojourn session checkout chat-42 nx3fk7q2.1 --store sqlite:///sojourn.db"
    )
)
def checkout(
    session_id: options.SessionId,
    node_id: NodeId,
    store: options.Store = None,
    app: options.App = None,
    as_json: options.AsJson = False,
) -> None:
    """Make a session stand on another of its nodes.

    Its next turn goes on from there. `session show` names the nodes. What is left behind stays,
    and can be checked out again.
    """
    output.run(at_store.checkout(Settings.given(store, app), session_id, node_id), as_json=as_json)


@session.command(
    epilog=options.examples("sojourn session delete chat-42 --store sqlite:///sojourn.db")
)
def delete(
    session_id: options.SessionId,
    store: options.Store = None,
    app: options.App = None,
    as_json: options.AsJson = False,
) -> None:
    """Delete a session.

    Its id can never be used again. What its forks stand on stays.
    """
    output.run(at_store.delete(Settings.given(store, app), session_id), as_json=as_json)


@session.command(
    epilog=options.examples(
        "sojourn session events chat-42 --until-idle --store sqlite:///sojourn.db"
    )
)
def events(
    session_id: options.SessionId,
    after: Annotated[
        str | None,
        typer.Option("--after", metavar="CURSOR", help="Go on after an event's cursor."),
    ] = None,
    until_idle: Annotated[
        bool, typer.Option("--until-idle", help="End when nobody works on the session.")
    ] = False,
    store: options.Store = None,
    app: options.App = None,
    as_json: options.AsJson = False,
) -> None:
    """Print what happens in a session, as it happens.

    A line of JSON for each event, without its content. It begins with what the open turn has
    done so far, or, with `--after 0.0`, with the first turn. Ctrl-C ends it.
    """
    watching = at_store.watch(Settings.given(store, app), session_id, after, until_idle=until_idle)
    output.run(watching, as_json=as_json)
