"""One session on a real server, with everything that a test looks at."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowHandle

from sojourn import Agent, App
from sojourn.embedded.session import EmbeddedSession
from sojourn.lease import LeaseTimings
from sojourn.messages import Message, ToolResponsePart
from sojourn.ports import ModelProvider, SessionStore
from sojourn.testing import ScriptedModel
from sojourn.tools import AnyTool
from sojourn.view import SessionView, view_session
from sojourn_worker import SojournPlugin
from sojourn_worker.client import SessionClient
from sojourn_worker.client_session import ClientSession
from tests.support.gate import PATIENCE
from tests.support.running import running
from tests.support.server import DevServer

# A dead owner's lease is missed soon; a live one's is renewed twice before.
QUICK = LeaseTimings(ttl=timedelta(seconds=1.5), renew_interval=timedelta(seconds=0.5))

Script = Callable[[Sequence[Message]], Any]

LOOK_SECONDS = 0.01


async def until(is_so: Callable[[], Awaitable[bool]]) -> None:
    """Look until it is so."""
    async with asyncio.timeout(PATIENCE):
        while not await is_so():
            await asyncio.sleep(LOOK_SECONDS)


def echo(messages: Sequence[Message]) -> str:
    """Answer with what was said."""
    return f"you said {messages[-1].text}"


def calling(*calls: tuple[str, Mapping[str, Any]]) -> Script:
    """Return a script that calls tools at each message, and then tells what came of them."""

    def script(messages: Sequence[Message]) -> Any:
        if messages[-1].role == "user":
            return list(calls)
        return repr([response.response for response in responses(messages)])

    return script


def responses(messages: Sequence[Message]) -> list[ToolResponsePart]:
    """Return the tool responses since the last message of the user."""
    since = max(i for i, message in enumerate(messages) if message.role == "user")
    return [part for message in messages[since:] for part in message.tool_responses]


@dataclass
class Scene:
    """A session of the test's own: its store, its queue, its workflow.

    Attributes:
        bounds: what the session's client is made with.
        worker_options: what its workers are made with.
    """

    server: DevServer
    queue: str
    session_id: str
    store: SessionStore
    client: Client
    bounds: dict[str, Any] = field(default_factory=dict)
    worker_options: dict[str, Any] = field(default_factory=dict)
    timings: LeaseTimings = field(default_factory=LeaseTimings)

    def many(self, count: int) -> int:
        """Return `count`, or a third of it where each task replays all that went before."""
        return count if self.worker_options.get("max_cached_workflows", 1) else count // 3

    def app(self, script: Script | ModelProvider = echo, *tools: AnyTool, **agent: Any) -> App:
        """Return an app of one agent, on the scene's store."""
        model = ScriptedModel(script) if callable(script) else script
        return App(
            agents=[Agent("clerk", model=model, **agent)],
            tools=tools,
            store=self.store,
            timings=self.timings,
            heartbeat_timeout=timedelta(seconds=2),
        )

    @asynccontextmanager
    async def played_by(self, app: App) -> AsyncIterator[ClientSession]:
        """Run a worker of `app` and yield the session."""
        async with running(
            self.server, self.queue, app, bounds=self.bounds, **self.worker_options
        ) as client:
            yield client.session(self.session_id)

    def playing(
        self, script: Script | ModelProvider = echo, *tools: AnyTool, **agent: Any
    ) -> AbstractAsyncContextManager[ClientSession]:
        """Run a worker of an app made of these and yield the session."""
        return self.played_by(self.app(script, *tools, **agent))

    def embedded(self) -> AbstractAsyncContextManager[EmbeddedSession]:
        """Open the same session in this process: another owner."""
        return self.app().open(self.session_id)

    async def from_afar(self, **bounds: Any) -> ClientSession:
        """Return the session as another client of the same app sees it."""
        client = await Client.connect(self.server.address, plugins=[SojournPlugin(self.app())])
        made = SessionClient(client, task_queue=self.queue, **(self.bounds | bounds))
        return made.session(self.session_id)

    async def waiting_call(self, session: ClientSession) -> str:
        """Return the id of the call that waits for a person, once there is one."""

        async def waits() -> bool:
            return bool((await session.status()).approvals)

        await until(waits)
        return next(iter((await session.status()).approvals))

    @property
    def handle(self) -> WorkflowHandle[Any, Any]:
        """The newest run of the session's workflow."""
        return self.client.get_workflow_handle(f"session/{self.session_id}")

    async def run_id(self) -> str:
        """Return the id of the newest run."""
        return (await self.handle.describe()).run_id or ""

    async def chain(self) -> list[str]:
        """Return the runs that continued one another up to the newest, which comes first."""
        runs = [await self.run_id()]
        while before := _continued(await self.events(runs[-1])):
            runs.append(before)
        return runs

    async def events(self, run_id: str | None = None) -> list[HistoryEvent]:
        """Return a run's history, the newest run's by default."""
        handle = self.client.get_workflow_handle(f"session/{self.session_id}", run_id=run_id)
        return list((await handle.fetch_history()).events)

    async def is_open(self) -> bool:
        """Tell whether a run of the session's workflow is open."""
        status = (await self.handle.describe()).status
        return status is not None and status.name == "RUNNING"

    async def texts(self) -> list[str]:
        """Return what the user said, as the store has it."""
        return [m.text for m in (await self.view()).messages if m.role == "user"]

    async def view(self) -> SessionView:
        """Return the session as its store has it."""
        return await view_session(self.store, self.session_id)


def _continued(events: Sequence[HistoryEvent]) -> str:
    return events[0].workflow_execution_started_event_attributes.continued_execution_run_id
