"""Agents: a name, a model, instructions and tools."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sojourn.errors import InvalidInput, MissingContextWindow
from sojourn.models import ModelSpec
from sojourn.policy import DEFAULT_MAX_STEPS, SessionPolicy
from sojourn.ports import DescribedProvider, ModelProvider
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
        compact_at: from which share of the room in the model's context window on a session is
            compacted before its next turn, such as 0.8; None leaves that to whoever asks for it.
        compact_keep: how many turns compaction keeps verbatim, as far as they are short.

    Raises:
        InvalidInput: a number is out of range.
        MissingContextWindow: `compact_at` is given, and not how much the model can read.
    """

    name: str = "agent"
    model: str | ModelSpec | ModelProvider | None = None
    instructions: str = ""
    tools: Sequence[AnyTool] = ()
    max_steps: int = DEFAULT_MAX_STEPS
    model_attempts: int = 8
    model_timeout: timedelta = timedelta(minutes=10)
    compact_at: float | None = None
    compact_keep: int = 1

    def __post_init__(self) -> None:
        if self.compact_at is not None and not 0 < self.compact_at <= 1:
            raise InvalidInput(reason=f"compact_at of agent {self.name!r} must be above 0, up to 1")
        if self.compact_keep < 0:
            raise InvalidInput(reason=f"compact_keep of agent {self.name!r} must be 0 or more")
        if self.spec is not None:
            self.check_window(self.spec)

    @property
    def spec(self) -> ModelSpec | None:
        """The model by name; a provider of one's own says it, or is named by its class."""
        if self.model is None or isinstance(self.model, ModelSpec):
            return self.model
        if isinstance(self.model, str):
            return ModelSpec(id=self.model) if self.model.strip() else None
        return spec_of(self.model)

    def check_window(self, model: ModelSpec) -> None:
        """Let a model pass only if what this agent does with sessions can be done with it.

        Raises:
            MissingContextWindow: the agent compacts, and nobody says how much the model can read.
        """
        if self.compact_at is not None and model.context_window_tokens is None:
            raise MissingContextWindow(model=model.id)

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


def spec_of(provider: ModelProvider) -> ModelSpec:
    """Return what a provider says of its model; one that says nothing is named by its class."""
    told = provider.spec if isinstance(provider, DescribedProvider) else None
    return told or ModelSpec(id=f"own:{type(provider).__name__}")
