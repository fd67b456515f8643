"""What a server says stays between it and the conversation: not in spans, not in logs."""

from __future__ import annotations

import logging

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from sojourn.adapters.mcp.quiet import quiet
from sojourn.tool_call import MAX_DETAIL_CHARS
from tests.mcp.making import TOKEN, Raw, call, context, opened, tool_of


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """What the SDK exports."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    # A process has one provider for good, and other tests have theirs.
    monkeypatch.setattr("mcp.shared._otel._tracer", provider.get_tracer("test"))
    return exporter


async def test_a_servers_error_is_in_no_span(raw: Raw, spans: InMemorySpanExporter) -> None:
    """The model reads its words; the SDK's spans have the code alone."""
    async with opened(raw.server()) as server:
        gone = tool_of(server, "echo")
        raw.flag("names", "MARK")
        refused = await gone.call({"text": "MARK"}, context())
        await call(server, "fail")

    exported = [span.to_json() for span in spans.get_finished_spans()]
    assert refused.error == "what is echo?"
    assert any("MCP send tools/call echo" in each for each in exported)
    assert any("MCP error -32602" in each for each in exported)
    assert [each for each in exported if "what is echo?" in each or "MARK" in each] == []


async def test_only_our_own_use_of_the_library_is_kept_out_of_logs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An application that uses the same libraries by itself has its logs as they were."""
    log = logging.getLogger("mcp.client.stdio")

    with caplog.at_level(logging.DEBUG):
        with quiet():
            log.error("ours")
        log.error("theirs")

    assert [record.getMessage() for record in caplog.records if record.name == log.name] == [
        "theirs"
    ]


@pytest.mark.parametrize("before", [MAX_DETAIL_CHARS - 20, MAX_DETAIL_CHARS - 4])
async def test_a_secret_at_the_edge_of_what_is_kept_of_an_error_is_masked(
    raw: Raw, before: int
) -> None:
    """An error is cut when it is without secrets: half of one would not be found."""
    async with opened(raw.server(env={"TOKEN": TOKEN})) as server:
        said = await call(server, "fail", {"before": before - len("no: ")})

    assert said.error is not None
    assert TOKEN[:4] not in said.error


@pytest.mark.parametrize(("before", "after"), [(185, 0), (10, 3_985)])
async def test_a_secret_at_the_edge_of_a_servers_last_words_is_masked(
    raw: Raw, before: int, after: int
) -> None:
    """Of a line that began before what is kept nothing is shown."""
    raw.flag("refuse", "x" * before + TOKEN + "y" * after)
    async with opened(raw.server(env={"TOKEN": TOKEN})) as server:
        reason = server.state.reason

    assert "it ended" in reason
    assert not [at for at in range(len(TOKEN) - 4) if TOKEN[at : at + 5] in reason]
