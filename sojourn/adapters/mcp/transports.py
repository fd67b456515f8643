"""Reaching a server: by starting it, or over HTTP."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta

import httpx2
from mcp.client._transport import TransportStreams  # pyright: ignore[reportPrivateImportUsage]
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

from sojourn.adapters.mcp.http import McpHttpClient
from sojourn.adapters.mcp.last_words import LastWords
from sojourn.adapters.mcp.target import Target

# One answer, images in it included.
MAX_EVENT_BYTES = 64_000_000


def dial(
    target: Target, patience: timedelta, words: LastWords
) -> AbstractAsyncContextManager[TransportStreams]:
    """Return the connection to enter: in one task, which leaves it too.

    Args:
        target: the server.
        patience: how long to wait until it takes a connection.
        words: gets what a started server writes to its standard error.
    """
    return _started(target, words) if target.command else _reached(target, patience)


@asynccontextmanager
async def _started(target: Target, words: LastWords) -> AsyncGenerator[TransportStreams, None]:
    server = StdioServerParameters(
        command=target.program,
        args=list(target.command[1:]),
        env=dict(target.env),
        cwd=target.cwd,
        encoding_error_handler="replace",
    )
    async with words.heard() as stderr, stdio_client(server, errlog=stderr) as streams:
        stderr.close()  # the server has its own; ours would keep the pipe open after its end
        yield streams


@asynccontextmanager
async def _reached(target: Target, patience: timedelta) -> AsyncGenerator[TransportStreams, None]:
    # A tool's own timeout bounds its answer: a silent stream is no broken one.
    timeout = httpx2.Timeout(patience.total_seconds(), read=None)
    async with (
        McpHttpClient(headers=dict(target.headers), timeout=timeout) as client,
        streamable_http_client(
            target.url, http_client=client, max_sse_event_size=MAX_EVENT_BYTES
        ) as streams,
    ):
        yield streams
