"""A tool call's result before it is recorded, and what a plugin may make of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sojourn.attachment import Attachment
from sojourn.messages import CallStatus


@dataclass(frozen=True, slots=True)
class ToolResultView:
    """What came of a call that was run.

    Attributes:
        status: DONE or FAILED.
        response: what the model would be told, as JSON: a copy, the plugin's own.
        attachments: those that the result has.
    """

    status: CallStatus
    response: Any
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True)
class ReplaceResult:
    """Record and tell the model another response, with these attachments besides."""

    response: Any
    attachments: tuple[Attachment, ...] = ()
