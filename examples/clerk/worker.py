"""A worker of the demo, in a process of its own: `python -m examples.clerk.worker STAGE APP QUEUE`.

It is an ordinary worker, but for two things: its model is metered, and its probe can stop it.
"""

from __future__ import annotations

import asyncio
import dataclasses
import sys
from pathlib import Path

from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.worker import Worker

from examples.clerk.meter import MeteredModel
from examples.clerk.stage import Stage
from examples.clerk.stopping import StopOnce
from sojourn import Agent, App
from sojourn.ports import Probe
from sojourn_worker import SojournPlugin
from sojourn_worker.loading import load_app

READY = b"ready\n"


def staged_app(stage: Stage) -> App:
    """Load the stage's app, with a metered model and a probe that can stop the process."""
    app = load_app(stage.app)
    probe = StopOnce(stage)
    agents = [_metered(agent, stage, probe) for agent in app.agents]
    return dataclasses.replace(app, agents=agents, probe=probe, store=stage.store_url("temporal"))


def _metered(agent: Agent, stage: Stage, probe: Probe) -> Agent:
    if agent.provider is None:
        sys.exit("the demo works with the offline model: unset CLERK_MODEL")
    model = MeteredModel(agent.provider, stage.purchases, probe)
    return dataclasses.replace(agent, model=model)


async def work(stage: Stage) -> None:
    """Serve the stage's queue until standard input closes: no worker outlives its parent."""
    plugin = SojournPlugin(staged_app(stage))
    client = await Client.connect(**ClientConfig.load_client_connect_config(), plugins=[plugin])
    async with Worker(client, task_queue=stage.queue):
        sys.stdout.buffer.write(READY)
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(work(Stage(Path(sys.argv[1]), app=sys.argv[2], queue=sys.argv[3])))
