"""What plugins add to the instructions, and where it stands."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Slot(IntEnum):
    """Where in the instructions a part stands: the agent's own are between OPENING and BODY."""

    OPENING = 0
    BODY = 1
    CLOSING = 2


@dataclass(frozen=True, slots=True)
class PromptPart:
    """A paragraph of the instructions.

    Attributes:
        text: the paragraph; an empty one is left out, and of equal ones the first stays.
        slot: where it stands.
        priority: the highest comes first in its slot; equal ones in the plugins' order.
    """

    text: str
    slot: Slot = Slot.BODY
    priority: int = 0
