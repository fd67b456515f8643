"""Traces, by the standard `OTEL_*` environment: off unless it names an exporter."""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from importlib.metadata import entry_points

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from temporalio.contrib.opentelemetry import (
    OpenTelemetryPlugin,
    ReplaySafeTracerProvider,
    create_tracer_provider,
)
from temporalio.plugin import SimplePlugin

from sojourn.errors import InvalidInput

EXPORTER = "OTEL_TRACES_EXPORTER"
FLUSH = timedelta(seconds=2)
GROUP = "opentelemetry_traces_exporter"


def telemetry_plugins() -> list[SimplePlugin]:
    """Return what traces workflows and activities; nothing unless an exporter is named.

    Spans are handed over in batches, in the background: a collector that is down costs its spans
    and nothing else. They carry ids and names, never what was said.

    Raises:
        InvalidInput: no installed package has the exporter.
    """
    name = os.environ.get(EXPORTER, "none")
    if name == "none":
        return []
    resource = Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME", "sojourn")})
    provider = create_tracer_provider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(_exporter(name)))
    trace.set_tracer_provider(provider)
    return [OpenTelemetryPlugin(add_temporal_spans=True)]


async def flush_telemetry() -> None:
    """Hand over the spans that wait, within two seconds: before the process ends."""
    provider = trace.get_tracer_provider()
    if isinstance(provider, ReplaySafeTracerProvider):
        millis = int(FLUSH.total_seconds() * 1000)
        await asyncio.to_thread(provider.force_flush, millis)


def _exporter(name: str) -> SpanExporter:
    for found in entry_points(group=GROUP, name=name):
        exporter: SpanExporter = found.load()()
        return exporter
    reason = f"no exporter {name!r} is installed: pip install opentelemetry-exporter-{name}"
    raise InvalidInput(reason=reason)
