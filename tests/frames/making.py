"""What the laws of frames are told with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sojourn import Agent, App
from sojourn.adapters.open import opened_store
from sojourn.compaction import PROMPT
from sojourn.graph import Node, NodeKind
from sojourn.messages import Message
from sojourn.models import ModelSpec
from sojourn.ports import SessionStore
from sojourn.reads import ReadScope
from sojourn.testing import ScriptedModel

SESSION = "chat-1"
SUMMARY = "they counted together"
# A window that some messages of `LONG` fill, by the scripted model's own count.
WINDOW = 2_000
LONG = "x" * 1_200


class Counting:
    """A script that echoes, and sums a conversation up when it is asked to.

    Attributes:
        asked: the texts of every conversation that the model was shown, summaries apart.
        summarised: the texts of every conversation that it was to sum up.
        summary: what it answers then; an exception is raised.
    """

    def __init__(self, summary: str | BaseException = SUMMARY) -> None:
        self.asked: list[list[str]] = []
        self.summarised: list[list[str]] = []
        self.summary = summary

    def __call__(self, messages: Sequence[Message]) -> str:
        """Answer, or sum up."""
        texts = [message.text for message in messages]
        if texts[-1] != PROMPT:
            self.asked.append(texts)
            return f"{len(texts)} heard"
        self.summarised.append(texts[:-1])
        if isinstance(self.summary, BaseException):
            raise self.summary
        return self.summary


def counting_app(
    store: str | SessionStore, script: Counting, window: int | None = WINDOW, **options: Any
) -> App:
    """Return an app of one agent whose model's window is known; options are the agent's or app's.

    Those of the app: `plugins`, `tools`, `models`, `residency`, `probe`, `timings`.
    """
    of_app = {"plugins", "tools", "models", "residency", "probe", "timings"}
    spec = ModelSpec("scripted:counting", context_window_tokens=window)
    agent: Mapping[str, Any] = {key: options[key] for key in options.keys() - of_app}
    rest: Mapping[str, Any] = {key: options[key] for key in options.keys() & of_app}
    clerk = Agent("clerk", model=ScriptedModel(script, spec), **agent)
    return App(agents=[clerk], store=store, **rest)


async def path_of(store_url: str, session_id: str = SESSION) -> Sequence[Node]:
    """Return the whole active path, as the store has it."""
    async with opened_store(store_url) as store:
        read = await store.load(session_id, ReadScope.ACTIVE_PATH)
    assert read is not None
    return read.nodes


async def frame_ids(store_url: str, session_id: str = SESSION) -> list[str]:
    """Return the ids of the frame nodes of the active path."""
    nodes = await path_of(store_url, session_id)
    return [node.node_id for node in nodes if node.kind == NodeKind.FRAME]
