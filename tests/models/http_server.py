"""An OpenAI-compatible server (chat completions) on loopback that does what a script says.

`async with OpenAIServer([answer("hello"), failure(500)]) as server: ... server.base_url ...`
The script is a list of replies, given in order, or a function from `Asked` to a reply.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Self

USAGE = {
    "prompt_tokens": 100,
    "completion_tokens": 20,
    "total_tokens": 120,
    "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 10},
    "completion_tokens_details": {"reasoning_tokens": 5},
}


@dataclass(frozen=True)
class Asked:
    """A request as it came in."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The conversation that was sent."""
        messages: list[dict[str, Any]] = self.body["messages"]
        return messages

    @property
    def streams(self) -> bool:
        """Whether the client wants server-sent events."""
        return bool(self.body.get("stream"))


@dataclass(frozen=True)
class Exchange:
    """One request, and the connection to answer it on."""

    asked: Asked
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(
        self, status: int, body: bytes, headers: dict[str, str] | None = None, *, cut: int = 0
    ) -> None:
        """Send a whole response, or one that lacks its last `cut` bytes."""
        self._head(status, {"Content-Length": str(len(body)), **(headers or {})})
        self.writer.write(body[: len(body) - cut])
        await self.writer.drain()

    async def send_events(self, events: Iterable[bytes], *, end: bool = True) -> None:
        """Send server-sent events, chunked, so that a stream without its `end` is seen as cut."""
        self._head(200, {"Transfer-Encoding": "chunked"}, "text/event-stream")
        for event in events:
            data = b"data: " + event + b"\n\n"
            self.writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            await self.writer.drain()
        self.writer.write(b"0\r\n\r\n" if end else b"")
        await self.writer.drain()

    async def until_gone(self) -> None:
        """Wait until the client has closed the connection."""
        while await self.reader.read(1024):
            pass

    def _head(self, status: int, headers: dict[str, str], kind: str = "application/json") -> None:
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", f"Content-Type: {kind}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.writer.write("\r\n".join([*lines, "Connection: close", "", ""]).encode())


Reply = Callable[[Exchange], Awaitable[None]]


def answer(text: str = "", *calls: tuple[str, Any], **extra: Any) -> Reply:
    """Answer with a text and tool calls, streamed if the client wants it so.

    Args:
        text: the text; none if empty.
        calls: `(name, arguments)`; arguments that are a string go out as they stand.
        extra: `finish_reason`, `usage`, `call_ids`, or further fields of the message.
    """
    usage = extra.pop("usage", USAGE)
    finish = extra.pop("finish_reason", "tool_calls" if calls else "stop")
    ids = extra.pop("call_ids", [f"call_{index}" for index in range(len(calls))])
    message: dict[str, Any] = {"role": "assistant", "content": text or None, **extra}
    if calls:
        message["tool_calls"] = [
            {
                "id": call_id,
                "type": "function",
                "function": {"name": name, "arguments": _json(args)},
            }
            for call_id, (name, args) in zip(ids, calls, strict=True)
        ]

    async def reply(exchange: Exchange) -> None:
        if exchange.asked.streams:
            await exchange.send_events(_events(message, finish, usage))
        else:
            await exchange.send(200, _completion(message, finish, usage))

    return reply


def failure(
    status: int,
    code: str = "",
    message: str = "",
    *,
    headers: dict[str, str] | None = None,
) -> Reply:
    """Answer with an HTTP error in OpenAI's form."""
    error = {"message": message, "type": "error", "code": code or None, "param": None}

    async def reply(exchange: Exchange) -> None:
        await exchange.send(status, json.dumps({"error": error}).encode(), headers)

    return reply


def raw(body: bytes) -> Reply:
    """Answer 200 with a body that may be anything."""

    async def reply(exchange: Exchange) -> None:
        await exchange.send(200, body)

    return reply


def events(*data: bytes, end: bool = True) -> Reply:
    """Answer with server-sent events that may be anything."""

    async def reply(exchange: Exchange) -> None:
        await exchange.send_events(data, end=end)

    return reply


def cut(text: str = "never whole") -> Reply:
    """Begin an answer and drop the connection in mid-body, streaming or not."""
    message = {"role": "assistant", "content": text}

    async def reply(exchange: Exchange) -> None:
        if exchange.asked.streams:
            await exchange.send_events(list(_events(message, "stop", USAGE))[:2], end=False)
        else:
            await exchange.send(200, _completion(message, "stop", USAGE), cut=40)

    return reply


def hang(*first: str) -> Reply:
    """Accept the request, stream the words of `first` if any, and say nothing more."""

    async def reply(exchange: Exchange) -> None:
        if first:
            chunks = [_chunk({"content": word}) for word in first]
            await exchange.send_events(chunks, end=False)
        await exchange.until_gone()

    return reply


@dataclass
class OpenAIServer:
    """The server: records what it is asked, and counts the clients that left before an answer.

    Attributes:
        asked: the requests, in order.
        received: set when a request has come in.
        left: set when a client has closed a connection that `hang` held open.
    """

    script: Sequence[Reply] | Callable[[Asked], Reply]
    asked: list[Asked] = field(default_factory=list[Asked])
    received: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    base_url: str = ""

    async def __aenter__(self) -> Self:
        self._connections: set[asyncio.Task[None]] = set()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.base_url = f"http://127.0.0.1:{port}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            asked = await _read(reader)
            reply = self._next(asked)
            self.received.set()
            await reply(Exchange(asked, reader, writer))
            if reader.at_eof():
                self.left.set()
        except (ConnectionError, asyncio.IncompleteReadError):
            self.left.set()
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    def _next(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        if callable(self.script):
            return self.script(asked)
        return self.script[len(self.asked) - 1]


async def _read(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    pairs = (line.partition(": ") for line in head[1:] if line)
    headers = {name.lower(): value for name, _, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Asked(head[0].split(" ")[1], headers, json.loads(body or b"{}"))


def _json(arguments: Any) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


def _completion(message: dict[str, Any], finish: str | None, usage: Any) -> bytes:
    choice = {"index": 0, "message": message, "finish_reason": finish}
    completion = {"object": "chat.completion", "choices": [choice], "usage": usage}
    return json.dumps(_named(completion)).encode()


def _events(message: dict[str, Any], finish: str | None, usage: Any) -> Iterator[bytes]:
    yield _chunk({"role": "assistant"})
    if message.get("reasoning_content"):
        yield _chunk({"reasoning_content": message["reasoning_content"]})
    for word in re.findall(r"\S+\s*|\s+", message["content"] or ""):
        yield _chunk({"content": word})
    for index, call in enumerate(message.get("tool_calls", ())):
        name, arguments = call["function"]["name"], call["function"]["arguments"]
        half = len(arguments) // 2
        first = {"name": name, "arguments": arguments[:half]}
        yield _chunk({"tool_calls": [{**call, "index": index, "function": first}]})
        rest = {"arguments": arguments[half:]}
        yield _chunk({"tool_calls": [{"index": index, "function": rest}]})
    yield _chunk({}, finish)
    yield json.dumps(
        _named({"object": "chat.completion.chunk", "choices": [], "usage": usage})
    ).encode()
    yield b"[DONE]"


def _chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return json.dumps(_named({"object": "chat.completion.chunk", "choices": [choice]})).encode()


def _named(body: dict[str, Any]) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "created": 1_700_000_000, "model": "scripted-1", **body}
