"""A tool's signature: the JSON schema that a model sees, and the check of what it wrote."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    PydanticUserError,
    ValidationError,
    create_model,
)
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaWarningKind
from typing_extensions import override

from sojourn.errors import InvalidArguments, InvalidInput
from sojourn.tool_call import MAX_DETAIL_CHARS, ToolContext

_KEYWORD_KINDS = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_ARGS_HEADER = re.compile(r"(Args|Arguments|Parameters):\s*")
_ARGS_ENTRY = re.compile(r"(\s+)(\w+)(?:\s*\(.*?\))?:\s*(.*)")
_MAX_REASONS = 10
# A field of its own name could shadow an attribute of BaseModel ("json", "schema", "_x").
_PREFIX = "p_"


class ToolSignature:
    """The parameters of a function, without those that are injected.

    Attributes:
        input_schema: a JSON schema of an object that allows no other properties.
    """

    def __init__(self, fn: Callable[..., Any], name: str) -> None:
        """Read `fn`, for a tool of this `name`.

        Raises:
            InvalidInput: a parameter cannot be filled from JSON by its name.
        """
        parameters = _parameters(fn, name)
        self._name = name
        self._injected = [key for key, each in parameters.items() if _is_context(each.annotation)]
        wanted = {key: each for key, each in parameters.items() if key not in self._injected}
        self._model = _model(name, wanted, parameter_docs(inspect.getdoc(fn) or ""))
        self.input_schema = _schema(name, self._model)
        self._declared = frozenset(_property_names(self.input_schema))

    def bind(self, arguments: Mapping[str, Any], context: ToolContext) -> dict[str, Any]:
        """Return the keyword arguments to call the function with.

        Raises:
            InvalidArguments: they do not fit; it names fields and kinds of error, never values.
        """
        try:
            bound = self._model.model_validate(dict(arguments))
        except ValidationError as error:
            raise self._invalid(error) from None
        given = {key.removeprefix(_PREFIX): getattr(bound, key) for key in bound.model_fields_set}
        return given | dict.fromkeys(self._injected, context)

    def _invalid(self, error: ValidationError) -> InvalidArguments:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        kinds = [f"{self._place(each['loc'])}: {each['type']}" for each in found[:_MAX_REASONS]]
        told = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in found]
        invalid = InvalidArguments(tool=self._name, reason="; ".join(kinds))
        invalid.detail = "; ".join(told)[:MAX_DETAIL_CHARS]
        return invalid

    def _place(self, loc: tuple[int | str, ...]) -> str:
        # Keys that the schema does not declare were written by the model: they are content.
        return ".".join(
            str(part) if isinstance(part, int) or part in self._declared else "*" for part in loc
        )


def summary(doc: str) -> str:
    """Return a docstring's first paragraph, on one line."""
    paragraph = doc.strip().partition("\n\n")[0]
    return "" if _ARGS_HEADER.match(paragraph) else " ".join(paragraph.split())


def parameter_docs(doc: str) -> dict[str, str]:
    """Return what the `Args:` section of a docstring says of each parameter."""
    docs: dict[str, str] = {}
    indent, current = "", ""
    for line in _args_lines(doc):
        entry = _ARGS_ENTRY.fullmatch(line)
        if entry and entry[1] == (indent or entry[1]):
            indent, current = entry[1], entry[2]
            docs[current] = entry[3]
        elif current:
            docs[current] = f"{docs[current]} {line.strip()}".strip()
    return docs


def _args_lines(doc: str) -> Iterator[str]:
    is_inside = False
    for line in doc.splitlines():
        if line and not line.startswith(" "):
            is_inside = _ARGS_HEADER.fullmatch(line) is not None
        elif is_inside and line.strip():
            yield line


class _PlainSchema(GenerateJsonSchema):
    """JSON schemas without titles, which cost tokens and say nothing new."""

    ignored_warning_kinds: set[JsonSchemaWarningKind] = {  # noqa: RUF012 - as pydantic declares it
        "skipped-choice",
        "non-serializable-default",
    }

    @override
    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def _parameters(fn: Callable[..., Any], name: str) -> Mapping[str, inspect.Parameter]:
    if inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn):
        raise _unfit(name, "it is a generator: return a list")
    try:
        parameters = inspect.signature(fn, eval_str=True).parameters
    except (AttributeError, NameError, SyntaxError, TypeError, ValueError) as error:
        kind = type(error).__name__
        raise _unfit(name, f"its annotations cannot be read at run time ({kind})") from error
    for key, parameter in parameters.items():
        if parameter.kind not in _KEYWORD_KINDS:
            raise _unfit(name, f"its parameter {key!r} cannot be passed by name")
        if key in ("self", "cls"):
            raise _unfit(name, "it is a method: pass the bound one, tool(object.method)")
    return parameters


def _model(
    name: str, parameters: Mapping[str, inspect.Parameter], docs: Mapping[str, str]
) -> type[BaseModel]:
    fields: dict[str, Any] = {
        _PREFIX + key: _field(parameter, docs.get(key)) for key, parameter in parameters.items()
    }
    try:
        return create_model(name, __config__=ConfigDict(extra="forbid"), **fields)
    except PydanticUserError as error:
        raise _unfit(name, f"a parameter has no JSON form ({error.code})") from error


def _field(parameter: inspect.Parameter, doc: str | None) -> tuple[Any, Any]:
    has_type = parameter.annotation is not inspect.Parameter.empty
    has_default = parameter.default is not inspect.Parameter.empty
    facts: dict[str, Any] = {"alias": parameter.name}
    if doc:
        facts["description"] = doc
    if has_default:
        facts["default"] = parameter.default
    return (parameter.annotation if has_type else Any, Field(**facts))


def _schema(name: str, model: type[BaseModel]) -> dict[str, Any]:
    try:
        schema = model.model_json_schema(schema_generator=_PlainSchema)
    except PydanticUserError as error:
        raise _unfit(name, f"a parameter has no JSON form ({error.code})") from error
    schema.pop("title", None)
    return schema


def _property_names(schema: JsonValue) -> Iterator[str]:
    if isinstance(schema, dict):
        properties = schema.get("properties")
        if isinstance(properties, dict):
            yield from properties
        for part in schema.values():
            yield from _property_names(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _property_names(part)


def _is_context(annotation: Any) -> bool:
    return annotation is ToolContext or ToolContext in get_args(annotation)


def _unfit(name: str, reason: str) -> InvalidInput:
    return InvalidInput(reason=f"{name!r} cannot be a tool: {reason}")
