"""An HTTP client that answers for itself when a server cannot: a failure ends one request alone.

The SDK's transport ends the whole connection, and every call on it, when one request fails.
"""

from __future__ import annotations

from typing import Any

import httpx2
from mcp_types import ErrorData, JSONRPCError
from pydantic_core import from_json
from typing_extensions import override

# Codes of our own, outside of what JSON-RPC reserves: no server can send them by a status of 200.
NOT_SENT = -31_901  # nobody took the request
LOST = -31_902  # it was taken, and no answer came
GONE = -31_903  # the server knows nothing of this connection any more: it did nothing
REFUSED = -31_904  # it answered with an HTTP status that refuses
OURS = frozenset({NOT_SENT, LOST, GONE, REFUSED})

CLOSING_SECONDS = 2.0
MAX_ERROR_BYTES = 100_000
_SESSION = "mcp-session-id"
_BAD_REQUEST, _NOT_FOUND, _SERVER_FAILED = 400, 404, 500


class McpHttpClient(httpx2.AsyncClient):
    """Turns what goes wrong with a POST into an answer of JSON-RPC with one of the codes here."""

    @override
    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Send a request; see the class."""
        if request.method not in {"GET", "POST"}:
            # The courtesy at the end, which a server that hangs must not hold up.
            request.extensions["timeout"] = httpx2.Timeout(CLOSING_SECONDS).as_dict()
        if request.method != "POST":
            return await super().send(request, **options)
        try:
            response = await super().send(request, **options)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
            return _answer(request, NOT_SENT, type(error).__name__)
        except httpx2.TransportError as error:
            return _answer(request, LOST, type(error).__name__)
        if response.status_code < _BAD_REQUEST:
            return response
        return await _explained(request, response)


async def _explained(request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
    """Return an answer in the place of one with a status that means a failure."""
    try:
        told = await _told(response)
    finally:
        await response.aclose()
    status = response.status_code
    if _SESSION in request.headers and _is_about_it(status, told):
        return _answer(request, GONE, f"HTTP {status}")
    code = LOST if status >= _SERVER_FAILED and not told else REFUSED
    return _answer(request, code, f"HTTP {status}{f': {told}' if told else ''}")


def _is_about_it(status: int, told: str) -> bool:
    """Tell whether a server has forgotten its session: by 404, or in words as some say it."""
    return status == _NOT_FOUND or (status == _BAD_REQUEST and "session" in told.lower())


async def _told(response: httpx2.Response) -> str:
    """Return what the server's own error says, if it says anything; some leave its id out."""
    body = b""
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > MAX_ERROR_BYTES:
            return ""
    try:
        parsed = from_json(body)
    except ValueError:
        return ""
    match parsed:
        case {"error": {"message": str(told)}}:
            return told
        case _:
            return ""


def _answer(request: httpx2.Request, code: int, message: str) -> httpx2.Response:
    error = JSONRPCError(jsonrpc="2.0", id=None, error=ErrorData(code=code, message=message))
    body = error.model_dump_json(by_alias=True).encode()
    headers = {"content-type": "application/json"}
    return httpx2.Response(_BAD_REQUEST, headers=headers, content=body, request=request)
