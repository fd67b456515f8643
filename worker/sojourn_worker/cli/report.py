"""How a command ends: its exit code, and one line on standard error that says why."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import typer

from sojourn_worker.cli.stdout import OutputLost, guarded

DONE, REFUSED, WRONG_USAGE = 0, 1, 2


class Failed(Exception):
    """A command did what it was asked to, and what came of it is a failure."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class Report:
    """Turns whatever a command raises into one line and an exit code; never a traceback.

    Attributes:
        as_json: whether the line is JSON.
        debug: whether the traceback is shown too.
    """

    as_json: bool
    debug: bool

    @classmethod
    def of(cls, arguments: Sequence[str]) -> Report:
        """Read the flags straight from the command line, which may be no valid one."""
        end = arguments.index("--") if "--" in arguments else len(arguments)
        flags = arguments[:end]
        return cls(as_json="--json" in flags, debug="--debug" in flags)

    def run(self, command: Callable[[], Any]) -> int:
        """Run a command and return its exit code."""
        try:
            with guarded():
                code = command()
        except SystemExit:
            # Typer's answer to a pipe that nobody reads any more, be it standard error.
            return REFUSED
        except Exception as error:  # noqa: BLE001 - the last resort of every command
            return self._refused(error)
        return code if isinstance(code, int) else DONE

    def _refused(self, error: Exception) -> int:
        if self.debug:
            traceback.print_exception(error)
        if isinstance(error, typer.TyperException):
            self._say("WrongUsage", f"{error.format_message()}{_hint(error)}")
            return error.exit_code
        if not (isinstance(error, OutputLost) and error.is_unread):
            self._say(*_described(error))
        return REFUSED

    def _say(self, kind: str, message: str) -> None:
        line = " ".join(message.split())
        if self.as_json:
            line = json.dumps({"error": {"type": kind, "message": line}}, ensure_ascii=False)
        else:
            line = f"error: {line}"
        with suppress(OSError):  # the exit code says it too
            typer.echo(line, err=True)


def _described(error: Exception) -> tuple[str, str]:
    """Name an error; of one that nobody foresaw say the type and the place, not the text."""
    from sojourn.errors import SojournError  # noqa: PLC0415 - slow, and wanted by failures alone
    from sojourn.raised import place_of  # noqa: PLC0415 - as above

    kind = type(error).__name__
    if isinstance(error, Failed):
        return error.kind, str(error)
    if isinstance(error, SojournError | OutputLost):
        return kind, str(error)
    return kind, f"unexpected {kind} at {place_of(error)}: please report it (--debug shows more)"


def _hint(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    return f" (see `{context.command_path} --help`)" if context is not None else ""
