"""From what the SDK raises to what Sojourn raises: what is known to have happened, no content."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import cast

from mcp.shared.exceptions import MCPError
from mcp_types import CONNECTION_CLOSED, PARSE_ERROR
from pydantic import ValidationError

from sojourn.adapters.mcp.http import GONE, LOST, NOT_SENT, OURS, REFUSED
from sojourn.adapters.mcp.wire import TOLD, Sending, sending
from sojourn.errors import ResultUnserialisable, SojournError, ToolLost, ToolRefused, ToolRetry

# How the SDK's transport begins what it says, in the server's place, of an answer that broke off,
# and of one that cannot be read.
_BROKE_OFF, _UNREADABLE = "SSE stream", "Failed to parse"


@contextmanager
def truthful(tool: str, server: str, doubted: Callable[[], None]) -> Iterator[None]:
    """Send one call in a block, and raise what is true of it if it fails.

    Args:
        tool: the tool, in messages.
        server: the server, in messages.
        doubted: called if the failure may be the connection's.

    Raises:
        SojournError: as `Link.call`.
    """
    own = Sending()
    token = sending.set(own)
    try:
        yield
    except MCPError as error:
        code, told = error.code, _told(error)
        if code in OURS - {REFUSED}:
            doubted()
        raise _failure(tool, server, code, told, has_left=own.has_left) from None
    except ValidationError:
        raise _no_result(tool) from None
    except RuntimeError:
        if own.has_left:
            raise
        # The SDK's session has ended between two looks at it.
        raise _not_sent(server, "the connection ended") from None
    finally:
        sending.reset(token)


def reason_of(error: BaseException, patience: timedelta) -> str:
    """Return why a server is not connected, in a few words that quote nothing."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    match error:
        case MCPError():
            return _answered(error)
        case TimeoutError():
            return f"it did not answer within {patience.total_seconds():g} s"
        case FileNotFoundError():
            return "there is no such command, or no such folder to run it in"
        case OSError(strerror=str(reason)):
            return f"it cannot be started: {reason}"
        case _:
            return f"its connection failed with {type(error).__name__}"


def _answered(error: MCPError) -> str:
    if error.code in {NOT_SENT, LOST}:
        return f"it cannot be reached ({_told(error)})"
    if error.code in {REFUSED, GONE}:
        return f"it refused ({_status(_told(error))})"
    if error.code == CONNECTION_CLOSED:
        return "it ended before it answered"
    return f"it answered with MCP error {error.code}"


def _failure(tool: str, server: str, code: int, told: str, *, has_left: bool) -> SojournError:
    if code == NOT_SENT or not has_left:
        return _not_sent(server, "it cannot be reached")
    if code == GONE:
        return _not_sent(server, "it has been started anew")
    if code == LOST or (code == CONNECTION_CLOSED and (not told or told.startswith(_BROKE_OFF))):
        return ToolLost(tool=tool, reason=f"MCP server {server!r} broke off")
    if code == PARSE_ERROR and told.startswith(_UNREADABLE):
        return _no_result(tool)
    kind = _status(told) if code == REFUSED else f"MCP error {code}"
    failure = ToolRefused(tool=tool, reason=kind)
    failure.detail = told or None
    return failure


def _no_result(tool: str) -> ResultUnserialisable:
    return ResultUnserialisable(tool=tool, reason="it is not what MCP calls a result")


def _not_sent(server: str, reason: str) -> ToolRetry:
    return ToolRetry(reason=f"MCP server {server!r} is not connected: {reason}")


def _told(error: MCPError) -> str:
    data = error.data
    return str(cast("dict[str, object]", data).get(TOLD, "")) if isinstance(data, dict) else ""


def _status(told: str) -> str:
    """Return the HTTP status, without the server's own words after it."""
    return told.partition(":")[0]
