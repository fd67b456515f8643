"""The session commands that change what a session's model is shown, or which one it is."""

from __future__ import annotations

from dataclasses import dataclass

from sojourn.inputs import checked_text
from sojourn_worker.cli.output import Answer
from sojourn_worker.cli.talking import known, require_worker, talking
from sojourn_worker.cli.texts import given_text
from sojourn_worker.settings import Settings


@dataclass(frozen=True)
class Changes:
    """What `session configure` was asked.

    Attributes:
        model: the session's model from now on, or None to leave it.
        default_model: whether to take back an earlier choice.
        enable: ids of tools that the session is to have.
        disable: ids of tools that it is not to have.
    """

    model: str | None
    default_model: bool
    enable: tuple[str, ...]
    disable: tuple[str, ...]


async def compact(settings: Settings, session_id: str, summary: str | None) -> Answer:
    """Open a frame that begins with a summary.

    Raises:
        NoWorker: nobody polls the queue; then nothing was started.
        CompactionFailed: there is no usable summary.
    """
    text = checked_text(given_text(summary)) if summary is not None else None
    async with talking(settings) as talk:
        await require_worker(talk)
        opened = await (await known(talk, session_id)).compact(text)
    data = {
        "session_id": session_id,
        "frame": opened.frame,
        "head_revision": opened.head_revision,
        "replaced": opened.replaced,
        "kept": opened.kept,
    }
    if opened.frame is None:
        return Answer(data, f"{session_id} has nothing to compact")
    return Answer(data, f"{session_id} compacted: {opened.replaced} messages, {opened.kept} kept")


async def configure(settings: Settings, session_id: str, changes: Changes) -> Answer:
    """Change the model or the tools of a session.

    Raises:
        NoWorker: nobody polls the queue; then nothing was started.
        SojournError: it cannot be done; nothing was written.
    """
    async with talking(settings) as talk:
        await require_worker(talk)
        configured = await talk.sessions.session(session_id).configure(
            model=changes.model,
            default_model=changes.default_model,
            enable=changes.enable,
            disable=changes.disable,
        )
    data = {
        "session_id": session_id,
        "head_revision": configured.head_revision,
        "model": configured.model,
        "generation": configured.generation,
    }
    tools = f"tools at generation {configured.generation}"
    return Answer(data, f"{session_id} runs with {configured.model}, {tools}")
