"""A tool as a model sees it, its schema found out when it is first needed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

from typing_extensions import override

from sojourn import ids
from sojourn.errors import ContractUnavailable, InvalidInput

Schema = dict[str, Any]


def digest_of(schema: Schema) -> str:
    """Return the content address of a schema."""
    return ids.digest(json.dumps(schema, sort_keys=True).encode())


class ToolSpec:
    """A tool as a model sees it. Two are equal if name, description and digest are.

    Attributes:
        name: what the model calls it by.
        description: what the model is told that it does.
    """

    __slots__ = ("_digest", "_schema", "description", "name")

    def __init__(
        self,
        name: str,
        description: str,
        input_schema: Schema | Callable[[], Schema],
        *,
        digest: str = "",
    ) -> None:
        """Describe a tool.

        Args:
            name: what the model calls it by.
            description: what the model is told that it does.
            input_schema: a JSON schema of an object, or what returns it when it is first needed.
            digest: names the schema, and is another one for another schema; computed by default.

        Raises:
            InvalidInput: a schema that is yet to be found out has no digest.
        """
        if callable(input_schema) and not digest:
            raise InvalidInput(reason=f"the tool {name!r} needs a digest: its schema comes later")
        self.name = name
        self.description = description
        self._schema = input_schema
        self._digest = digest

    @property
    def input_schema(self) -> Schema:
        """The JSON schema of its arguments, found out once.

        Raises:
            ContractUnavailable: its source could not say it; the next look asks again.
        """
        if callable(self._schema):
            self._schema = self._found_out(self._schema)
        return self._schema

    @property
    def digest(self) -> str:
        """The content address of the schema, or the name that its source gave it."""
        if not self._digest:
            self._digest = digest_of(self.input_schema)
        return self._digest

    def described(self, description: str) -> ToolSpec:
        """Return the same with another description; the schema is still found out once."""
        return ToolSpec(self.name, description, lambda: self.input_schema, digest=self.digest)

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, ToolSpec) and self._identity == other._identity

    @override
    def __hash__(self) -> int:
        return hash(self._identity)

    @override
    def __repr__(self) -> str:
        return f"<ToolSpec {self.name}>"

    @property
    def _identity(self) -> tuple[str, str, str]:
        return self.name, self.description, self.digest

    def _found_out(self, find_out: Callable[[], object]) -> Schema:
        try:
            schema = find_out()
        except Exception as error:  # noqa: BLE001 - a source is the user's code
            raise ContractUnavailable(tool=self.name, reason=type(error).__name__) from None
        if not isinstance(schema, dict):
            reason = f"it is no object but {type(schema).__name__}"
            raise ContractUnavailable(tool=self.name, reason=reason)
        return cast("Schema", schema)
