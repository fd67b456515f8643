"""What was chosen for one session while it lived, and which policy is in force because of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import BaseModel, ConfigDict

from sojourn.frames import FramePolicy
from sojourn.models import ModelSpec
from sojourn.policy import SessionPolicy
from sojourn.stored_config import stored_config

CHOSEN = "chosen"
CONTEXT = "context"


class Choices(BaseModel):
    """What `configure` has fixed for a session: it stands until it is taken back.

    Attributes:
        model: the session's model, or None to follow its frame and its host.
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore")

    model: ModelSpec | None = None

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Choices:
        """Read the choices of a stored configuration.

        Raises:
            AssemblyError: they are malformed.
        """
        with stored_config("choice"):
            return cls.model_validate(config.get(CHOSEN) or {})


class ContextMark(BaseModel):
    """How much a model was shown at the last answer: good for one leaf only.

    Attributes:
        leaf: where the session stood.
        tokens: what the model would read there, as its provider counted, and of what came after
            that an estimate.
        model: the frame's own model, if it has one.
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore")

    leaf: str
    tokens: int
    model: ModelSpec | None = None

    @classmethod
    def from_config(cls, config: dict[str, Any], leaf: str | None) -> ContextMark | None:
        """Read the mark of a stored configuration; None if it is of another leaf.

        Raises:
            AssemblyError: it is malformed.
        """
        with stored_config("mark of the context"):
            mark = cls.model_validate(config[CONTEXT]) if config.get(CONTEXT) else None
        return mark if mark is not None and mark.leaf == leaf else None


@dataclass(frozen=True)
class PolicyLayers:
    """Who has a say in a session's policy; the later word wins.

    The host comes first (what it leaves open is what was persisted), then the current frame, then
    what was chosen for the session. Opening a frame that sets something takes back the choice.

    Attributes:
        host: the host's policy, completed by the persisted one.
        frame: what the current frame sets.
        choices: what was chosen for the session.
    """

    host: SessionPolicy
    frame: FramePolicy = field(default_factory=FramePolicy)
    choices: Choices = field(default_factory=Choices)

    @property
    def effective(self) -> SessionPolicy:
        """The policy in force."""
        model = self.choices.model or self.frame.model or self.host.model
        instructions = self.frame.instructions
        if instructions is None:
            instructions = self.host.instructions
        return self.host.model_copy(update={"model": model, "instructions": instructions})

    def config(self, mark: ContextMark | None = None) -> dict[str, Any]:
        """Return what is persisted with the session's head: the layers apart, not their sum."""
        config = self.host.config()
        chosen = self.choices.model_dump(mode="json", exclude_none=True)
        if chosen:
            config[CHOSEN] = chosen
        if mark is not None:
            config[CONTEXT] = mark.model_dump(mode="json", exclude_none=True)
        return config

    def choosing(self, choices: Choices) -> PolicyLayers:
        """Return the layers with other choices."""
        return replace(self, choices=choices)

    def opening(self, policy: FramePolicy) -> PolicyLayers:
        """Return the layers within a frame that is opened here with `policy`."""
        is_newer = policy.model is not None
        choices = Choices() if is_newer else self.choices
        return replace(self, frame=policy.within(self.frame), choices=choices)
