"""Models that cross process borders: small on the wire, forgiving to read."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer


class Compact(BaseModel):
    """A frozen model that leaves fields at their default off the wire and ignores unknown ones.

    So a newer writer does not break an older reader, and history holds what matters. Fields may
    be added with a default; they are never renamed or retyped.
    """

    # A validator is built when it is first needed: importing builds none, here and in all models.
    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore")

    @model_serializer(mode="wrap")
    def _without_defaults(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        whole = handler(self)
        fields = type(self).model_fields
        return {
            name: value
            for name, value in whole.items()
            if fields[name].is_required() or getattr(self, name) != fields[name].get_default()
        }
