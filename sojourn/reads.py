"""What a session store gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sojourn.commit import CommitReceipt
from sojourn.graph import Node
from sojourn.journal import Effect
from sojourn.lease import Claim, Lease
from sojourn.usage import Usage


class ReadScope(StrEnum):
    """How much of a session to read; a store that cannot serve one refuses, and never reads more.

    FRAME is the active path back to the newest frame node, that node included.
    """

    FULL_GRAPH = "full graph"
    ACTIVE_PATH = "active path"
    FRAME = "frame"


@dataclass(frozen=True, slots=True)
class StateRef:
    """A snapshot by its content address; `generation` as in `commit.Snapshot`."""

    digest: str
    generation: int


@dataclass(frozen=True, slots=True)
class Head:
    """A session's row: where it stands. Revision 0 means that nothing was committed yet."""

    session_id: str
    head_revision: int
    leaf: str | None
    turn_count: int
    created_at: datetime
    config: dict[str, Any] = field(default_factory=dict[str, Any])
    tool_state: StateRef | None = None
    plugin_state: StateRef | None = None
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True, slots=True)
class SessionRead:
    """A consistent read of one session: its head, the nodes of the scope, its state bodies."""

    head: Head
    nodes: tuple[Node, ...]
    tool_state: bytes | None = None
    plugin_state: bytes | None = None


@dataclass(frozen=True, slots=True)
class TurnOpening:
    """What `open_turn` is asked: claim the lease and journal the input, in one transaction.

    Attributes:
        claim: whose lease; the executor is the turn id.
        turn_id: the turn.
        input_payload: the bytes of the input's node.
        input_digest: `ids.digest` of the input's text: the same turn id with another is refused.
        known_token: the newest token that this owner knows of, or None not to check. A stored
            lease of the same owner and incarnation with a newer one means that the owner went
            back in time (a workflow reset).
        config: the configuration of a session that does not exist yet.
    """

    claim: Claim
    turn_id: str
    input_payload: bytes
    input_digest: str
    known_token: int | None = None
    config: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class OpenTurn:
    """What `open_turn` answers.

    Attributes:
        receipt: the stored receipt if the turn was committed before; then nothing was claimed,
            and `lease` is None.
        lease: the claimed lease.
        head: the session's head.
        effects: the turn's journal so far: more than the input if it was begun before.
    """

    receipt: CommitReceipt | None
    lease: Lease | None
    head: Head
    effects: tuple[Effect, ...] = ()


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in a store, named by its row.

    Attributes:
        session_id: whose; empty if it is the whole store's.
        node_id: at which node, or None if it is at none; `problem` names the row then.
        problem: what is wrong; never what a message says.
        remedy: what to do about it; two problems are the same without regard to it.
    """

    session_id: str
    node_id: str | None
    problem: str
    remedy: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class CheckedPage:
    """What a check of a store came to in one bounded piece of it.

    Attributes:
        problems: what is wrong there.
        looked: how many sessions and nodes it holds, as `SessionStore.stats` counts them.
    """

    problems: tuple[Problem, ...]
    looked: int = 0
