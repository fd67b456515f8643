"""Metrics of what models cost, by the standard `OTEL_*` environment: off unless it names one."""

from __future__ import annotations

import asyncio
import os
from importlib.metadata import entry_points

from opentelemetry import metrics
from opentelemetry.metrics import Meter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExporter, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from sojourn.errors import InvalidInput
from sojourn.usage import UsageEntry

EXPORTER = "OTEL_METRICS_EXPORTER"
GROUP = "opentelemetry_metrics_exporter"
_FLUSH_MILLIS = 2_000


class SpendingMeter:
    """Counts what the process spends on models, by source and model, without a session's name.

    Each answer counts once, in the process that recorded or lost it.
    """

    def __init__(self, meter: Meter) -> None:
        self._tokens = meter.create_histogram(
            "gen_ai.client.token.usage", "{token}", "Tokens of one answer, as providers count them."
        )
        self._cost = meter.create_counter(
            "sojourn.cost", "{USD}", "What answers cost of models whose price is known."
        )
        self._wasted = meter.create_counter(
            "sojourn.wasted_attempts", "{attempt}", "Questions whose answers were of no use."
        )

    def spent(self, entry: UsageEntry) -> None:
        """Count the tokens of one answer, and its cost if that is known."""
        about = {
            "gen_ai.operation.name": "chat",
            "gen_ai.response.model": entry.model,
            "sojourn.source": entry.source,
        }
        usage = entry.usage
        read = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens
        self._tokens.record(read, {**about, "gen_ai.token.type": "input"})
        self._tokens.record(usage.output_tokens, {**about, "gen_ai.token.type": "output"})
        if entry.cost is not None:
            self._cost.add(float(entry.cost), about)
        if entry.source == "wasted":
            self._wasted.add(1, {"gen_ai.response.model": entry.model, "sojourn.counted": True})

    def lost(self, model: str, attempts: int) -> None:
        """Count questions whose tokens nobody has counted."""
        self._wasted.add(attempts, {"gen_ai.response.model": model, "sojourn.counted": False})


def spending_meter() -> SpendingMeter:
    """Return a meter on the process's provider, whoever has set it; without one it does nothing."""
    return SpendingMeter(metrics.get_meter("sojourn"))


def start_metrics() -> None:
    """Export metrics in the background if an exporter is named; call it once, before the client.

    A collector that is down costs its metrics and nothing else.

    Raises:
        InvalidInput: no installed package has the exporter.
    """
    name = os.environ.get(EXPORTER, "none")
    if name == "none":
        return
    resource = Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME", "sojourn")})
    reader = PeriodicExportingMetricReader(_exporter(name))
    metrics.set_meter_provider(MeterProvider([reader], resource=resource))


async def flush_metrics() -> None:
    """Hand over the metrics that wait, within two seconds: before the process ends."""
    provider = metrics.get_meter_provider()
    if isinstance(provider, MeterProvider):
        await asyncio.to_thread(provider.force_flush, _FLUSH_MILLIS)


def _exporter(name: str) -> MetricExporter:
    for found in entry_points(group=GROUP, name=name):
        exporter: MetricExporter = found.load()()
        return exporter
    reason = f"no exporter {name!r} is installed: pip install opentelemetry-exporter-{name}"
    raise InvalidInput(reason=reason)
