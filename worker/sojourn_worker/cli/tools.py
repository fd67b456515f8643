"""`sojourn tools`: looking at what an app's agents can call."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from sojourn_worker.cli import options
from sojourn_worker.cli.lazy import Lazy

if TYPE_CHECKING:
    from sojourn_worker.cli import listing, output
    from sojourn_worker.settings import Settings
else:
    listing = Lazy("sojourn_worker.cli.listing")
    output = Lazy("sojourn_worker.cli.output")
    Settings = Lazy("sojourn_worker.settings", "Settings")

tools = typer.Typer(name="tools", **options.PLAIN)


@tools.callback(
    invoke_without_command=True,
    epilog=options.examples("sojourn tools list --app examples.clerk.app:app"),
)
def group(context: typer.Context) -> None:
    """Look at the tools of an app."""
    options.show_help(context)


@tools.command(
    name="list",
    epilog=options.examples(
        "sojourn tools list --app examples.clerk.app:app",
        "sojourn tools list --app examples.clerk.app:app --json",
    ),
)
def list_all(app: options.App = None, as_json: options.AsJson = False) -> None:
    """Open the sources of an app, and list their tools.

    Says of every source whether it is connected, and why not; exits with 1 if one is not. The
    tools of plugins are not listed: they belong to sessions.
    """
    output.run(listing.listed(Settings.given(None, app)), as_json=as_json)
