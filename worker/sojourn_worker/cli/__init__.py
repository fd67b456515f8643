"""The command line, `sojourn`. What takes long to import is imported inside its commands."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

from sojourn_worker.cli.report import Report
from sojourn_worker.cli.root import app


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit: 0 done, 1 refused or failed, 2 wrong usage."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    report = Report.of(arguments)
    sys.exit(report.run(lambda: app(args=arguments, prog_name="sojourn", standalone_mode=False)))
