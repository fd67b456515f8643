"""What is asked of a session besides turns, and what is answered: frames, and other choices.

As `sojourn.requests`, these are the messages between workflow and activities.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sojourn import ids
from sojourn.commit import CommitReceipt
from sojourn.compact import Compact
from sojourn.errors import InvalidInput
from sojourn.frames import FramePolicy, FrameReason
from sojourn.inputs import checked_text
from sojourn.models import ModelSpec
from sojourn.outcome import Fault
from sojourn.requests import TurnRef

# How often a model that does not answer is asked for a summary: a turn can do without.
COMPACTION_ATTEMPTS = 3


class CompactTurn(Compact):
    """Compact the session of an open turn before its first step, if there is a need to.

    Attributes:
        attempt: counted from 1.
        max_attempts: how often a model that does not answer is asked.
    """

    turn: TurnRef
    attempt: int = 1
    max_attempts: int = 1

    @property
    def is_last(self) -> bool:
        """Whether the model is not asked again after this attempt."""
        return self.attempt >= self.max_attempts


class OpenFrame(Compact):
    """Open a frame, as an operation of its own.

    Attributes:
        operation_id: names the operation for ever: a retry is the same one.
        agent: the agent's name; empty for the one that the session has.
        reason: why; see `frames.FrameReason`.
        text: what stands in the place of what came before; None asks the model for a summary.
        keep_turns: how many turns stay verbatim; None leaves it to the agent.
        policy: what the frame sets.
    """

    session_id: str
    operation_id: str
    owner_id: str = ""
    incarnation_id: str = ""
    agent: str = ""
    reason: str = "requested"
    text: str | None = None
    keep_turns: int | None = None
    policy: FramePolicy = FramePolicy()
    executor_id: str = ""
    attempt: int = 1
    max_attempts: int = 1

    @property
    def is_last(self) -> bool:
        """Whether the model is not asked again after this attempt."""
        return self.attempt >= self.max_attempts

    @classmethod
    def compacting(cls, session_id: str, summary: str | None = None) -> OpenFrame:
        """Ask for a frame that begins with a summary, the model's or a given one.

        Raises:
            EmptyText, TextTooLarge: the given one cannot be one.
        """
        if summary is not None:
            checked_text(summary)
        return cls(session_id=session_id, operation_id=ids.mint("compact"), text=summary)

    @classmethod
    def beginning(cls, session_id: str, text: str, policy: FramePolicy) -> OpenFrame:
        """Ask for a frame that begins with a text alone.

        Raises:
            TextTooLarge: the text cannot be one message.
        """
        if text:
            checked_text(text)
        return cls(
            session_id=session_id,
            operation_id=ids.mint("frame"),
            reason=FrameReason.OPENED.value,
            text=text,
            policy=policy,
        )


class FrameOpened(Compact):
    """Where the session stands now, and what became of what came before.

    Attributes:
        frame: the frame's node; None if there was nothing to do, or it failed.
        replaced: how many messages are no longer shown to the model.
        kept: how many of them still are, verbatim.
        fault: why it failed; the session is as it was.
    """

    head_revision: int = 0
    fencing_token: int = 0
    frame: str | None = None
    replaced: int = 0
    kept: int = 0
    fault: Fault | None = None

    @classmethod
    def of(cls, receipt: CommitReceipt, fencing_token: int) -> FrameOpened:
        """Read what an operation's receipt says."""
        place = {"head_revision": receipt.head_revision, "fencing_token": fencing_token}
        return cls.model_validate({**receipt.result, **place})

    def facts(self) -> dict[str, Any]:
        """Return what a commit keeps."""
        return self.model_dump(mode="json", include={"frame", "replaced", "kept", "fault"})


class ConfigureSession(Compact):
    """Change what a session runs with, as an operation of its own.

    Attributes:
        operation_id: names the operation for ever: a retry is the same one.
        model: the session's model from now on, or None to leave it.
        default_model: whether to take back an earlier choice, so that frame and host decide.
        enable: ids of tools that the session is to have.
        disable: ids of tools that it is not to have.
    """

    session_id: str
    operation_id: str
    owner_id: str = ""
    incarnation_id: str = ""
    agent: str = ""
    model: ModelSpec | None = None
    default_model: bool = False
    enable: tuple[str, ...] = ()
    disable: tuple[str, ...] = ()
    executor_id: str = ""

    @classmethod
    def of(
        cls,
        session_id: str,
        model: str | ModelSpec | None,
        tools: tuple[Iterable[str], Iterable[str]],
        *,
        default_model: bool,
    ) -> ConfigureSession:
        """Make a wish of what was asked; `tools` are those to enable and those to disable.

        Raises:
            InvalidInput: it contradicts itself, or asks for nothing.
        """
        enable, disable = (tuple(dict.fromkeys(each)) for each in tools)
        if model is not None and default_model:
            raise InvalidInput(reason="a session cannot have a model of its own and the default")
        if set(enable) & set(disable):
            raise InvalidInput(reason="a tool is to be enabled and disabled at once")
        if not (model or default_model or enable or disable):
            raise InvalidInput(reason="there is nothing to change: name a model or a tool")
        return cls(
            session_id=session_id,
            operation_id=ids.mint("configure"),
            model=ModelSpec(model) if isinstance(model, str) else model,
            default_model=default_model,
            enable=enable,
            disable=disable,
        )


class Configured(Compact):
    """What a session runs with now.

    Attributes:
        model: the model in force, by name.
        generation: of the session's tools.
    """

    head_revision: int = 0
    fencing_token: int = 0
    model: str = ""
    generation: int = 0

    @classmethod
    def of(cls, receipt: CommitReceipt, fencing_token: int) -> Configured:
        """Read what an operation's receipt says."""
        place = {"head_revision": receipt.head_revision, "fencing_token": fencing_token}
        return cls.model_validate({**receipt.result, **place})

    def facts(self) -> dict[str, Any]:
        """Return what a commit keeps."""
        return self.model_dump(mode="json", include={"model", "generation"})
