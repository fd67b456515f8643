"""Record the histories that test_replay.py replays: `python -m tests.replay.record [NAME...]`.

Run it for a release, under a new folder, when workflows may do something that they did not do
before. Never record an older folder anew: it stands for histories that are out in the world.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio.client import Client
from temporalio.worker import Worker

from sojourn import Agent, App, tool
from sojourn.adapters.blobs.folder import FolderBlobs
from sojourn.chores import UpkeepPolicy
from sojourn.errors import ModelUnavailable
from sojourn.messages import Message
from sojourn.models import ModelSpec
from sojourn.testing import ScriptedModel
from sojourn_worker import ClientSession, SessionClient, SojournPlugin
from sojourn_workflows import options
from sojourn_workflows.upkeep import UpkeepWorkflow
from tests.support.neglected import waste
from tests.support.server import DevServer

FOLDER = Path(__file__).parent / "histories" / "0.1.0"
QUEUE = "sojourn"
UPKEEP_ID = f"{options.UPKEEP_ID_PREFIX}{QUEUE}"


@tool(idempotent=True)
def look(at: str) -> str:
    """Look at something."""
    return f"{at} is there"


@tool
def post(amount: int) -> str:
    """Post an amount."""
    return f"posted {amount}"


@tool(approval=True)
def pay(amount: int) -> str:
    """Pay an amount, if a person says so."""
    return f"paid {amount}"


class Script:
    """Answers by what the user says; `hang` waits until the turn is cancelled."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.failures = 0

    async def __call__(self, messages: Sequence[Message]) -> Any:
        """Answer."""
        if messages[-1].role != "user":
            return "It is done."
        match messages[-1].text:
            case "tools":
                return [("look", {"at": "invoice 1"}), ("post", {"amount": 5}), ("nothing", {})]
            case "pay" | "refuse":
                return [("pay", {"amount": 7})]
            case "hang":
                self.asked.set()
                await asyncio.Event().wait()
            case "fail once" if not self.failures:
                self.failures += 1
                raise ModelUnavailable(model="scripted", reason="it is asked again")
        return "Yes."


@dataclass
class Studio:
    """A session of its own for one recording."""

    client: Client
    script: Script
    session: ClientSession
    blobs: FolderBlobs

    async def approvals(self) -> str:
        """Wait for a call that waits for a person, and return its id."""
        while not (waiting := (await self.session.status()).approvals):
            await asyncio.sleep(0.02)
        return next(iter(waiting))


async def plain(studio: Studio) -> None:
    """Record turns without tools, and a turn id sent twice."""
    await studio.session.send("hello", "turn-1")
    await studio.session.send("hello again", "turn-2")
    await studio.session.send("hello", "turn-1")


async def tools(studio: Studio) -> None:
    """Record calls in parallel, one of which no tool can serve."""
    await studio.session.send("tools", "turn-1")


async def cancel(studio: Studio) -> None:
    """Record a cancel in a model call, one in the queue, and one that comes too late."""
    hanging = await studio.session.submit("hang", "turn-1")
    await studio.script.asked.wait()
    queued = await studio.session.submit("hello", "turn-2")
    await queued.cancel()
    await hanging.cancel()
    await queued.result()
    await studio.session.send("hello", "turn-3")
    await studio.session.cancel("turn-3")


async def park(studio: Studio) -> None:
    """Record a park, with a message before and a return after."""
    await studio.session.send("hello", "turn-1")
    await studio.session.park()
    await studio.session.send("hello again", "turn-2")
    await studio.session.park()


async def retry(studio: Studio) -> None:
    """Record a model that is asked twice."""
    await studio.session.send("fail once", "turn-1")


async def approval(studio: Studio) -> None:
    """Record a call that a person approves, and one that a person refuses."""
    for text, answer in (("pay", studio.session.approve), ("refuse", studio.session.deny)):
        turn = await studio.session.submit(text)
        await answer(await studio.approvals())
        await turn.result()


async def continued(studio: Studio) -> None:
    """Record turns that go over into a fresh run."""
    for number in range(1, 5):
        await studio.session.send("hello", f"turn-{number}")


async def frames(studio: Studio) -> None:
    """Record a session that is compacted by itself and by hand, and changed in between."""
    for number in range(1, 4):
        await studio.session.send("x" * 1_000, f"turn-{number}")
    await studio.session.configure(disable=["pay"])
    await studio.session.compact()
    await studio.session.open_frame("a frame of its own")
    await studio.session.send("hello", "turn-4")


async def upkeep(studio: Studio) -> None:
    """Record a run that has something to do, and a chore that is refused."""
    await studio.session.send("hello", "turn-1")
    await studio.session.send("hello again", "turn-2")
    await studio.session.park()
    await waste(studio.blobs, 1)
    policy = UpkeepPolicy(journals_days=0, receipts_days=0, orphans_days=0, blobs_days=0)
    await studio.client.execute_workflow(UpkeepWorkflow.run, policy, id=UPKEEP_ID, task_queue=QUEUE)


RECORDINGS: dict[str, Callable[[Studio], Awaitable[None]]] = {
    "plain": plain,
    "tools": tools,
    "cancel": cancel,
    "park": park,
    "retry": retry,
    "approval": approval,
    "continued": continued,
    "frames": frames,
    "upkeep": upkeep,
}


def _agent(name: str, script: Script) -> Agent:
    spec = ModelSpec("scripted:clerk", context_window_tokens=1_000) if name == "frames" else None
    share = 0.5 if spec else None
    return Agent("clerk", model=ScriptedModel(script, spec), compact_at=share)


@asynccontextmanager
async def studio(server: DevServer, name: str, folder: Path) -> AsyncIterator[Studio]:
    """Run a worker and a client that name neither a host nor a person."""
    script, blobs = Script(), FolderBlobs(folder / "blobs")
    app = App(
        agents=[_agent(name, script)],
        tools=[look, post, pay],
        store=f"sqlite:///{folder}/{name}.db",
        blobs=blobs,
    )
    client = await Client.connect(server.address, plugins=[SojournPlugin(app)], identity="sojourn")
    async with Worker(client, task_queue=QUEUE, identity="sojourn"):
        bounds = {"continue_after_events": 30} if name == "continued" else {}
        session = SessionClient(client, idle=timedelta(minutes=5), **bounds).session(name)
        yield Studio(client, script, session, blobs)


async def record(server: DevServer, name: str) -> None:
    """Play one recording and write the history of each of its runs."""
    with tempfile.TemporaryDirectory() as folder:
        async with studio(server, name, Path(folder)) as made:
            await RECORDINGS[name](made)
            workflow_id = UPKEEP_ID if name == "upkeep" else f"session/{name}"
            runs = [run async for run in made.client.list_workflows(f"WorkflowId='{workflow_id}'")]
            runs.sort(key=lambda run: run.start_time)
            for number, run in enumerate(runs, 1):
                handle = made.client.get_workflow_handle(run.id, run_id=run.run_id)
                history = await handle.fetch_history()
                # Stack traces of failed attempts say where the checkout was.
                text = history.to_json().replace(str(Path.cwd()), "")
                (FOLDER / f"{name}-{number}.json").write_text(text + "\n")


def main() -> None:
    """Record what is named, or everything."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with DevServer.started() as server:
        for name in sys.argv[1:] or RECORDINGS:
            asyncio.run(record(server, name))
            sys.stdout.write(f"{name} recorded\n")


if __name__ == "__main__":
    main()
