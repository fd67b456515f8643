"""A server over streamable HTTP: its tools, its failures, and what becomes of calls meanwhile."""

from __future__ import annotations

import asyncio
import logging
import socket

import pytest
from pydantic import SecretStr

from sojourn.adapters.mcp.server import McpServer
from sojourn.errors import (
    InvalidInput,
    ResultUnserialisable,
    ToolLost,
    ToolRefused,
    ToolRetry,
    ToolTimedOut,
)
from sojourn.mcp import FromEnv
from tests.mcp.http_making import HttpServer
from tests.mcp.making import (
    TOKEN,
    call,
    connected,
    context,
    disconnected,
    moved,
    names,
    opened,
    tool_of,
)
from tests.support.server import free_port

ALL = ["die", "echo", "learn", "picture", "table", "wait"]


async def test_a_server_at_a_url_has_its_tools(http: HttpServer) -> None:
    """Text, structure and images come as over standard input and output."""
    async with opened(http.server()) as server:
        assert names(server) == ALL
        assert (await call(server, "echo", {"text": "hello"})).value == "hello"
        assert (await call(server, "table")).value == {"a": 1}
        assert (await call(server, "picture")).value == {
            "content": ["[image/png, 14 bytes: not kept, since this app keeps no attachments]"]
        }


async def test_many_calls_at_once_find_their_answers(http: HttpServer) -> None:
    """A slow call holds nobody up."""
    async with opened(http.server()) as server:
        slow = asyncio.create_task(call(server, "wait"))
        await http.noted("waiting")
        texts = [f"call {number}" for number in range(20)]
        quick = await asyncio.gather(*(call(server, "echo", {"text": each}) for each in texts))
        assert not slow.done()
        http.flag("go")
        assert (await slow).value == "done"

    assert [each.value for each in quick] == texts


async def test_a_call_that_takes_too_long_is_cancelled_at_the_url_too(http: HttpServer) -> None:
    """The tool's own timeout ends it here, and the server is told."""
    async with opened(http.server(timeout=0.3)) as server:
        result = await call(server, "wait")
        await http.noted("cancelled")

    assert isinstance(result.failure, ToolTimedOut)


async def test_a_list_that_changes_is_heard_of(http: HttpServer) -> None:
    """The notice comes by the stream that the server keeps open."""
    async with opened(http.server(deny=[])) as server:
        revision = server.revision
        await call(server, "learn")
        await moved(server, revision)

        assert "taught" in names(server)


async def test_a_list_is_looked_at_again_without_a_notice(http: HttpServer) -> None:
    """A server whose notices get lost is asked now and then."""
    async with opened(http.server(deny=["learn"])) as other:
        async with opened(http.server(keepalive=0.2)) as server:
            revision = server.revision
            http.flag("ill", "500")
            await disconnected(server, "it cannot be reached (HTTP 500)")
            http.unflag("ill")
            await moved(server, revision + 1)
        assert other.state.is_connected


async def test_a_server_that_dies_in_a_call_may_have_run_it(http: HttpServer) -> None:
    """And one that is gone before it was asked has not: the two are told apart."""
    async with opened(http.server()) as server:
        held = tool_of(server, "echo")
        result = await call(server, "die")
        http.stop()
        with pytest.raises(ToolRetry):
            await held.call({"text": "on"}, context())
        await disconnected(server, "it cannot be reached (ConnectError)")
        assert names(server) == []
        http.start()
        await connected(server)
        assert names(server) == ALL

    assert isinstance(result.failure, ToolLost)
    assert len(http.lines("written")) == 1


async def test_a_server_that_was_started_anew_has_done_nothing(http: HttpServer) -> None:
    """It knows nothing of the connection: the call may be tried again, on another one."""
    async with opened(http.server()) as server:
        held = tool_of(server, "echo")
        http.stop()
        http.start()
        with pytest.raises(ToolRetry, match="started anew"):
            await held.call({"text": "on"}, context())

        assert (await held.call({"text": "on"}, context())).value == "on"


