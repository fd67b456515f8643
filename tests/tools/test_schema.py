"""What a model sees of a tool, and which functions can be one."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from sojourn.errors import InvalidId, InvalidInput
from sojourn.tool_spec import ToolSpec
from sojourn.tools import FunctionSource, Tool, ToolContext, ToolOptions, ToolRetryPolicy, tool


class Address(BaseModel):
    """Where somebody lives."""

    street: str
    number: int = 1


@tool
async def find_rooms(  # noqa: D417 - a parameter without a description
    city: str, nights: Annotated[int, Field(ge=1)], kind: Literal["single", "double"] = "single"
) -> list[str]:
    """Find free rooms in a city, and only in that city: neighbouring places are not searched,
    however near they are.

    Looks nowhere else.

    Args:
        city: where to look,
            as it is spelled there.
        nights (int): how long: in nights.

    Returns:
        names: of hotels.
    """  # noqa: D205 - a paragraph of two lines
    return [f"{kind} in {city} for {nights}"]


@tool
def greet(name: str, context: ToolContext, address: Address | None = None) -> str:
    """Greet."""
    return f"{name} {address} {context.attempt}"


def test_the_schema_comes_from_annotations_and_the_docstring() -> None:
    """Types, limits, defaults and `Args:` lines stand in the schema, and nothing else may."""
    assert find_rooms.spec == ToolSpec(
        name="find_rooms",
        description="Find free rooms in a city, and only in that city: neighbouring places are "
        "not searched, however near they are.",
        input_schema={
            "type": "object",
            "properties": {
                "city": {
                    "type": "string",
                    "description": "where to look, as it is spelled there.",
                },
                "nights": {
                    "type": "integer",
                    "minimum": 1,
                    "description": "how long: in nights.",
                },
                "kind": {"type": "string", "enum": ["single", "double"], "default": "single"},
            },
            "required": ["city", "nights"],
            "additionalProperties": False,
        },
    )


def test_the_context_is_not_in_the_schema() -> None:
    """What is injected cannot be asked of a model."""
    assert list(greet.spec.input_schema["properties"]) == ["name", "address"]


def test_a_tool_is_still_its_function() -> None:
    """Decorating changes neither calls nor what introspection sees."""
    context = ToolContext("s", "t", "c")
    assert greet("Ann", context) == "Ann None 1"
    assert greet.__name__ == "greet"
    assert greet.__doc__ == "Greet."
    assert "context" in inspect.signature(greet).parameters
    assert repr(greet) == "<Tool greet>"


async def test_an_async_tool_is_still_its_function() -> None:
    """A direct call returns the coroutine."""
    assert await find_rooms("Rome", 2) == ["single in Rome for 2"]


def test_defaults_are_one_attempt_of_a_minute() -> None:
    """Bare `@tool` promises nothing and repeats nothing."""
    assert greet.options == ToolOptions(
        idempotent=False,
        timeout=timedelta(seconds=60),
        max_attempts=1,
        approval=False,
        queue=None,
        max_result_bytes=1_000_000,
    )
    assert (greet.tool_id, greet.name, greet.description) == ("greet", "greet", "Greet.")


def test_every_option_is_kept() -> None:
    """Options arrive as they were given."""
    policy = ToolRetryPolicy(max_attempts=4, initial=timedelta(0), maximum=timedelta(seconds=9))

    @tool(
        id="crm.search/1",
        name="search",
        description="Search.",
        idempotent=True,
        timeout=2.5,
        retry=policy,
        approval=True,
        queue="crm",
        hidden=True,
        max_result_bytes=10,
    )
    def search_everything() -> None:
        """Not this."""

    assert search_everything.tool_id == "crm.search/1"
    assert search_everything.spec.name == "search"
    assert search_everything.spec.description == "Search."
    assert search_everything.options == ToolOptions(
        idempotent=True,
        timeout=timedelta(seconds=2.5),
        max_attempts=4,
        approval=True,
        queue="crm",
        max_result_bytes=10,
        retry_initial=timedelta(0),
        retry_max=timedelta(seconds=9),
        hidden=True,
    )


def test_a_number_of_attempts_is_a_retry_policy() -> None:
    """`retry=3` means three attempts in all."""

    @tool(retry=3, timeout=timedelta(minutes=2))
    def work() -> None:
        """Work."""

    assert work.options.max_attempts == 3
    assert work.options.timeout == timedelta(minutes=2)


def test_parameters_may_have_any_name() -> None:
    """Names that mean something to pydantic are names like others."""

    @tool
    def odd(model_config: str, json: int, _x: int = 2) -> None:
        """Be odd."""

    assert list(odd.spec.input_schema["properties"]) == ["model_config", "json", "_x"]


def test_a_default_without_json_form_stays_the_functions_own() -> None:
    """A sentinel as default makes the parameter optional, and is not shown."""
    unset = object()

    def fill(value: Any = unset) -> bool:
        return value is unset

    assert tool(fill).spec.input_schema["properties"] == {"value": {}}


def test_a_docstring_of_arguments_alone_is_no_description() -> None:
    """The first paragraph counts only if it is one."""

    @tool
    def quiet(x: int) -> int:
        """Args:
        x: a number.
        """  # noqa: D205 - the case under test
        return x

    assert quiet.description == ""


def test_a_partial_is_a_tool_if_it_is_named() -> None:
    """Callables without a name of their own get one by options."""

    def scale(factor: int, x: int) -> int:
        return factor * x

    double = tool(name="double", id="double", description="Double.")(functools.partial(scale, 2))
    assert list(double.spec.input_schema["required"]) == ["x"]
    with pytest.raises(InvalidInput, match="tool's name"):
        tool(functools.partial(scale, 2))


def test_the_schema_digest_follows_the_schema_alone() -> None:
    """The same parameters have the same digest, whatever else differs."""

    def one(x: int) -> int:
        return x

    def two(x: int) -> int:
        return -x

    def three(x: str) -> str:
        return x

    assert tool(one).spec.digest == tool(two).spec.digest
    assert tool(one).spec.digest != tool(three).spec.digest


def test_a_source_of_functions_has_what_it_was_given() -> None:
    """It advertises everything, and resolves by id."""
    source = FunctionSource("app", [greet, find_rooms])
    assert source.source_id == "app"
    assert list(source.tools()) == [greet, find_rooms]
    assert source.resolve("find_rooms") is find_rooms
    assert source.resolve("nobody") is None


def variadic(*args: int) -> None:
    """Take anything."""


def positional(x: int, /) -> None:
    """Take a position."""


def method(self: int) -> None:
    """Look like a method."""


def callback(then: Callable[[], None]) -> None:
    """Take a function."""


def lock(what: Iterator[Address]) -> Iterator[int]:
    """Yield."""
    yield from (each.number for each in what)


async def stream() -> AsyncIterator[int]:
    """Yield."""
    yield 1


def unknown(x: Nowhere) -> None:  # type: ignore[name-defined]  # noqa: F821
    """Take what does not exist."""


def größe() -> int:  # noqa: PLC2401 - the case under test
    """Have a name that no provider takes."""
    return 1


class Opaque:
    """Nothing that JSON could make."""


def opaque(x: Opaque) -> None:
    """Take an object."""


UNFIT: list[Callable[..., Any]] = [
    variadic,
    positional,
    method,
    callback,
    lock,
    stream,
    unknown,
    größe,
    opaque,
]


@pytest.mark.parametrize("fn", UNFIT)
def test_what_json_cannot_fill_is_refused_when_it_is_decorated(fn: Callable[..., Any]) -> None:
    """A function that no model could call is refused at import, not in mid-turn."""
    name: str = fn.__name__
    with pytest.raises(InvalidInput, match=name):
        tool(fn)


@pytest.mark.parametrize("options", [{"timeout": 0}, {"retry": 0}, {"max_result_bytes": 0}])
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    """A limit of nothing is a mistake."""
    with pytest.raises(InvalidInput):
        tool(**options)


def idle() -> None:
    """Do nothing."""


def test_a_tool_id_has_no_spaces() -> None:
    """Ids are checked like all ids."""
    with pytest.raises(InvalidId):
        tool(id="two words")(idle)


def test_a_tool_can_be_made_of_a_given_schema() -> None:
    """A source of foreign tools brings its own schema."""
    spec = ToolSpec("remote", "", {"type": "object"})
    remote = Tool(idle, tool_id="far/remote", spec=spec)
    assert remote.options == ToolOptions()
    assert remote.spec is spec
