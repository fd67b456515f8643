"""What people see while a turn runs."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from rich.console import Console
from rich.progress import Progress

from sojourn_worker.cli.live import Watcher, described
from sojourn_worker.cli.output import console, harmless
from sojourn_workflows.contract import SessionStatus


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (SessionStatus(), "t1: sent"),
        (SessionStatus(turn_id="t0", phase="model"), "t1: waits for turn t0"),
        (SessionStatus(turn_id="t1", phase="begin"), "t1: begin"),
        (SessionStatus(turn_id="t1", phase="model", step=2), "t1: step 2, the model"),
        (
            SessionStatus(turn_id="t1", phase="tools", step=2, calls=("look", "book")),
            "t1: step 2, look, book",
        ),
        (
            SessionStatus(turn_id="t1", phase="approval", step=1, approvals={"c1": "book"}),
            "t1: step 1, book to approve",
        ),
        (SessionStatus(turn_id="t1", phase="commit", step=2), "t1: commit"),
    ],
)
def test_the_line_says_what_the_turn_does(status: SessionStatus, line: str) -> None:
    """In the words of whoever waits for turn t1."""
    assert described(status, "t1") == line


class Session:
    """A session that says what it was made to say, and then that it has ended."""

    session_id = "chat-42"

    def __init__(self, *statuses: SessionStatus) -> None:
        self._statuses = list(statuses)

    async def status(self) -> SessionStatus:
        """Say the next thing."""
        if not self._statuses:
            raise EndOfTestError
        return self._statuses.pop(0)


class EndOfTestError(Exception):
    """The session has nothing more to say."""


async def test_each_call_that_waits_is_told_once_with_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However often the session is asked."""
    one = SessionStatus(turn_id="t1", phase="approval", approvals={"c1": "book"})
    two = one.model_copy(update={"approvals": {"c1": "book", "c2": "look"}})
    monkeypatch.setattr("sojourn_worker.cli.live.POLL", timedelta(0))
    written = io.StringIO()
    screen = Console(file=written, width=200)
    watcher = Watcher(Session(one, one, two), "t1", screen)  # type: ignore[arg-type]
    with pytest.raises(EndOfTestError), Progress(console=screen, disable=True) as progress:
        await watcher.watch(progress)

    assert written.getvalue().splitlines() == [
        "book waits for approval: sojourn session approve chat-42 c1 (or deny)",
        "look waits for approval: sojourn session approve chat-42 c2 (or deny)",
    ]


def test_what_goes_into_a_pipe_is_neither_coloured_nor_cut(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """However long the line."""
    console().print(f"[red]{'x' * 500}")

    assert capsys.readouterr().out == f"[red]{'x' * 500}\n"


def test_text_cannot_steer_a_terminal() -> None:
    """An answer that holds control characters is shown without them."""
    assert harmless("a\x1b[2Jb\x07\tc\nd\u202ee") == "a\ufffd[2Jb\ufffd\tc\nd\ufffde"
