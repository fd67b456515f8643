"""Traces: off by default, on by the standard environment, and never in the way."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest

from sojourn.errors import InvalidInput
from sojourn_worker.telemetry import EXPORTER, telemetry_plugins
from tests.support.server import DevServer
from tests.support.worker_process import ROOT, SOURCES


async def traced(server: DevServer, queue: str, store_url: str, **env: str) -> tuple[str, str]:
    """Run a traced turn in a process of its own, and return what it printed and logged."""
    process = await asyncio.create_subprocess_exec(
        *(
            sys.executable,
            "-m",
            "tests.support.traced_main",
            server.address,
            queue,
            store_url,
            queue,
        ),
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, SOURCES))} | env,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return out.decode(), err.decode()


def test_nothing_is_traced_unless_an_exporter_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Telemetry is off by default, and by the name `none`."""
    monkeypatch.delenv(EXPORTER, raising=False)
    assert telemetry_plugins() == []

    monkeypatch.setenv(EXPORTER, "none")
    assert telemetry_plugins() == []


def test_an_exporter_that_is_not_installed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusal names the exporter and the way out."""
    monkeypatch.setenv(EXPORTER, "nowhere")

    with pytest.raises(InvalidInput, match="pip install opentelemetry-exporter-nowhere"):
        telemetry_plugins()


@pytest.mark.server
async def test_spans_name_activities_and_hold_no_content(
    server: DevServer, queue: str, store_url: str
) -> None:
    """Workflow and activities are traced; what was said is not in the spans."""
    out, _ = await traced(server, queue, store_url, OTEL_TRACES_EXPORTER="console")

    assert "RunActivity:turn.step" in out
    assert "completed" in out
    assert "secret" not in out


@pytest.mark.server
async def test_a_broken_exporter_does_not_stop_a_turn(
    server: DevServer, queue: str, store_url: str
) -> None:
    """Spans that nobody takes are lost, and nothing else."""
    out, err = await traced(server, queue, store_url, OTEL_TRACES_EXPORTER="broken")

    assert out == "completed\n"
    assert "nobody takes spans here" in err
