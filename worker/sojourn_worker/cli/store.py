"""`sojourn store`: looking after a whole store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from sojourn_worker.cli import options
from sojourn_worker.cli.lazy import Lazy

if TYPE_CHECKING:
    from sojourn_worker.cli import output, upkeep
    from sojourn_worker.settings import Settings
else:
    output = Lazy("sojourn_worker.cli.output")
    upkeep = Lazy("sojourn_worker.cli.upkeep")
    Settings = Lazy("sojourn_worker.settings", "Settings")

store = typer.Typer(name="store", **options.PLAIN)


@store.callback(
    invoke_without_command=True,
    epilog=options.examples("sojourn store check --store sqlite:///sojourn.db"),
)
def group(context: typer.Context) -> None:
    """Look after a session store."""
    options.show_help(context)


@store.command(epilog=options.examples("sojourn store check --store sqlite:///sojourn.db --json"))
def check(
    store: options.Store = None, app: options.App = None, as_json: options.AsJson = False
) -> None:
    """Look at every session and node of a store.

    Exits with 1 if something is wrong.
    """
    output.run(upkeep.check(Settings.given(store, app), is_watched=not as_json), as_json=as_json)


@store.command(epilog=options.examples("sojourn store stats --store sqlite:///sojourn.db"))
def stats(
    store: options.Store = None, app: options.App = None, as_json: options.AsJson = False
) -> None:
    """Count what a store holds."""
    output.run(upkeep.stats(Settings.given(store, app)), as_json=as_json)


@store.command(epilog=options.examples("sojourn store vacuum --store sqlite:///sojourn.db"))
def vacuum(
    store: options.Store = None, app: options.App = None, as_json: options.AsJson = False
) -> None:
    """Remove deleted nodes for good, and give their room back."""
    output.run(upkeep.vacuum(Settings.given(store, app)), as_json=as_json)


@store.command(epilog=options.examples("sojourn store migrate --store sqlite:///sojourn.db"))
def migrate(
    store: options.Store = None, app: options.App = None, as_json: options.AsJson = False
) -> None:
    """Bring a store up to this version's schema.

    Makes it if there is none, and says which version that is.
    """
    output.run(upkeep.migrate(Settings.given(store, app)), as_json=as_json)
