"""Bounds of what a file may say, so that no store keeps what it cannot read again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AwareDatetime, Field

_EARLIEST, _LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)

At = Annotated[AwareDatetime, Field(gt=_EARLIEST, lt=_LATEST)]
Count = Annotated[int, Field(ge=0, lt=2**53)]
