"""What the library needs from outside, as Protocols. Adapters live under `sojourn.adapters`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Protocol, runtime_checkable

from sojourn.attachment_ports import AttachmentManifest
from sojourn.commit import Commit, CommitReceipt
from sojourn.graph import Node
from sojourn.journal import Effect, EffectRef, Outcome
from sojourn.lease import Claim, Lease
from sojourn.models import ModelAnswer, ModelRequest, ModelSpec, TextDelta
from sojourn.reads import (
    CheckedPage,
    Head,
    OpenTurn,
    Problem,
    ReadScope,
    SessionRead,
    TurnOpening,
)
from sojourn.transfer_ports import SessionTransfer
from sojourn.upkeep_ports import StoreUpkeep
from sojourn.usage import UsageEntry


class SessionStore(AttachmentManifest, SessionTransfer, StoreUpkeep, Protocol):
    """Sessions, kept for good. Every method is atomic; every write is fenced.

    Any method may raise `Contended` (try the same again), `StoreUnavailable`, `SessionDeleted`,
    or `StoreUnusable`. `UnknownSession` is raised where a session must exist and does not.
    """

    async def claim(self, wish: Claim) -> Lease:
        """Apply `lease.claim` to the stored lease; makes the session's row if there is none.

        Raises:
            LeaseHeld: as `lease.claim`.
        """
        ...

    async def renew(self, lease: Lease, ttl: timedelta) -> Lease:
        """Apply `lease.renew`.

        Raises:
            LeaseLost: as `lease.renew`.
        """
        ...

    async def release(self, lease: Lease) -> None:
        """Apply `lease.release`: a stale one changes nothing."""
        ...

    async def lease(self, session_id: str) -> Lease | None:
        """Return the stored lease, which may be expired or released; None if never claimed."""
        ...

    async def open_turn(self, opening: TurnOpening) -> OpenTurn:
        """Begin or re-enter a turn in one transaction: receipt, divergence, claim, input.

        In this order: a stored receipt with the same input digest (its result's `input_digest`)
        answers and nothing is written; then the divergence check; then the claim; then the
        input's effect (DONE, key `input`, facts `{"digest": ...}`), unless it is there already.

        Raises:
            TurnConflict: the turn id has another input digest, in a receipt or in the journal.
            Diverged: the stored lease is of the same owner and incarnation, of another executor,
                and its token is above `known_token`.
            LeaseHeld: as `lease.claim`; nothing was written.
        """
        ...

    async def start_effect(self, ref: EffectRef, attempt_id: str) -> Effect:
        """Record that a tool call starts, durably, unless the key has a row; return the row.

        Raises:
            LeaseLost: the fence is not current.
            EffectSettled: the turn has no input row: it was committed or never begun.
        """
        ...

    async def record_effect(self, ref: EffectRef, outcome: Outcome) -> Effect:
        """Record an effect's outcome unless it is final already; return the row that stands.

        Raises:
            LeaseLost: the fence is not current.
            EffectSettled: as `start_effect`.
        """
        ...

    async def effects(self, session_id: str, turn_id: str, after: int = 0) -> Sequence[Effect]:
        """Return the turn's journal rows that are new or changed since position `after`."""
        ...

    async def commit(self, commit: Commit) -> CommitReceipt:
        """Apply `commit` whole, or raise and leave every table as it was.

        In this order: receipt (same content: its first result; other: `OperationConflict`),
        fence, head, integrity, size; then nodes, leaf, snapshots, usage, attachments (the named
        ones and the turn's pending ones become permanent, none is made), receipt, the turn's
        journal settled (removed), release.

        Raises:
            OperationConflict: the operation was committed with other content.
            LeaseLost: the fence is not current.
            HeadConflict: the head is not the expected one.
            GraphCorrupt: see `commit.check_nodes`.
            CommitTooLarge: see `commit.check_size`.
        """
        ...

    async def receipt(self, session_id: str, operation_id: str) -> CommitReceipt | None:
        """Return the receipt of a committed operation, marked as replayed."""
        ...

    async def head(self, session_id: str) -> Head | None:
        """Return the session's head, or None if there is no such session."""
        ...

    async def heads(self, after: str = "", limit: int = 100) -> Sequence[Head]:
        """Return a page of heads of live sessions, in order of their ids."""
        ...

    async def load(
        self, session_id: str, scope: ReadScope, leaf: str | None = None
    ) -> SessionRead | None:
        """Read a session, from `leaf` instead of its own leaf if given; None if there is none.

        Nodes come in append order. The active path follows parents into the sessions that this
        one was forked from; of a leaf that is not stored it is empty.

        Raises:
            UnsupportedReadScope: the store cannot serve the scope.
            UnknownNode: the session does not have `leaf`.
            GraphCorrupt: the path's parents form a cycle, or one is missing.
        """
        ...

    async def node(self, session_id: str, node_id: str) -> Node | None:
        """Return a node of the session or of its ancestry; None if unknown or tombstoned."""
        ...

    async def newest_message(self, session_id: str) -> str | None:
        """Return the newest live message node of the session: where to stand if its leaf is lost.

        Of its own nodes, or else on the way to where it was forked; None if there is none. It
        costs the same however long the session is.
        """
        ...

    async def orphaned_node_ids(self, session_id: str) -> Sequence[str]:
        """Return the session's own live nodes that no live session holds.

        A session holds the path of its leaf, and the path of the node that it was forked at. If
        the way back from one of these is cut, by a node that is missing or tombstoned, nobody can
        tell what it held: then nothing that it may have held is an orphan.
        """
        ...

    async def tombstone_nodes(self, session_id: str, node_ids: Sequence[str]) -> int:
        """Mark own nodes deleted, with all that hangs on them; return how many were marked.

        Unknown ids are passed over.

        Raises:
            NodeReachable: a live session holds one of them, or may do so; nothing was marked.
        """
        ...

    async def fork(self, session_id: str, node_id: str, new_session_id: str) -> Head:
        """Make a session that stands on a node of another, without copying a node.

        Raises:
            UnknownSession: there is no such session.
            UnknownNode: the session does not have the node.
            InvalidInput: the new id is taken.
            SessionDeleted: the new id was deleted once.
        """
        ...

    async def delete(self, session_id: str) -> None:
        """Delete a session; its id is refused for ever. Nodes that forks hold stay.

        What nobody holds any more cannot be read from then on, and goes with `vacuum`.

        Deleting it again is harmless.

        Raises:
            LeaseHeld: somebody works on it.
        """
        ...

    async def usage(self, session_id: str) -> Sequence[UsageEntry]:
        """Return the session's ledger, summed by source and model."""
        ...

    def check(self) -> AsyncIterator[Problem]:
        """Look at every session and node, and yield what is wrong."""
        ...

    async def stats(self) -> dict[str, int]:
        """Return counts and `size_bytes`.

        Counted are `sessions`, `nodes`, `tombstoned`, `effects`, `receipts`, `snapshots`,
        `attachments` and `intents` (the pending ones among them).
        """
        ...

    async def close(self) -> None:
        """Let go of files and threads; closing twice is harmless."""
        ...


@runtime_checkable
class PagedCheck(Protocol):
    """A store that can tell how far its check has come; for people who watch."""

    def check_pages(self) -> AsyncIterator[CheckedPage]:
        """Do what `SessionStore.check` does, piece by piece, sound ones included."""
        ...


class ModelProvider(Protocol):
    """Something that answers `ModelRequest`s; it retries nothing itself.

    Raises (both methods):
        ModelUnavailable: try again, after `retry_after_seconds` if given.
        ModelRefused: trying again cannot help.
        ModelGarbage: the answer cannot be read.
    """

    async def complete(self, request: ModelRequest) -> ModelAnswer:
        """Answer whole."""
        ...

    def stream(self, request: ModelRequest) -> AsyncIterator[TextDelta | ModelAnswer]:
        """Answer in pieces of text, then whole."""
        ...


@runtime_checkable
class DescribedProvider(Protocol):
    """A provider of one's own that says what its model is called, and how much it can read."""

    @property
    def spec(self) -> ModelSpec | None:
        """The model; None leaves the provider to be named by its class."""
        ...


class OpenedModel(ModelProvider, Protocol):
    """A provider that was opened by its name, and holds connections."""

    async def aclose(self) -> None:
        """Let go of connections; closing twice is harmless."""
        ...


class Probe(Protocol):
    """Is told when named points of a turn are passed; must never change what happens.

    Points: `claim.before`, `claim.after`, `compact.before`, `compact.summarised`, `compact.after`,
    `model.calling`, `model.recorded`, `tool.started`,
    `tool.ran`, `tool.recorded`, `commit.before`, `commit.after`, `park.before`, `park.after`.
    """

    async def reached(self, point: str, session_id: str) -> None:
        """Be told."""
        ...


class SilentProbe:
    """A probe that does nothing: the default."""

    async def reached(self, point: str, session_id: str) -> None:
        """Do nothing."""
