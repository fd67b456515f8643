"""Keeping the SDK's loggers silent about our connections: they quote messages and addresses."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# Those that write while a connection is used; a filter hears only what its own logger is told.
_LOGGERS = (
    "client",
    "mcp.client.session",
    "mcp.client.stdio",
    "mcp.client.streamable_http",
    "mcp.os.posix.utilities",
    "mcp.shared._httpx_utils",
    "mcp.shared.dispatcher",
    "mcp.shared.jsonrpc_dispatcher",
    "httpx2",
    "httpcore2.connection",
    "httpcore2.http11",
    "httpcore2.http2",
    "httpcore2.proxy",
    "httpcore2.socks",
)

_is_ours: ContextVar[bool] = ContextVar("_is_ours", default=False)


@contextmanager
def quiet() -> Iterator[None]:
    """Drop what these loggers are told in a block, and in the tasks that it starts.

    What an application does with the same libraries by itself is logged as it was.
    """
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_is_not_ours)  # adding it again changes nothing
    token = _is_ours.set(True)
    try:
        yield
    finally:
        _is_ours.reset(token)


def _is_not_ours(_: logging.LogRecord) -> bool:
    return not _is_ours.get()
