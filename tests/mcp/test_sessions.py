"""Sessions with the tools of servers, in this process."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path

import pytest
from pydantic import SecretStr

from sojourn.mcp import FromEnv
from sojourn.messages import CallStatus
from sojourn.view import SessionView
from tests.embedded.making import SESSION, Answers, app_of
from tests.mcp.making import PNG_ID, TOKEN, Raw, connected, disconnected
from tests.support.scene import calling


def answers(view: SessionView) -> list[object]:
    """Return what the tools of a session answered."""
    parts = (part for message in view.messages for part in message.parts)
    return [part["response"] for part in parts if part["type"] == "tool_call_response"]


async def test_a_session_calls_a_servers_tools(raw: Raw, store_url: str) -> None:
    """What the model asks for is run by the server, and kept with the conversation."""
    script = calling(("raw_echo", {"text": "one"}), ("raw_write", {"text": "two"}))
    app = app_of(store_url, script, sources=[raw.server(prefix="raw_")])

    async with app.open(SESSION) as session:
        await session.send("go")
        view = await session.show()

    assert answers(view) == ["one", "written"]
    assert raw.lines("written") == ["two"]
    assert view.tools.orphaned == ()


async def test_images_become_attachments(raw: Raw, store_url: str, tmp_path: Path) -> None:
    """The conversation has references; the bytes are where the app keeps them."""
    blobs = (tmp_path / "blobs").as_uri()
    app = app_of(store_url, calling(("picture", {})), sources=[raw.server()], blobs=blobs)

    async with app.open(SESSION) as session:
        await session.send("go")
        (answer,) = answers(await session.show())
        assert isinstance(answer, dict)
        image, blob = answer["content"][1], answer["content"][3]
        assert await session.attachments.get(image["attachment_id"]) == b"\x89PNG and so on"

    assert image == {"attachment_id": PNG_ID, "media_type": "image/png", "size_bytes": 14}
    assert blob == {"uri": "file:///a.bin", "attachment": image}
    assert answer["content"][2] == "[audio/wav: not kept, since it is not Base64]"
    assert answer["content"][4:] == [
        {"uri": "file:///a.txt", "text": "hello"},
        {"uri": "file:///b", "name": "b", "description": ""},
    ]
    assert answer["structured"] == {"seen": 1}


async def test_an_app_without_blobs_is_told_what_it_misses(raw: Raw, store_url: str) -> None:
    """The tool has run: its result says that the bytes are not there, and the rest is."""
    app = app_of(store_url, calling(("picture", {})), sources=[raw.server()])

    async with app.open(SESSION) as session:
        await session.send("go")
        (answer,) = answers(await session.show())

    assert isinstance(answer, dict)
    assert answer["content"][:2] == [
        "look",
        "[image/png, 14 bytes: not kept, since this app keeps no attachments]",
    ]


@pytest.mark.parametrize(
    ("idempotent", "expected"), [([], ["unknown"]), (["crash"], ["failed"])], ids=["once", "often"]
)
async def test_a_server_that_dies_in_a_call_is_recorded_truthfully(
    raw: Raw, store_url: str, idempotent: Sequence[str], expected: list[str]
) -> None:
    """A tool that may have run is not said to have failed; one that may run again is run again."""
    source = raw.server(idempotent=idempotent, attempts=2)
    app = app_of(store_url, calling(("crash", {})), sources=[source])

    async with app.open(SESSION) as session:
        result = await session.send("go")

    assert [call.status.value for call in result.tool_calls] == expected
    assert raw.lines("written") == ["crash"] * (1 + len(idempotent))


async def test_tools_of_a_dead_server_are_orphaned_and_come_back(raw: Raw, store_url: str) -> None:
    """A session goes on without them, in the next process too, and has them when it answers."""
    source = raw.server()
    model = Answers("first", "second", [("echo", {"text": "back"})], "third")
    async with app_of(store_url, model, sources=[source]).open(SESSION) as session:
        await session.send("one")
        assert (await session.show()).tools.orphaned == ()
        raw.flag("refuse")
        raw.kill()
        await disconnected(source)
        await session.send("two")
        known = (await session.show()).tools
        assert len(known.orphaned) == 10

    source = raw.server()
    async with app_of(store_url, model, sources=[source]).open(SESSION) as session:
        assert (await session.show()).tools == known
        raw.unflag("refuse")
        await connected(source)
        result = await session.send("three")
        tools = (await session.show()).tools

    assert result.text == "third"
    assert [call.status for call in result.tool_calls] == [CallStatus.DONE]
    assert tools.orphaned == ()
    assert tools.generation == known.generation + 1


async def test_secrets_are_nowhere_but_with_their_server(
    raw: Raw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A server that tells its secret to everybody finds nobody who writes it down."""
    monkeypatch.setenv("CRM_TOKEN", TOKEN)
    monkeypatch.setenv("OUTSIDE", TOKEN)
    caplog.set_level(logging.DEBUG)
    source = raw.server(env={"TOKEN": FromEnv("CRM_TOKEN")})
    script = Answers([("leak", {}), ("fail", {}), ("echo", {"text": "hi"})], "done")
    app = app_of(f"sqlite:///{tmp_path}/sojourn.db", script, sources=[source])

    async with app.open(SESSION) as session:
        await session.send("go")
        view = await session.show()
        described = [each.description for each in source.tools()]
        raw.flag("refuse")
        raw.kill()
        await disconnected(source)

    assert "[secret] and nothing" in json.dumps(answers(view))
    assert {"error": "no: [secret]"} in answers(view)
    assert "Does leak ([secret])." in described
    told = [view.model_dump_json(), repr(source), repr(source.state), repr(app), caplog.text]
    files = [path.read_bytes() for path in tmp_path.glob("sojourn.db*")]
    assert [text for text in told if TOKEN in text] == []
    assert [body for body in files if TOKEN.encode() in body] == []
    assert repr(raw.server(env={"A": SecretStr(TOKEN), "TOKEN": TOKEN})).count(TOKEN) == 0
