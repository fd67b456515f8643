"""`sojourn store`: looking after a whole store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sojourn_worker.cli import options
from sojourn_worker.cli.lazy import Lazy

if TYPE_CHECKING:
    from sojourn_worker.cli import output, scheduling, upkeep
    from sojourn_worker.settings import Settings
else:
    output = Lazy("sojourn_worker.cli.output")
    scheduling = Lazy("sojourn_worker.cli.scheduling")
    upkeep = Lazy("sojourn_worker.cli.upkeep")
    Settings = Lazy("sojourn_worker.settings", "Settings")

store = typer.Typer(name="store", **options.PLAIN)

Orphans = Annotated[
    float | None,
    typer.Option(
        "--orphans-older-than",
        metavar="DAYS",
        parser=options.days_or_never,
        help="Remove so old nodes that no session holds: checkout cannot go back to them. "
        "[default: never]",
        show_default=False,
    ),
]
Grace = Annotated[
    float,
    typer.Option(
        "--grace",
        metavar="DAYS",
        parser=options.days,
        help="Leave attachments and bytes that are younger, though nobody needs them. [default: 1]",
        show_default=False,
    ),
]


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


@store.command(
    epilog=options.examples(
        "sojourn store vacuum --store sqlite:///sojourn.db",
        "sojourn store vacuum --store sqlite:///sojourn.db --orphans-older-than 30",
    )
)
def vacuum(
    store: options.Store = None,
    app: options.App = None,
    orphans_days: Orphans = None,
    rewrite: Annotated[
        bool,
        typer.Option(
            "--rewrite",
            help="Then write a SQLite file anew, without any free room; sessions wait for it.",
            show_default=False,
        ),
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Remove for good what was deleted, and give its room back.

    In small pieces, while sessions go on; whoever stops it may start it again.
    """
    given = Settings.given(store, app)
    watched = not as_json
    work = upkeep.vacuum(given, orphans_days, is_rewritten=rewrite, is_watched=watched)
    output.run(work, as_json=as_json)


@store.command(
    epilog=options.examples(
        "sojourn store reconcile --store sqlite:///sojourn.db --blobs file:///var/lib/blobs"
    )
)
def reconcile(
    store: options.Store = None,
    app: options.App = None,
    blobs: options.Blobs = None,
    grace_days: Grace = 1.0,
    allow_empty: Annotated[
        bool,
        typer.Option(
            "--allow-empty",
            help="Remove blobs even if the store names no attachment at all.",
            show_default=False,
        ),
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Remove attachments that nobody needs.

    Those that no turn made permanent, and bytes that no session names. What a session or an open
    turn may need stays.
    """
    given = Settings.given(store, app, blobs=blobs)
    work = upkeep.reconcile(given, grace_days, allow_empty=allow_empty, is_watched=not as_json)
    output.run(work, as_json=as_json)


@store.command(
    name="upkeep",
    epilog=options.examples(
        "sojourn store upkeep --store sqlite:///sojourn.db",
        "sojourn store upkeep --every 6h --orphans-older-than 30",
        "sojourn store upkeep --every never",
    ),
)
def keep_up(  # noqa: PLR0913, PLR0917 - a command's options are its parameters
    store: options.Store = None,
    app: options.App = None,
    blobs: options.Blobs = None,
    journals_days: Annotated[
        float | None,
        typer.Option(
            "--journals-older-than",
            metavar="DAYS",
            parser=options.days_or_never,
            help="Remove what turns recorded that were given up so long ago; or never. "
            "[default: 7]",
            show_default=False,
        ),
    ] = 7.0,
    grace_days: Grace = 1.0,
    receipts_days: Annotated[
        float | None,
        typer.Option(
            "--receipts-older-than",
            metavar="DAYS",
            parser=options.days_or_never,
            help="Remove so old receipts: the ids of those turns would run again. [default: never]",
            show_default=False,
        ),
    ] = None,
    orphans_days: Orphans = None,
    every: Annotated[
        str | None,
        typer.Option(
            "--every",
            metavar="DURATION",
            help="Have the workers of --task-queue do it, on their own stores, by a Temporal "
            "Schedule: 30m, 6h, 1d; `never` removes that.",
            show_default=False,
        ),
    ] = None,
    task_queue: options.Queue = None,
    as_json: options.AsJson = False,
) -> None:
    """Do everything that keeps a store small.

    Removes abandoned journals, attachments and bytes that nobody needs, old receipts and orphans
    if asked to, and what was deleted. Here and now; or with --every again and again, by workers.
    Sessions go on meanwhile.
    """
    _check_place(every, {"--store": store, "--app": app, "--blobs": blobs}, task_queue)
    given = Settings.given(store, app, task_queue, blobs)
    days = {
        "journals_days": journals_days,
        "intents_days": grace_days,
        "receipts_days": receipts_days,
        "orphans_days": orphans_days,
        "blobs_days": grace_days,
    }
    if every is None:
        work = upkeep.keep_up(given, days, is_watched=not as_json)
    else:
        work = scheduling.schedule(given, days, every)
    output.run(work, as_json=as_json)


def _check_place(every: str | None, here: dict[str, str | None], task_queue: str | None) -> None:
    """Refuse flags that would be passed over: what they name would not be looked after."""
    if every is None and task_queue is not None:
        raise typer.BadParameter("goes with --every", param_hint="--task-queue")
    for flag, value in here.items():
        if every is not None and value is not None:
            raise typer.BadParameter(
                "workers look after their own stores: leave it out with --every", param_hint=flag
            )


@store.command(epilog=options.examples("sojourn store migrate --store sqlite:///sojourn.db"))
def migrate(
    store: options.Store = None, app: options.App = None, as_json: options.AsJson = False
) -> None:
    """Bring a store up to this version's schema.

    Makes it if there is none, and says which version that is.
    """
    output.run(upkeep.migrate(Settings.given(store, app)), as_json=as_json)
