"""What the model of a live session is shown: its current frame, and the policy in force there."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from sojourn.choices import Choices, ContextMark, PolicyLayers
from sojourn.commit import Commit
from sojourn.errors import MissingModel
from sojourn.frames import Frame, FramePolicy
from sojourn.graph import Node, NodeKind, SessionGraph
from sojourn.heal import healed_messages
from sojourn.policy import SessionPolicy
from sojourn.residency import Residency
from sojourn.state import SessionState


class Conversation:
    """A session's resident graph, as its model sees it: never more than the current frame.

    Attributes:
        graph: the resident nodes.
        layers: who has a say in the policy.
        mark: how much a model was shown where the session stands, if that is known.
        messages: the current frame, with every tool call answered.
        answered: what was mended in them when they were loaded.
    """

    def __init__(
        self, graph: SessionGraph, host: SessionPolicy, state: SessionState, residency: Residency
    ) -> None:
        """Take a healed graph, and what the host and the store say of the policy.

        Raises:
            MissingModel: nobody names a model.
        """
        self._residency = residency
        self.graph = residency.trim(graph)
        self.layers = PolicyLayers(host, self._frame_policy(), state.choices)
        if not self.layers.effective.is_configured:
            raise MissingModel(agent=host.agent or "?")
        self.mark = state.mark
        self.messages, self.answered = healed_messages(
            self.graph.current_frame(), self.graph.session_id
        )

    def config(self) -> dict[str, Any]:
        """Return the configuration to persist of a session that stays where it stands."""
        return self.layers.config(self.mark)

    def config_at(self, leaf: str, tokens: int) -> dict[str, Any]:
        """Return the configuration to persist with a new leaf, where a model reads `tokens`."""
        if not tokens:
            return self.layers.config()
        model = self.layers.frame.model
        return self.layers.config(ContextMark(leaf=leaf, tokens=tokens, model=model))

    def adopt(self, commit: Commit, now: datetime) -> None:
        """Go on from a commit; in a frame that it opened, nothing is shown that came before."""
        nodes = [
            Node(new.node_id, new.parent_id, new.kind, new.body, commit.operation_id, now)
            for new in commit.nodes
        ]
        self.graph.append(nodes)
        if any(node.kind == NodeKind.FRAME for node in nodes):
            self.graph = self._residency.trim(self.graph)
            self.layers = replace(self.layers, frame=self._frame_policy())
            self.messages, _ = healed_messages(self.graph.current_frame(), self.graph.session_id)
        else:
            self.messages.extend(node.message for node in nodes if node.kind == NodeKind.MESSAGE)
        if commit.config is not None:
            self.layers = replace(self.layers, choices=Choices.from_config(commit.config))
            self.mark = ContextMark.from_config(commit.config, commit.leaf)

    def _frame_policy(self) -> FramePolicy:
        node = self.graph.frame_node()
        return Frame.of(node, self.graph.session_id).policy if node else FramePolicy()
