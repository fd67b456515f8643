"""The Temporal plugin: all that an existing client or worker fleet adds."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from temporalio.plugin import SimplePlugin
from temporalio.worker import WorkerConfig, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner
from typing_extensions import override

from sojourn.app import App
from sojourn.attachment_ports import BlobStore
from sojourn.ports import SessionStore
from sojourn_activities.reading import ReadActivities
from sojourn_activities.session import SessionActivities
from sojourn_activities.upkeep import UpkeepActivities
from sojourn_worker.converter import with_pydantic
from sojourn_worker.host_keeper import HostKeeper
from sojourn_workflows import options
from sojourn_workflows.session import SessionWorkflow
from sojourn_workflows.upkeep import UpkeepWorkflow

PASSED_THROUGH = ("sojourn", "sojourn_activities", "sojourn_workflows")
DEFAULT_STICKY = timedelta(seconds=10)
DEFAULT_THROTTLE = timedelta(seconds=60)
GRACE = timedelta(seconds=10)


class SojournPlugin(SimplePlugin):
    """Adds Sojourn's workflows, activities and data converter to a client and its workers.

    What the user set stays: a codec, other converters' codecs, interceptors, tuners. The store is
    opened at the first activity, so that replaying histories needs none.

    Args:
        app: the app, or None for a client that only talks to sessions.
        store: a store instead of the app's own.
        blobs: a blob store instead of the app's own.
    """

    def __init__(
        self,
        app: App | None = None,
        *,
        store: str | SessionStore | None = None,
        blobs: str | BlobStore | None = None,
    ) -> None:
        self.app = app
        self.keeper = HostKeeper(app, store, blobs) if app else None
        super().__init__(
            "sojourn.SojournPlugin",
            data_converter=with_pydantic,
            workflows=[SessionWorkflow, UpkeepWorkflow],
            activities=self._activities(),
            workflow_runner=_passing_through,
            run_context=self._run_context,
        )

    @override
    def configure_worker(self, config: WorkerConfig) -> WorkerConfig:
        """Register everything, and mend the defaults that would slow a takeover down."""
        config = super().configure_worker(config)
        if config.get("sticky_queue_schedule_to_start_timeout") == DEFAULT_STICKY:
            config["sticky_queue_schedule_to_start_timeout"] = options.STICKY_TIMEOUT
        if config.get("max_heartbeat_throttle_interval") == DEFAULT_THROTTLE:
            config["max_heartbeat_throttle_interval"] = options.HEARTBEAT_THROTTLE
        if config.get("graceful_shutdown_timeout") == timedelta(0):
            config["graceful_shutdown_timeout"] = GRACE
        return config

    def _activities(self) -> list[Callable[..., Any]]:
        if self.keeper is None:
            return []
        host = self.keeper.get
        turns, reads, upkeep = SessionActivities(host), ReadActivities(host), UpkeepActivities(host)
        of_turns: list[Callable[..., Any]] = [
            turns.begin,
            turns.step,
            turns.call,
            turns.commit,
            turns.compact,
            turns.open_frame,
            turns.configure,
            turns.park,
        ]
        return [*of_turns, reads.read, upkeep.upkeep]

    @asynccontextmanager
    async def _run_context(self) -> AsyncIterator[None]:
        if self.keeper is None:
            yield
            return
        async with self.keeper.used():
            yield


def _passing_through(runner: WorkflowRunner | None) -> WorkflowRunner:
    """Let our pure modules into the sandbox as they are: 46 KB a session instead of 367."""
    runner = runner or SandboxedWorkflowRunner()
    if not isinstance(runner, SandboxedWorkflowRunner):
        return runner
    restrictions = runner.restrictions.with_passthrough_modules(*PASSED_THROUGH)
    return dataclasses.replace(runner, restrictions=restrictions)
