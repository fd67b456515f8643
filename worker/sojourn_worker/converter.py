"""The data converter: pydantic payloads, and whatever else the user has set."""

from __future__ import annotations

import dataclasses

from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.converter import DataConverter, DefaultPayloadConverter

from sojourn.errors import InvalidInput


def with_pydantic(converter: DataConverter | None) -> DataConverter:
    """Return `converter` with pydantic payloads; its codec and external storage stay.

    Raises:
        InvalidInput: it has a payload converter of its own that is not pydantic's.
    """
    converter = converter or DataConverter.default
    kind = converter.payload_converter_class
    if issubclass(kind, PydanticPayloadConverter):
        return converter
    if kind is not DefaultPayloadConverter:
        reason = f"the client's payload converter {kind.__name__} is not pydantic's"
        raise InvalidInput(reason=f"{reason}: derive it from PydanticPayloadConverter")
    return dataclasses.replace(converter, payload_converter_class=PydanticPayloadConverter)
