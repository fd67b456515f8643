"""A tool call before it is run, and what a plugin may say to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sojourn.attachments import SessionAttachments


@dataclass(frozen=True, slots=True)
class ToolCallView:
    """A tool call.

    Attributes:
        session_id: the session.
        turn_id: the turn.
        step: the model step that asked for it.
        call_id: the call, as the model named it.
        tool_id: the tool's identity.
        tool: the name that the model calls it by.
        arguments: what it is called with: a copy, the plugin's own.
        attempt: counted from 1.
        attachments: keeps bytes beside the conversation.
    """

    session_id: str
    turn_id: str
    step: int
    call_id: str
    tool_id: str
    tool: str
    arguments: Mapping[str, Any]
    attempt: int = 1
    attachments: SessionAttachments = field(
        default_factory=SessionAttachments, compare=False, repr=False
    )


@dataclass(frozen=True, slots=True)
class Deny:
    """Do not run the call, or withhold its result; the model is told `reason`."""

    reason: str


@dataclass(frozen=True, slots=True)
class Answer:
    """Do not run the call: answer the model with `response`, which is JSON."""

    response: Any


@dataclass(frozen=True, slots=True)
class ReplaceArguments:
    """Run the call with other arguments; functions and MCP tools check them by their schema."""

    arguments: Mapping[str, Any]
