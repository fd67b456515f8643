"""Frames: where the part of a conversation begins that the model is shown."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from sojourn.errors import GraphCorrupt
from sojourn.graph import Node, NodeKind
from sojourn.models import ModelSpec

BODY_VERSION = 1


class FrameReason(StrEnum):
    """Why a frame was opened."""

    AUTOMATIC = "automatic"
    REQUESTED = "requested"
    OPENED = "opened"


class FramePolicy(BaseModel):
    """What a frame sets of its session's policy; what it leaves (None) is the host's.

    A frame that is opened within another one carries on what that one set.

    Attributes:
        model: the model in this frame.
        instructions: what stands in the place of the agent's instructions in this frame.
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore")

    model: ModelSpec | None = None
    instructions: str | None = None

    @classmethod
    def of(cls, model: str | ModelSpec | None, instructions: str | None) -> FramePolicy:
        """Make a policy of what a frame is opened with."""
        spec = ModelSpec(model) if isinstance(model, str) else model
        return cls(model=spec, instructions=instructions)

    def within(self, outer: FramePolicy) -> FramePolicy:
        """Return this policy as it stands in a frame that is opened within `outer`'s."""
        return FramePolicy(**(outer.stated() | self.stated()))

    def stated(self) -> dict[str, Any]:
        """Return what is set, as JSON."""
        return self.model_dump(mode="json", exclude_none=True)


class Frame(BaseModel):
    """What a frame node says; the seed messages stand in the nodes after it."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore")

    v: int = BODY_VERSION
    reason: str = FrameReason.OPENED.value
    policy: FramePolicy = FramePolicy()

    def encode(self) -> bytes:
        """Return the bytes to store: the same frame always gives the same ones."""
        plain = {"v": self.v, "reason": self.reason, "policy": self.policy.stated()}
        return json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def of(cls, node: Node, session_id: str = "") -> Frame:
        """Read a frame node; an empty one sets nothing.

        Raises:
            GraphCorrupt: it cannot be decoded.
        """
        if not node.body:
            return cls()
        try:
            return cls.model_validate_json(node.body)
        except ValidationError:
            reason = "its frame cannot be decoded"
            raise GraphCorrupt(session_id=session_id, node_id=node.node_id, reason=reason) from None

    @classmethod
    def at(cls, node: Node | None, session_id: str = "") -> Frame | None:
        """Read the frame that `node` opens, or None if it opens none."""
        if node is None or node.kind != NodeKind.FRAME:
            return None
        return cls.of(node, session_id)