async def test_a_forgotten_session_is_told_in_two_ways(
    http: HttpServer,
) -> None:
    """By 404, as the protocol has it, and by 400 with a word about the session, as some do."""
    async with opened(http.server()) as server:
        http.flag("forget")
        with pytest.raises(ToolRetry, match="started anew"):
            await call(server, "echo", {"text": "on"})

        assert (await call(server, "echo", {"text": "on"})).value == "on"


async def test_an_answer_that_cannot_be_read_is_no_refusal(http: HttpServer) -> None:
    """The tool has run, for all that anybody knows; what it answered is not kept."""
    async with opened(http.server()) as server:
        held = tool_of(server, "echo")
        http.flag("babble")
        result = await held.call({"text": "on"}, context())

    assert isinstance(result.failure, ResultUnserialisable)


@pytest.mark.parametrize(
    ("status", "kind", "told"),
    [(429, ToolRefused, "HTTP 429"), (503, ToolLost, "broke off")],
    ids=["refused", "unclear"],
)
async def test_an_http_status_says_whether_a_call_was_refused(
    http: HttpServer, status: int, kind: type[Exception], told: str
) -> None:
    """What a gateway says after it took the request proves nothing; what refuses it does."""
    async with opened(http.server()) as server:
        held = tool_of(server, "echo")
        http.flag("ill", str(status))
        result = await held.call({"text": "on"}, context())

    assert isinstance(result.failure, kind)
    assert told in str(result.failure)


async def test_a_server_that_lets_nobody_in_says_so(http: HttpServer) -> None:
    """The status is told, without the server's words."""
    async with opened(http.server(headers={})) as server:
        assert server.state.reason == "it refused (HTTP 401)"


async def test_a_hanging_url_holds_an_opening_up_for_its_deadline_only() -> None:
    """A port that takes connections and says nothing is no server."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/mcp"
        async with (
            asyncio.timeout(20),
            opened(McpServer("mute", url=url, open_timeout=0.3)) as server,
        ):
            await disconnected(server, "it did not answer within 0.3 s")


@pytest.mark.parametrize(
    "options",
    [
        {"headers": {"Authorization": FromEnv("CRM_TOKEN", prefix="Bearer ")}},
        {"headers": {"Authorization": SecretStr(f"Bearer {TOKEN}")}},
        {"url": "http://127.0.0.1:{port}/mcp?token={token}", "headers": {}},
        {"url": FromEnv("CRM_URL"), "headers": {}},
    ],
    ids=["variable", "secret", "query", "whole url"],
)
async def test_secrets_of_a_url_are_not_shown(
    http: HttpServer,
    options: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """However they are given: not in logs at any level, nor in what the source says of itself."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("CRM_TOKEN", TOKEN)
    monkeypatch.setenv("CRM_URL", f"{http.url}?token={TOKEN}")
    if isinstance(url := options.get("url"), str):
        options = options | {"url": url.format(port=http.port, token=TOKEN)}
    source = http.server(**options)

    async with opened(source) as server:
        assert (await call(server, "echo", {"text": TOKEN})).value == "[secret]"
        http.stop()
        with pytest.raises(ToolRetry) as failed:
            await tool_of(server, "echo").call({"text": "on"}, context())
        await disconnected(server)

    told = [repr(source), repr(source.state), str(failed.value), caplog.text]
    assert [text for text in told if TOKEN in text] == []


async def test_a_missing_variable_is_named(http: HttpServer) -> None:
    """It is the host's mistake, and no server will mend it."""
    source = McpServer("crm", url=http.url, headers={"A": FromEnv("NOBODY_SETS_THIS")})

    with pytest.raises(InvalidInput, match="wants the environment variable NOBODY_SETS_THIS"):
        await source.open()


async def test_nobody_at_a_port_is_said_to_be_unreachable() -> None:
    """And holds nothing up."""
    url = f"http://user:{TOKEN}@127.0.0.1:{free_port()}/mcp?key={TOKEN}#x"
    source = McpServer("nobody", url=url)

    async with opened(source) as server:
        assert server.state.reason == "it cannot be reached (ConnectError)"
    assert TOKEN not in repr(source)
