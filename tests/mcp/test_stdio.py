"""A server that is started here: its tools, its end, and what becomes of calls meanwhile."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sojourn.adapters.mcp.link import SHORTEST_PAUSE
from sojourn.errors import (
    ResultTooLarge,
    ResultUnserialisable,
    ToolLost,
    ToolRefused,
    ToolRetry,
    ToolTimedOut,
)
from sojourn.messages import CallStatus
from tests.mcp.making import (
    Raw,
    call,
    connected,
    context,
    disconnected,
    is_running,
    moved,
    names,
    opened,
    tool_of,
)

ALL = ["crash", "echo", "fail", "garbage", "huge", "leak", "picture", "rename", "wait", "write"]


async def test_an_open_server_has_the_tools_of_all_its_pages(raw: Raw) -> None:
    """A list that comes in pages is read to its end, and sorted by name."""
    async with opened(raw.server()) as server:
        assert names(server) == ALL
        assert [each.tool_id for each in server.tools()] == [f"raw/{name}" for name in ALL]
        assert server.state.is_connected


async def test_a_call_returns_what_the_server_answers(raw: Raw) -> None:
    """A text comes as a text."""
    async with opened(raw.server()) as server:
        result = await call(server, "echo", {"text": "hello"})

    assert (result.status, result.value) == (CallStatus.DONE, "hello")


async def test_only_what_is_allowed_and_not_denied_is_taken(raw: Raw) -> None:
    """Both lists are patterns of the server's names, and a denied tool cannot be resolved."""
    server = raw.server(allow=["w*", "echo"], deny=["writ?"])

    async with opened(server):
        assert names(server) == ["echo", "wait"]
        assert server.resolve("raw/write") is None
        assert server.resolve("raw/echo") is not None


async def test_terms_are_the_hosts_and_hints_count_only_from_a_trusted_server(raw: Raw) -> None:
    """A server's word that a tool does no harm is nothing, unless the host believes it."""
    plain = raw.server(prefix="r_", idempotent=["write"], approval=["cr*"], timeout=5)

    async with opened(plain) as server:
        assert tool_of(server, "r_write").options.idempotent
        assert tool_of(server, "r_crash").options.approval
        assert not tool_of(server, "r_echo").options.idempotent
        assert tool_of(server, "r_echo").options.timeout.total_seconds() == 5
    async with opened(raw.server(trust_hints=True)) as server:
        assert tool_of(server, "echo").options.idempotent
        assert not tool_of(server, "write").options.idempotent


async def test_what_a_server_calls_an_error_is_a_failure_in_its_own_words(raw: Raw) -> None:
    """The model reads the server's text; the error's message, which logs may have, is without."""
    async with opened(raw.server()) as server:
        said = await call(server, "fail")
        gone = tool_of(server, "echo")
        raw.flag("names", "other")
        refused = await gone.call({}, context())

    assert said.error == "no: "
    assert str(said.failure) == "The tool 'fail' answered with an error: it says that it failed."
    assert refused.error == "what is echo?"
    assert isinstance(refused.failure, ToolRefused)
    assert str(refused.failure) == "The tool 'echo' answered with an error: MCP error -32602."


async def test_a_result_that_is_none_ran_and_was_not_kept(raw: Raw) -> None:
    """Garbage and too much of anything are told apart from a tool that did not run."""
    async with opened(raw.server(max_result_bytes=1000)) as server:
        garbage = await call(server, "garbage")
        huge = await call(server, "huge", {"size": 100_000})

    assert isinstance(garbage.failure, ResultUnserialisable)
    assert isinstance(huge.failure, ResultTooLarge)


async def test_many_calls_share_the_connection(raw: Raw) -> None:
    """Answers find their calls, in whatever order they come, and a slow one holds nobody up."""
    async with opened(raw.server()) as server:
        slow = asyncio.create_task(call(server, "wait"))
        texts = [f"call {number}" for number in range(50)]
        quick = await asyncio.gather(*(call(server, "echo", {"text": each}) for each in texts))
        assert not slow.done()
        raw.flag("go")
        assert (await slow).value == "done"

    assert [each.value for each in quick] == texts
    assert len(raw.lines("pids")) == 1


async def test_a_call_that_takes_too_long_is_cancelled_at_the_server(raw: Raw) -> None:
    """The tool's own timeout ends it here, and the server is told."""
    async with opened(raw.server(timeout=0.2)) as server:
        result = await call(server, "wait")
        await raw.noted("cancelled")

    assert isinstance(result.failure, ToolTimedOut)


async def test_a_cancelled_call_is_cancelled_at_the_server(raw: Raw) -> None:
    """Cancelling passes through, and the connection goes on."""
    async with opened(raw.server()) as server:
        running = asyncio.create_task(call(server, "wait"))
        await raw.noted("waiting")
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await raw.noted("cancelled")

        assert (await call(server, "echo", {"text": "on"})).value == "on"


async def test_a_server_that_dies_in_a_call_leaves_it_open_whether_it_ran(raw: Raw) -> None:
    """The request had been sent, so nobody claims that nothing was done; the server comes back."""
    async with opened(raw.server()) as server:
        result = await call(server, "crash")
        again = await call(server, "echo", {"text": "back"})

    assert isinstance(result.failure, ToolLost)
    assert "it may have run" in str(result.failure)
    assert again.value == "back"
    assert len(raw.lines("pids")) == 2


