"""A session's policy: which agent, which model, which limits."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from sojourn.models import ModelSpec
from sojourn.stored_config import stored_config

DEFAULT_MAX_STEPS = 25


class SessionPolicy(BaseModel):
    """What a session runs with. Agent and model are persisted; limits are the host's.

    Attributes:
        agent: the agent's name.
        model: the model, or None while the policy is unconfigured.
        instructions: the agent's own instructions.
        max_steps: model steps in one turn before it ends as `limit`.
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore")

    agent: str = ""
    model: ModelSpec | None = None
    instructions: str = ""
    max_steps: int = DEFAULT_MAX_STEPS

    @property
    def is_configured(self) -> bool:
        """Whether the policy names a model."""
        return self.model is not None and bool(self.model.id.strip())

    def completed_by(self, persisted: SessionPolicy) -> SessionPolicy:
        """Return this policy; if it names no model, with the agent and model of `persisted`."""
        if self.is_configured:
            return self
        agent = persisted.agent or self.agent
        return self.model_copy(update={"agent": agent, "model": persisted.model})

    def config(self) -> dict[str, Any]:
        """Return the part that is persisted with the session's head."""
        model = self.model.model_dump(exclude_none=True) if self.model else None
        return {"agent": self.agent, "model": model}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> SessionPolicy:
        """Read the persisted part; the rest is left at its defaults.

        Raises:
            AssemblyError: it is malformed.
        """
        with stored_config("agent or model"):
            return cls(agent=config.get("agent", ""), model=config.get("model"))
