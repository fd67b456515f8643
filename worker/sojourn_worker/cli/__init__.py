"""The command line, `sojourn`. What takes long to import is imported inside its commands."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

from sojourn_worker.cli.report import Report
from sojourn_worker.cli.root import app


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit: 0 done, 1 refused or failed, 2 wrong usage."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    report = Report.of(arguments)
    code = report.run(lambda: app(args=arguments, prog_name="sojourn", standalone_mode=False))
    if argv is None:
        _leave(code)
    sys.exit(code)


def _leave(code: int) -> NoReturn:
    """End the process at once: Temporal's threads may call into Python up to the end.

    While the interpreter is being taken apart such a call would crash or hang it.
    """
    for stream in filter(None, (sys.stdout, sys.stderr)):
        with suppress(OSError):
            stream.flush()
    os._exit(code)
