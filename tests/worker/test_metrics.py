"""What models cost, as metrics: by model and source, each answer once, off by default."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from sojourn.errors import InvalidInput
from sojourn.metering import SilentMeter
from sojourn.usage import ModelPrice, Usage, UsageEntry
from sojourn_worker.host_keeper import HostKeeper
from sojourn_worker.metrics import EXPORTER, SpendingMeter, start_metrics
from tests.embedded.making import app_of

PRICE = ModelPrice(input=Decimal(1), output=Decimal(2))
USAGE = Usage(input_tokens=1_000, output_tokens=500, cache_read_tokens=10, cache_write_tokens=5)


def total(point: Any) -> float:
    """Return what a point of a histogram or a counter has come to."""
    return point.sum if hasattr(point, "sum") else point.value


def points(reader: InMemoryMetricReader) -> dict[str, list[tuple[dict[str, Any], float]]]:
    """Return each metric's attributes and sums."""
    data = reader.get_metrics_data()
    assert data is not None
    return {
        metric.name: [
            (dict(each.attributes or {}), total(each)) for each in metric.data.data_points
        ]
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


def test_tokens_and_cost_are_counted_by_model_and_source() -> None:
    """Tokens by the names of the conventions; an unknown price counts no cost."""
    reader = InMemoryMetricReader()
    meter = SpendingMeter(MeterProvider([reader]).get_meter("sojourn"))
    meter.spent(UsageEntry(source="turn", model="m-1", usage=USAGE, price=PRICE))
    meter.spent(UsageEntry(source="wasted", model="m-1", usage=USAGE))
    meter.lost("m-1", 2)

    told = points(reader)
    tokens = {
        (about["sojourn.source"], about["gen_ai.token.type"]): count
        for about, count in told["gen_ai.client.token.usage"]
    }
    assert tokens == {
        ("turn", "input"): 1_015,
        ("turn", "output"): 500,
        ("wasted", "input"): 1_015,
        ("wasted", "output"): 500,
    }
    assert [(about["sojourn.source"], cost) for about, cost in told["sojourn.cost"]] == [
        ("turn", pytest.approx(0.002015))
    ]
    wasted = {about["sojourn.counted"]: count for about, count in told["sojourn.wasted_attempts"]}
    assert wasted == {True: 1, False: 2}
    names = {key for each in told.values() for about, _ in each for key in about}
    assert "sojourn.session.id" not in names


async def test_a_worker_counts_unless_the_app_does(store_url: str) -> None:
    """The library itself knows no telemetry."""
    keeper = HostKeeper(app_of(store_url))
    try:
        assert isinstance((await keeper.get()).meter, SpendingMeter)
    finally:
        await keeper.close()

    class Own(SilentMeter):
        """A meter of the app's own."""

    own = Own()
    keeper = HostKeeper(app_of(store_url, meter=own))
    try:
        assert (await keeper.get()).meter is own
    finally:
        await keeper.close()


@pytest.mark.parametrize("name", [None, "none"])
def test_nothing_is_exported_unless_an_exporter_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str | None
) -> None:
    """Metrics are off by default, and by the name `none`."""
    monkeypatch.delenv(EXPORTER, raising=False)
    if name is not None:
        monkeypatch.setenv(EXPORTER, name)
    start_metrics()
    assert not isinstance(metrics.get_meter_provider(), MeterProvider)


def test_an_exporter_that_is_not_installed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusal names the exporter and the way out."""
    monkeypatch.setenv(EXPORTER, "nowhere")
    with pytest.raises(InvalidInput, match="pip install opentelemetry-exporter-nowhere"):
        start_metrics()
