"""The steps of a writer's work: each one call of a store that changes something."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import Self

from sojourn import ids
from sojourn.attachment import Attachment, AttachmentIntent
from sojourn.commit import Commit, NewNode
from sojourn.graph import NodeKind
from sojourn.journal import EffectKind, EffectRef, EffectStatus, Outcome
from sojourn.lease import Claim, LeaseOwner
from sojourn.messages import assistant, user
from sojourn.ports import SessionStore
from sojourn.reads import TurnOpening
from sojourn.usage import Usage, UsageEntry

OWNER = LeaseOwner("temporal/default/session/faults", "life-1")
TTL = timedelta(hours=1)
VACUUM_LIMIT = 7  # so that there is always something left in the middle
SPENT = UsageEntry(source="agent", model="scripted", usage=Usage(input_tokens=1))


class Kind(StrEnum):
    """What a step does."""

    CLAIM = "claim"
    OPEN = "open"
    START = "start"
    RECORD = "record"
    ATTACH = "attach"
    COMMIT = "commit"
    FORK = "fork"
    TOMBSTONE = "tombstone"
    DELETE = "delete"
    VACUUM = "vacuum"


EFFECTS = (Kind.START, Kind.RECORD)
OF_OPEN_TURNS = (*EFFECTS, Kind.ATTACH)


@dataclass(frozen=True, slots=True)
class Step:
    """One call, whole enough to be sent again by somebody else.

    Attributes:
        session: the session; of a fork, the one that it is made of.
        name: the turn or operation, or the fork's id.
        key: the effect's or the attachment's, if it is one.
        nodes: of a commit, appended in order; else those to be tombstoned.
        parent: the node that they hang on, or that is stood on, or that a fork is made at.
        revision: the head that a commit builds on.
    """

    kind: Kind
    session: str = ""
    name: str = ""
    key: str = ""
    nodes: tuple[str, ...] = ()
    parent: str | None = None
    revision: int = 0
    owner: str = OWNER.owner_id

    @property
    def leaf(self) -> str | None:
        """The node that a commit stands on afterwards."""
        return self.nodes[-1] if self.nodes else self.parent

    @property
    def is_turn(self) -> bool:
        """Whether a commit is a turn's: others move the leaf, and append nothing."""
        return bool(self.nodes)

    def claim(self) -> Claim:
        """Return the wish for the lease."""
        return Claim(self.session, replace(OWNER, owner_id=self.owner), self.name, TTL)

    def opening(self) -> TurnOpening:
        """Return the opening of the turn."""
        digest = ids.digest(self.name.encode())
        return TurnOpening(self.claim(), self.name, user(self.name).encode(), digest)

    def intent(self, token: int) -> AttachmentIntent:
        """Return the intent to write an attachment."""
        attachment = Attachment(self.key, "text/plain", 7)
        blob_key = f"{self.key}.{self.name}"
        return AttachmentIntent(self.session, self.name, token, attachment, blob_key)

    def commit(self, token: int) -> Commit:
        """Return the commit, for whoever holds the lease with `token`; some give it back."""
        parents = (self.parent, *self.nodes)
        nodes = tuple(
            NewNode(name, parent, NodeKind.MESSAGE, body(name))
            for name, parent in zip(self.nodes, parents, strict=False)
        )
        return Commit(
            session_id=self.session,
            operation_id=self.name,
            expected_head_revision=self.revision,
            fencing_token=token,
            nodes=nodes,
            leaf=self.leaf,
            usage=(SPENT,),
            result={"input_digest": ids.digest(self.name.encode())},
            is_turn=self.is_turn,
            release=self.session.startswith(("fork", "shared")),
        )


@dataclass(frozen=True, slots=True)
class Told:
    """What a writer says of a step: that it is sent, then what was answered."""

    step: Step
    answer: int | None = None

    def line(self) -> bytes:
        """Return it as one line."""
        return json.dumps([self.answer, asdict(self.step)]).encode() + b"\n"

    @classmethod
    def parsed(cls, line: bytes) -> Self:
        """Return what a line says."""
        answer, facts = json.loads(line)
        facts |= {"kind": Kind(facts["kind"]), "nodes": tuple(facts["nodes"])}
        return cls(Step(**facts), answer)


Tell = Callable[[Told], None]


def body(name: str) -> bytes:
    """Return what the node or effect of that name holds: some are longer than a page."""
    return assistant(name * (1 + 200 * name.endswith("b"))).encode()


async def done(store: SessionStore, step: Step, token: int = 0) -> int:
    """Do a step with the lease of `token`; return a number that the answer can be known by."""
    if step.kind in OF_OPEN_TURNS:
        return await _journaled(store, step, token)
    match step.kind:
        case Kind.CLAIM:
            return (await store.claim(step.claim())).fencing_token
        case Kind.OPEN:
            lease = (await store.open_turn(step.opening())).lease
            return lease.fencing_token if lease else 0
        case Kind.COMMIT:
            return (await store.commit(step.commit(token))).head_revision
        case Kind.FORK:
            return (await store.fork(step.session, step.parent or "", step.name)).head_revision
        case _:
            return await _cleared(store, step)


async def _journaled(store: SessionStore, step: Step, token: int) -> int:
    ref = EffectRef(step.session, step.name, step.key, token)
    match step.kind:
        case Kind.START:
            return (await store.start_effect(ref, "attempt")).position
        case Kind.RECORD:
            return (await store.record_effect(ref, outcome(step.key))).position
        case _:
            return len((await store.begin_attachment(step.intent(token))).blob_key)


async def _cleared(store: SessionStore, step: Step) -> int:
    match step.kind:
        case Kind.TOMBSTONE:
            return await store.tombstone_nodes(step.session, step.nodes)
        case Kind.DELETE:
            await store.delete(step.session)
            return 0
        case _:
            return (await store.vacuum(VACUUM_LIMIT)).nodes


def outcome(key: str) -> Outcome:
    """Return the outcome of the effect of that key."""
    return Outcome(EffectKind(key.partition("/")[0]), EffectStatus.DONE, body(key), {}, "attempt")
