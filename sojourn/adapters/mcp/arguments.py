"""Checking a call's arguments against the schema that the server has given for its tool."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib import import_module
from typing import Any

from sojourn.errors import InvalidArguments
from sojourn.tool_call import MAX_DETAIL_CHARS, ToolContext
from sojourn.tool_function import Binder, as_given

MAX_REASONS = 10
_BY_EXPRESSION = ("pattern", "patternProperties")
_log = logging.getLogger(__name__)


def binder_of(tool: str, schema: Mapping[str, Any]) -> Binder:
    """Return what lets arguments pass that fit `schema`, as `InvalidArguments` if they do not.

    A schema that is none itself lets everything pass: then the server alone can judge.
    """

    @cache
    def errors_in() -> Callable[[Mapping[str, Any]], Iterable[Any]]:
        return _validator(tool, schema)

    def bind(arguments: Mapping[str, Any], context: ToolContext) -> Mapping[str, Any]:
        found = _found(tool, errors_in(), arguments)
        if found:
            raise _invalid(tool, found)
        return as_given(arguments, context)

    return bind


def _validator(
    tool: str, schema: Mapping[str, Any]
) -> Callable[[Mapping[str, Any]], Iterable[Any]]:
    validators = import_module("jsonschema.validators")  # slow to import; comes with the SDK
    if '"patternProperties"' in json.dumps(schema):
        schema = {}  # `additionalProperties` would read its expressions too
    try:
        kind = validators.validator_for(schema, default=validators.Draft202012Validator)
        kind.check_schema(schema)
        # A server's expressions could keep us busy for ever: they are its own to judge.
        kind = validators.extend(kind, dict.fromkeys(_BY_EXPRESSION, _passing))
        # No registry fetches anything: a server must not make us ask another one.
        registry = import_module("referencing").Registry()
        checking: Callable[[Mapping[str, Any]], Iterable[Any]] = kind(
            schema, registry=registry
        ).iter_errors
    except Exception as error:  # noqa: BLE001 - whatever a server may call a schema
        _log.warning("the schema of %s is not checked: %s", tool, type(error).__name__)
        return lambda _: ()
    return checking


def _passing(*_: object) -> Iterable[Any]:
    return ()


def _found(
    tool: str,
    errors_in: Callable[[Mapping[str, Any]], Iterable[Any]],
    arguments: Mapping[str, Any],
) -> list[Any]:
    try:
        return list(errors_in(dict(arguments)))
    except Exception as error:  # noqa: BLE001 - such as a reference that leads nowhere
        _log.warning("arguments of %s are not checked: %s", tool, type(error).__name__)
        return []


def _invalid(tool: str, found: list[Any]) -> InvalidArguments:
    kinds = [f"arguments: {each.validator}" for each in found[:MAX_REASONS]]
    invalid = InvalidArguments(tool=tool, reason="; ".join(dict.fromkeys(kinds)))
    told = [f"{each.json_path}: {each.message}" for each in found[:MAX_REASONS]]
    invalid.detail = "; ".join(told)[:MAX_DETAIL_CHARS]
    return invalid
