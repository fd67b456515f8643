"""Every crash test has stages of its own, and leaves no process behind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from sojourn import ids
from tests.support.server import DevServer
from tests.support.stage import Stage

NewStage = Callable[[], Awaitable[Stage]]


@pytest.fixture
async def new_stage(server: DevServer, tmp_path: Path) -> AsyncIterator[NewStage]:
    """Make stages: sessions of the shop, each on a queue and a store of its own."""
    with ExitStack() as workers:

        async def make() -> Stage:
            folder = tmp_path / ids.mint("stage")
            folder.mkdir()
            stage = await Stage.set_up(server.address, folder)
            workers.enter_context(stage.workers)
            return stage

        yield make


@pytest.fixture
async def stage(new_stage: NewStage) -> Stage:
    """One stage."""
    return await new_stage()
