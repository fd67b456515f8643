"""Standard output, which may be closed, full, or read by nobody any more."""

from __future__ import annotations

import errno
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any, TextIO, cast

from typing_extensions import override


class OutputLost(Exception):
    """What a command had to say could not be written.

    Attributes:
        is_unread: whether that is because the reader of a pipe has left, as `head` does.
    """

    def __init__(self, error: OSError) -> None:
        reason = error.strerror or type(error).__name__
        super().__init__(f"cannot write to standard output: {reason}")
        self.is_unread = error.errno == errno.EPIPE


class Output:
    """Writes to a stream as it is, and raises `OutputLost` where that fails.

    Attributes:
        own: the stream, or None in a process that was started without it.
    """

    def __init__(self, own: TextIO | None) -> None:
        self.own = own
        self._stream = own or _Closed()

    def write(self, text: str) -> int:
        """Write a text."""
        with _lost():
            return self._stream.write(text)

    def flush(self) -> None:
        """Write what is held back."""
        with _lost():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Closed(io.StringIO):
    """Stands for a stream that is closed."""

    @override
    def write(self, text: str, /) -> int:
        raise OSError(errno.EBADF, "it is closed")


def output() -> TextIO:
    """Return standard output as commands write to it."""
    return cast("TextIO", Output(sys.stdout))


@contextmanager
def guarded() -> Iterator[None]:
    """Make whatever a block prints an `OutputLost` where it cannot be written."""
    with redirect_stdout(output()):
        yield


@contextmanager
def unguarded() -> Iterator[None]:
    """Let a block print as in any process: an app's own code knows nothing of `OutputLost`."""
    stream: object = sys.stdout
    with redirect_stdout(stream.own if isinstance(stream, Output) else sys.stdout):
        yield


@contextmanager
def _lost() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputLost(error) from None
