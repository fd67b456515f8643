"""The plugin: what it adds to a client and a worker, and what it leaves as it was."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest
from temporalio import activity, workflow
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import (
    DataConverter,
    DefaultPayloadConverter,
    PayloadCodec,
)
from temporalio.worker import Replayer, Worker
from typing_extensions import override

from sojourn.errors import InvalidInput, UnknownSession
from sojourn_worker import SojournPlugin
from sojourn_worker.client import SessionClient
from sojourn_worker.converter import with_pydantic
from sojourn_workflows import options
from tests.support.scene import Scene

pytestmark = pytest.mark.server

SAID = "MARK-1"


@activity.defn
async def greet(name: str) -> str:
    """Greet."""
    return f"hello {name}"


@workflow.defn(sandboxed=False)
class Greeting:
    """A workflow of the user's own."""

    @workflow.run
    async def run(self, name: str) -> str:
        """Greet by an activity."""
        return await workflow.execute_activity(
            greet, name, start_to_close_timeout=timedelta(seconds=5)
        )


class Mirror(PayloadCodec):
    """A codec that writes payloads backwards."""

    @override
    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [
            Payload(metadata={"encoding": b"mirror"}, data=payload.SerializeToString()[::-1])
            for payload in payloads
        ]

    @override
    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [Payload.FromString(payload.data[::-1]) for payload in payloads]


class Own(DefaultPayloadConverter):
    """A payload converter of the user's own."""


async def test_a_worker_serves_other_workflows_too(scene: Scene) -> None:
    """Ours are added to what the user registered, and sessions run beside them."""
    client = await Client.connect(scene.server.address, plugins=[SojournPlugin(scene.app())])
    async with Worker(client, task_queue=scene.queue, workflows=[Greeting], activities=[greet]):
        session = SessionClient(client, task_queue=scene.queue).session(scene.session_id)
        greeted, answered = await asyncio.gather(
            client.execute_workflow(
                Greeting.run, "you", id=f"greet-{scene.session_id}", task_queue=scene.queue
            ),
            session.send("hello"),
        )

    assert (greeted, answered.text) == ("hello you", "you said hello")


async def test_a_users_codec_stays(scene: Scene) -> None:
    """Everything that goes into history passes it: the message cannot be read there."""
    converter = DataConverter(payload_codec=Mirror())
    client = await Client.connect(
        scene.server.address, data_converter=converter, plugins=[SojournPlugin(scene.app())]
    )
    async with Worker(client, task_queue=scene.queue):
        session = SessionClient(client, task_queue=scene.queue).session(scene.session_id)
        result = await session.send(SAID)
        history = b"".join(event.SerializeToString() for event in await scene.events())

    assert result.text == f"you said {SAID}"
    assert SAID.encode() not in history
    assert SAID[::-1].encode() in history


async def test_a_codec_without_the_plugin_stays_too(scene: Scene) -> None:
    """A session client keeps the codec of whatever client it is given."""
    converter = DataConverter(payload_codec=Mirror())
    app = scene.app()
    client = await Client.connect(
        scene.server.address, data_converter=converter, plugins=[SojournPlugin(app)]
    )
    bare = await Client.connect(scene.server.address, data_converter=converter)
    async with Worker(client, task_queue=scene.queue):
        session = SessionClient(bare, task_queue=scene.queue).session(scene.session_id)
        assert (await session.send(SAID)).text == f"you said {SAID}"


def test_only_the_default_payload_converter_is_replaced() -> None:
    """Pydantic's own stays; another one is refused, since sessions need pydantic's."""
    codec = Mirror()
    converter = with_pydantic(DataConverter(payload_codec=codec))

    assert converter.payload_codec is codec
    assert with_pydantic(converter) is converter
    assert with_pydantic(pydantic_data_converter) is pydantic_data_converter
    with pytest.raises(InvalidInput, match="Own is not pydantic's"):
        with_pydantic(DataConverter(payload_converter_class=Own))


async def test_a_client_with_an_unknown_payload_converter_is_refused(scene: Scene) -> None:
    """At the connection, not at the first message."""
    converter = DataConverter(payload_converter_class=Own)
    with pytest.raises(InvalidInput, match="derive it from PydanticPayloadConverter"):
        await Client.connect(
            scene.server.address, data_converter=converter, plugins=[SojournPlugin(scene.app())]
        )


async def test_a_client_without_plugin_or_store_reads_through_a_worker(scene: Scene) -> None:
    """Texts come through an activity of their own, and stay out of the session's history."""
    async with scene.playing():
        session = SessionClient(scene.client, task_queue=scene.queue).session(scene.session_id)
        with pytest.raises(UnknownSession):
            await session.show()
        turn = await session.submit(SAID)
        await turn.result()
        result = await session.send("hello", "t-1")
        view = await session.show()
        await session.park()
        outcome = await session.outcome("t-1")
        with pytest.raises(InvalidInput, match="needs the store"):
            await session.fork("chat-2")
        history = b"".join(event.SerializeToString() for event in await scene.events())

    assert result.text == "you said hello"
    assert [message.text for message in view.messages if message.role == "user"] == [SAID, "hello"]
    assert outcome.head_revision == 2
    assert b"you said" not in history


async def test_a_client_with_a_store_of_its_own_reads_from_it(scene: Scene, store_url: str) -> None:
    """It needs no worker for that, and closes what it opened."""
    async with scene.playing() as session:
        await session.send("hello")
    client = SessionClient(scene.client, task_queue=scene.queue, store=store_url)
    other = client.session(scene.session_id)

    assert (await other.show()).head_revision == 1
    assert await other.fork(f"{scene.session_id}-b") == f"{scene.session_id}-b"
    await client.close()


async def test_the_plugin_alone_opens_no_store(scene: Scene) -> None:
    """A worker that is given nothing to do, and a replayer, touch no file."""
    app = scene.app()
    plugin = SojournPlugin(app, store="sqlite:////no/such/folder/sojourn.db")
    client = await Client.connect(scene.server.address, plugins=[plugin])
    async with Worker(client, task_queue=scene.queue):
        pass
    Replayer(workflows=[], plugins=[SojournPlugin(app, store="sqlite:////no/such/folder/s.db")])


async def test_a_store_that_cannot_be_opened_is_told(scene: Scene) -> None:
    """The message is refused with the reason; the worker goes on."""
    plugin = SojournPlugin(scene.app(), store="sqlite:////no/such/folder/sojourn.db")
    client = await Client.connect(scene.server.address, plugins=[plugin])
    async with Worker(client, task_queue=scene.queue):
        session = SessionClient(client, task_queue=scene.queue).session(scene.session_id)
        with pytest.raises(Exception, match="cannot serve as a session store"):
            await session.send("hello")


async def test_defaults_that_would_slow_a_takeover_are_mended_and_others_stay(
    scene: Scene,
) -> None:
    """What the user set is not overwritten."""
    client = await Client.connect(scene.server.address, plugins=[SojournPlugin(scene.app())])
    mended = Worker(client, task_queue=scene.queue).config(active_config=True)
    own = Worker(
        client, task_queue="another", graceful_shutdown_timeout=timedelta(seconds=3)
    ).config(active_config=True)

    assert mended["sticky_queue_schedule_to_start_timeout"] == options.STICKY_TIMEOUT
    assert mended["max_heartbeat_throttle_interval"] == options.HEARTBEAT_THROTTLE
    assert own["graceful_shutdown_timeout"] == timedelta(seconds=3)
