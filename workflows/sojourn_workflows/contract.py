"""What clients and the session workflow say to each other."""

from __future__ import annotations

from sojourn.compact import Compact
from sojourn.outcome import TurnOutcome

# Names on the wire: they stand in histories and never change.
SUBMIT = "session.submit"
OUTCOME = "session.outcome"
CANCEL = "session.cancel"
DECIDE = "session.decide"
PARK = "session.park"
OPEN_FRAME = "session.open_frame"
CONFIGURE = "session.configure"
STATUS = "session.status"


class SessionConfig(Compact):
    """What a session's run starts with; continue-as-new carries nothing else.

    Attributes:
        session_id: the session; the workflow's id is `session/` and this.
        agent: the agent's name, or empty for the one that the session has.
        idle_seconds: parks and ends after so long without a message; 0 stays for ever.
        held_seconds: how long to wait for a session that another owner holds.
        continue_after_events: continues as new beyond so many events of history.
        known_token: the newest fencing token that this workflow knows of.
    """

    session_id: str
    agent: str = ""
    idle_seconds: float = 10.0
    held_seconds: float = 60.0
    continue_after_events: int = 0
    known_token: int = 0


class SubmitTurn(Compact):
    """Queue a message as a turn.

    Attributes:
        turn_id: the turn, and the update's id.
        text: the message.
        wait: whether the update may stay open until the turn has ended.
        nonce: names this one call. Answer and refusal say it again, so that the caller knows one
            that the server remembers from an earlier call with the same update id.
    """

    turn_id: str
    text: str
    wait: bool = False
    nonce: str = ""


class Submitted(Compact):
    """The turn is queued; `outcome` if it was waited for and has ended.

    Attributes:
        input_digest: names the text that the turn id stands for; the outcome says it too.
    """

    input_digest: str = ""
    outcome: TurnOutcome | None = None
    nonce: str = ""


class TurnName(Compact):
    """One turn of the session."""

    turn_id: str


class CancelReply(Compact):
    """Whether the cancel came before the commit."""

    won: bool = False


class Decision(Compact):
    """A person's answer to a tool call that waits for approval."""

    call_id: str
    approved: bool = True


class Done(Compact):
    """Nothing more to say."""


class SessionStatus(Compact):
    """What the workflow is doing: for progress, not for decisions.

    Attributes:
        turn_id: the turn that runs, or None.
        phase: what it waits for: `begin`, `compact`, `model`, `tools`, `approval`, `commit`.
        step: its model step.
        calls: the names of the tools that run.
        approvals: ids of the calls that wait for a person, with their tools' names.
        queued: ids of the turns that wait.
    """

    turn_id: str | None = None
    phase: str = "idle"
    step: int = 0
    calls: tuple[str, ...] = ()
    approvals: dict[str, str] = {}  # noqa: RUF012 - pydantic copies defaults
    queued: tuple[str, ...] = ()


class SessionEnded(Compact):
    """How a session's run ended."""

    head_revision: int = 0
    turns: int = 0
