"""The worker command: its log, and its settings."""

from __future__ import annotations

import json
import logging
import sys
from datetime import timedelta

import typer
from typing_extensions import override

from sojourn.raised import place_of
from sojourn_worker.cli.output import Answer
from sojourn_worker.loading import load_app
from sojourn_worker.serve import serve
from sojourn_worker.settings import Settings
from sojourn_workflows import options


class JsonLines(logging.Formatter):
    """Formats each record as one line of JSON."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        facts = {
            "time": self.formatTime(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        return json.dumps(facts, ensure_ascii=False)


async def work(
    settings: Settings, grace_seconds: float, *, as_json: bool, debug: bool
) -> Answer | None:
    """Serve the app until a signal comes.

    Raises:
        BadParameter: nothing names an app.
    """
    if settings.app is None:
        raise typer.BadParameter("none is named: give it, or set SOJOURN_APP", param_hint="--app")
    _log_to_stderr(as_json=as_json, debug=debug)
    app = load_app(settings.app)
    grace = timedelta(seconds=grace_seconds)
    queue = settings.task_queue or options.TASK_QUEUE
    await serve(app, queue, settings.store, grace, settings.blobs)
    return None


def _log_to_stderr(*, as_json: bool, debug: bool) -> None:
    handler = logging.StreamHandler(sys.stderr)
    plain = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    handler.setFormatter(JsonLines() if as_json else plain)
    if not debug:
        handler.addFilter(_in_one_line)
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    for name in ("sojourn", "sojourn_worker"):
        logging.getLogger(name).setLevel(logging.INFO)


def _in_one_line(record: logging.LogRecord) -> bool:
    """Put the type of a logged exception into the line, instead of a traceback below it."""
    if record.exc_info and record.exc_info[1] is not None:
        error = record.exc_info[1]
        kind = getattr(error, "type", None) or type(error).__name__
        record.msg, record.args = f"{record.getMessage()}: {kind} at {place_of(error)}", ()
        record.exc_info = None
    return True
