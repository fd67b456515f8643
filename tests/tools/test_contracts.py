"""Input schemas that are found out when they are first needed."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import pytest
from typing_extensions import override

from sojourn import ids
from sojourn.catalog import ToolCatalog, ToolState
from sojourn.errors import ContractUnavailable, InvalidInput
from sojourn.tool_spec import ToolSpec
from sojourn.tools import AnyTool, FunctionSource, Tool

from .sources import named

SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}}


class Asked:
    """Says a schema when it is asked, and counts; raises or says something else if told to."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.times = 0

    def __call__(self) -> Any:
        """Give the next answer; the schema when there is none left."""
        self.times += 1
        answer = self.answers.pop(0) if self.answers else SCHEMA
        if isinstance(answer, Exception):
            raise answer
        return answer


def lazy(tool_id: str, schema: Any, digest: str = "v1") -> AnyTool:
    """Return a tool whose schema is yet to be found out."""

    def idle(arguments: object, context: object) -> None:
        """Do nothing."""

    return Tool(idle, tool_id=tool_id, spec=ToolSpec(tool_id, "", schema, digest=digest))


class Counting(FunctionSource):
    """A source that counts how often its tools are asked for."""

    asked = 0

    @override
    def tools(self) -> Sequence[AnyTool]:
        """Advertise."""
        self.asked += 1
        return super().tools()


def test_a_schema_is_found_out_once_when_it_is_first_shown() -> None:
    """Neither knowing, nor finding, nor storing a tool needs it."""
    schema = Asked()
    catalog = ToolCatalog([FunctionSource("s", [lazy("a", schema)])])
    assert catalog.find("a").spec.digest == "v1"
    catalog.export().encode()
    assert schema.times == 0
    assert [spec.input_schema for spec in catalog.specs()] == [SCHEMA]
    assert [spec.input_schema for spec in catalog.specs()] == [SCHEMA]
    assert schema.times == 1


def test_a_restore_of_10_000_tools_finds_no_schema_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads each source once, and hashes nothing."""
    schema = Asked()
    source = Counting("s", [lazy(f"t{number}", schema) for number in range(10_000)])
    stored = ToolCatalog([source]).export().encode()
    monkeypatch.setattr(ids, "digest", lambda _: pytest.fail("a schema was hashed"))
    source.asked = 0
    catalog = ToolCatalog([source], stored=ToolState.decode(stored))
    assert catalog.restored is not None
    assert not catalog.restored.changed
    assert not catalog.refresh_if_moved()
    assert (source.asked, schema.times, len(catalog.members())) == (1, 0, 10_000)


def test_another_digest_is_another_surface() -> None:
    """The digest stands for the schema, which nobody has seen."""
    stored = ToolCatalog([FunctionSource("s", [lazy("a", Asked())])]).export()
    same = ToolCatalog([FunctionSource("s", [lazy("a", Asked())])], stored=stored)
    other = ToolCatalog([FunctionSource("s", [lazy("a", Asked(), "v2")])], stored=stored)
    assert [each.generation for each in (same, other)] == [1, 2]


@pytest.mark.parametrize("answer", [RuntimeError("down"), ["no object"], None])
def test_a_tool_without_a_schema_is_not_shown_and_the_others_are(
    answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """One broken source does not take the model's other tools; the next question asks again."""
    catalog = ToolCatalog([FunctionSource("s", [lazy("a", Asked(answer)), named("b")])])
    with caplog.at_level(logging.WARNING):
        assert [spec.name for spec in catalog.specs()] == ["b"]
    assert "tool a is not shown" in caplog.text
    assert "down" not in caplog.text
    assert [spec.name for spec in catalog.specs()] == ["a", "b"]


def test_a_schema_that_cannot_be_had_is_told_by_the_tools_name() -> None:
    """The text of what was raised may hold content, and stays out."""
    with pytest.raises(ContractUnavailable, match=r"'a' has no input schema.*: RuntimeError"):
        _ = ToolSpec("a", "", Asked(RuntimeError("secret")), digest="v1").input_schema


def test_a_spec_told_in_other_words_finds_nothing_out_again() -> None:
    """What a plugin adds to a description costs no second look at the schema."""
    schema = Asked()
    spec = ToolSpec("a", "Does.", schema, digest="v1")
    for _ in range(2):
        other = spec.described("Does more.")
        assert (other.name, other.description, other.digest) == ("a", "Does more.", "v1")
        assert other.input_schema == SCHEMA
    assert (spec.description, schema.times) == ("Does.", 1)


def test_a_schema_that_comes_later_needs_a_digest() -> None:
    """Otherwise knowing the tool would need the schema."""
    with pytest.raises(InvalidInput, match="'a' needs a digest"):
        ToolSpec("a", "", Asked())


def test_an_empty_schema_is_one() -> None:
    """A tool that takes anything is shown."""
    catalog = ToolCatalog([FunctionSource("s", [lazy("a", dict)])])
    assert [spec.input_schema for spec in catalog.specs()] == [{}]


def test_specs_are_equal_by_what_they_say() -> None:
    """A schema that comes later is the same if its digest is."""
    now = ToolSpec("a", "", SCHEMA)
    later = ToolSpec("a", "", Asked(), digest=now.digest)
    assert now == later
    assert len({now, later, ToolSpec("a", "", {}), ToolSpec("b", "", SCHEMA)}) == 3
    assert now != "a"
