"""Agents: a name, a model, instructions and tools."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sojourn.models import ModelSpec
from sojourn.policy import DEFAULT_MAX_STEPS, SessionPolicy
from sojourn.ports import ModelProvider
from sojourn.tools import AnyTool


@dataclass(frozen=True)
class Agent:
    """What answers in a session.

    Attributes:
        name: what sessions are opened with.
        model: `provider:model`, a `ModelSpec` with its metadata, or a `ModelProvider` of your own.
        instructions: the system prompt.
        tools: tools that only this agent has; the app's tools come first.
        max_steps: model steps in one turn before it ends as `limit`.
        model_attempts: how often a model that does not answer is asked before the turn fails.
        model_timeout: how long one attempt may take.
    """

    name: str = "agent"
    model: str | ModelSpec | ModelProvider | None = None
    instructions: str = ""
    tools: Sequence[AnyTool] = ()
    max_steps: int = DEFAULT_MAX_STEPS
    model_attempts: int = 8
    model_timeout: timedelta = timedelta(minutes=10)

    @property
    def spec(self) -> ModelSpec | None:
        """The model by name; a provider of one's own is named by its class."""
        if self.model is None or isinstance(self.model, ModelSpec):
            return self.model
        if isinstance(self.model, str):
            return ModelSpec(id=self.model) if self.model.strip() else None
        return ModelSpec(id=f"own:{type(self.model).__name__}")

    @property
    def provider(self) -> ModelProvider | None:
        """The agent's own provider, or None if its model is only named."""
        if self.model is None or isinstance(self.model, str | ModelSpec):
            return None
        return self.model

    def policy(self) -> SessionPolicy:
        """Return the policy of this agent's sessions."""
        return SessionPolicy(
            agent=self.name,
            model=self.spec,
            instructions=self.instructions,
            max_steps=self.max_steps,
        )
