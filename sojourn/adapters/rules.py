"""Rules that every store applies alike, as pure functions of what is stored."""

from __future__ import annotations

from sojourn import ids
from sojourn.attachment import AttachmentIntent
from sojourn.commit import Commit, CommitReceipt, Snapshot
from sojourn.errors import (
    Diverged,
    EffectSettled,
    GraphCorrupt,
    OperationConflict,
    TurnConflict,
)
from sojourn.journal import Effect, EffectKind, EffectRef, EffectStatus, Outcome
from sojourn.lease import Lease
from sojourn.reads import TurnOpening


def check_input(opening: TurnOpening, digest: object) -> None:
    """Let a turn id pass only with the input that it was first used with.

    Raises:
        TurnConflict: it was used with another one.
    """
    if digest != opening.input_digest:
        raise TurnConflict(session_id=opening.claim.session_id, turn_id=opening.turn_id)


def check_history(opening: TurnOpening, stored: Lease | None) -> None:
    """Let an owner pass only if it knows the newest token that it was given itself.

    The executor's own claim may be newer than what the owner knows: its answer was lost.

    Raises:
        Diverged: the owner went back in time.
    """
    wish = opening.claim
    if opening.known_token is None or stored is None or stored.owner != wish.owner:
        return
    if stored.executor_id != wish.executor_id and stored.fencing_token > opening.known_token:
        raise Diverged(
            session_id=wish.session_id, known=opening.known_token, actual=stored.fencing_token
        )


def input_outcome(opening: TurnOpening) -> Outcome:
    """Return what the journal keeps of a turn's input."""
    return Outcome(
        kind=EffectKind.INPUT,
        status=EffectStatus.DONE,
        payload=opening.input_payload,
        facts={"digest": opening.input_digest},
        attempt_id=opening.claim.executor_id,
    )


def started(attempt_id: str) -> Outcome:
    """Return what the journal keeps of a tool call that starts."""
    return Outcome(EffectKind.TOOL, EffectStatus.STARTED, b"", {}, attempt_id)


def row(ref: EffectRef, outcome: Outcome, position: int) -> Effect:
    """Return the journal row of `outcome`."""
    return Effect(
        position=position,
        effect_key=ref.effect_key,
        kind=outcome.kind,
        status=outcome.status,
        attempt_id=outcome.attempt_id,
        payload=outcome.payload,
        facts=outcome.facts,
    )


def stands(effect: Effect, outcome: Outcome) -> bool:
    """Tell whether a stored effect outlives `outcome`: a final one does, and STARTED a start."""
    return effect.is_final or outcome.status is EffectStatus.STARTED


def check_open(ref: EffectRef, has_input: bool) -> None:
    """Let an effect pass only while its turn's journal is open: as long as it has its input.

    Raises:
        EffectSettled: the turn was committed, or never begun.
    """
    if not has_input:
        raise EffectSettled(turn_id=ref.turn_id, effect_key=ref.effect_key)


def effect_of(intent: AttachmentIntent) -> EffectRef:
    """Return what the journal would call the writing of an attachment: for `check_open` to name."""
    key = f"attachment/{intent.attachment.attachment_id}"
    return EffectRef(intent.session_id, intent.turn_id, key, intent.fencing_token)


def replayed(commit: Commit, content: str, stored: str, first: CommitReceipt) -> CommitReceipt:
    """Return the first receipt of an operation that is committed again.

    Raises:
        OperationConflict: it has other content this time.
    """
    if content != stored:
        raise OperationConflict(session_id=commit.session_id, operation_id=commit.operation_id)
    return first


def check_snapshot(commit: Commit, snapshot: Snapshot, is_stored: bool) -> None:
    """Let a snapshot pass only if its body is there and has the address that it claims.

    Raises:
        GraphCorrupt: it comes without a body that the store has, or with another body.
    """
    body = snapshot.body
    if body is None and is_stored:
        return
    if body is None or ids.digest(body) != snapshot.digest:
        raise GraphCorrupt(
            session_id=commit.session_id,
            node_id="",
            reason=f"the body of state {snapshot.digest} is not that of its digest, or missing",
        )