async def test_a_killed_server_is_started_again_and_its_tools_work_as_before(raw: Raw) -> None:
    """A tool that a session holds outlives the connection that it came by."""
    async with opened(raw.server()) as server:
        held = tool_of(server, "echo")
        raw.kill()
        await raw.noted("pids", 2)

        assert (await held.call({"text": "still"}, context())).value == "still"
        assert tool_of(server, "echo") is held


async def test_a_server_that_is_down_has_no_tools_and_says_why(raw: Raw) -> None:
    """A call of a tool from before says that nothing was sent, and that it may be tried again."""
    raw.flag("go")
    async with opened(raw.server()) as server:
        held = tool_of(server, "echo")
        raw.flag("refuse")
        raw.kill()
        await disconnected(server)
        before = server.revision

        with pytest.raises(ToolRetry, match="MCP server 'raw' is not connected"):
            await held.call({"text": "on"}, context())
        assert names(server) == []
        assert server.resolve("raw/echo") is None
        await raw.noted("pids", 3)
        raw.unflag("refuse")
        await connected(server)
        assert names(server) == ALL
        assert server.revision > before


async def test_a_server_that_knows_no_handshake_is_met_without(raw: Raw) -> None:
    """As the protocol of 2026-07-28 has it; its list is looked at now and then."""
    raw.flag("modern")

    async with opened(raw.server(keepalive=0.2)) as server:
        assert names(server) == ALL
        assert (await call(server, "echo", {"text": "hello"})).value == "hello"
        revision = server.revision
        raw.flag("names", "shout")
        await moved(server, revision)
        assert "shout" in names(server)


async def test_a_server_that_cannot_start_says_why(raw: Raw) -> None:
    """What it wrote to its standard error helps whoever looks, and holds nothing up."""
    raw.flag("refuse")

    async with opened(raw.server()) as server:
        reason = server.state.reason

    assert reason == "it ended before it answered (it wrote: I do not want to)"


async def test_a_server_that_hangs_holds_an_opening_up_for_its_deadline_only(raw: Raw) -> None:
    """It has no tools until it answers; closing does not wait for it."""
    raw.flag("mute")

    async with asyncio.timeout(30):
        async with opened(raw.server(open_timeout=2)) as server:
            await disconnected(server, "it did not answer within 2 s")
            assert names(server) == []
            raw.unflag("mute")
            await connected(server)
            assert names(server) == ALL


async def test_a_server_that_cannot_start_is_tried_again_ever_later(raw: Raw) -> None:
    """The pauses grow, from a quarter of a second at the least."""
    raw.flag("refuse")
    clock = asyncio.get_running_loop()

    async with opened(raw.server()):
        began = clock.time()
        await raw.noted("pids", 4)

    assert clock.time() - began > 0.25 + 0.5 + 1


async def test_a_server_that_is_busy_with_a_call_is_not_taken_for_dead(
    raw: Raw, tmp_path: Path
) -> None:
    """It is looked at when it has time; then a server that says nothing more is given up."""
    idle = Raw(tmp_path)  # which tells the time by being looked at as often
    async with (
        opened(raw.server(keepalive=0.1, open_timeout=2)) as server,
        opened(idle.server(keepalive=0.1)),
    ):
        await connected(server)
        running = asyncio.create_task(call(server, "wait"))
        await raw.noted("waiting")
        raw.flag("mute")
        await idle.noted("listed", len(idle.lines("listed")) + 30)
        assert server.state.is_connected
        raw.flag("go")
        assert (await running).value == "done"
        await disconnected(server, "it did not answer within 2 s")


async def test_a_tool_that_is_renamed_is_listed_again(raw: Raw) -> None:
    """`list_changed` moves the revision, and a list that says the same as before does not."""
    async with opened(raw.server()) as server:
        digest, revision = server.state.digest, server.revision
        await call(server, "rename", {"to": "shout"})
        await moved(server, revision)

        assert "shout" in names(server)
        assert "echo" not in names(server)
        assert server.state.digest != digest
        await call(server, "rename", {"to": "echo"})
        await moved(server, revision + 1)
        assert server.state.digest == digest


async def test_a_server_that_never_rests_is_not_asked_without_end(raw: Raw) -> None:
    """It says with each list that there is another: it is asked at once, and then by and by."""
    clock = asyncio.get_running_loop()
    async with opened(raw.server()) as server:
        raw.flag("restless")
        pages = len(raw.lines("listed"))
        began = clock.time()
        await call(server, "rename", {"to": "shout"})
        await raw.noted("listed", pages * 5)

    assert clock.time() - began > 3 * SHORTEST_PAUSE.total_seconds()


async def test_the_last_to_close_ends_the_process(raw: Raw) -> None:
    """One connection serves all hosts of a loop; nothing is left of it afterwards."""
    server = raw.server()

    async with opened(server):
        async with opened(server):
            pass
        assert (await call(server, "echo", {"text": "on"})).value == "on"
        pid = raw.pid
    assert not is_running(pid)
    assert names(server) == []
    assert len(raw.lines("pids")) == 1
    async with opened(server):
        assert names(server) == ALL


async def test_a_server_that_will_not_end_is_killed(raw: Raw) -> None:
    """It gets a while after its input has ended."""
    raw.flag("stay")

    async with opened(raw.server()):
        pid = raw.pid

    assert not is_running(pid)
