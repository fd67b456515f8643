"""Committing a turn, and parking a session."""

from __future__ import annotations

import contextlib
import logging

from sojourn.commit import Commit, CommitReceipt
from sojourn.compaction import compaction_of
from sojourn.draft import Draft
from sojourn.errors import AssemblyError, HeadConflict, LeaseLost, SojournError, UnknownTurn
from sojourn.host import SessionHost
from sojourn.lease import Lease, check_fence
from sojourn.messages import FilePart, Message
from sojourn.outcome import TurnOutcome
from sojourn.requests import CommitTurnRequest, Parked, ParkSession
from sojourn.residents import Resident
from sojourn.turns.interludes import Interludes
from sojourn.usage import Usage

log = logging.getLogger(__name__)


async def commit_turn(host: SessionHost, request: CommitTurnRequest) -> TurnOutcome:
    """Make the turn's journal one atomic commit, once; a retry returns the first outcome.

    Raises:
        LeaseLost: a newer owner has the session.
        HeadConflict: another commit came between.
        UnknownTurn: the turn has neither a journal nor a receipt.
    """
    session_id = request.turn.session_id
    await host.app.probe.reached("commit.before", session_id)
    receipt = await _committed_once(host, request)
    await host.app.probe.reached("commit.after", session_id)
    return TurnOutcome.of(receipt)


async def park_session(host: SessionHost, request: ParkSession) -> Parked:
    """Give the session's lease back and drop it from memory; doing so twice is harmless."""
    await host.app.probe.reached("park.before", request.session_id)
    stored = await host.store.lease(request.session_id)
    # If a newer owner has it, nothing is ours to flush or to give back.
    with contextlib.suppress(LeaseLost, HeadConflict):
        await _give_back(host, check_fence(stored, request.session_id, request.fencing_token))
    host.residents.forget(request.session_id)
    head = await host.store.head(request.session_id)
    await host.app.probe.reached("park.after", request.session_id)
    return Parked(head_revision=head.head_revision if head else 0)


async def _give_back(host: SessionHost, lease: Lease) -> None:
    """Release the lease, with what plugins have changed since the last commit, if that is here."""
    kept = host.residents.peek(lease.session_id)
    head = await host.store.head(lease.session_id)
    if kept is not None and head is not None and kept.runtime.head_revision == head.head_revision:
        kept.runtime.lease = lease
        try:
            await kept.runtime.settle()
        except AssemblyError as error:  # a plugin cannot say what is to be kept: it costs only that
            log.warning("session %s is parked without its plugins: %s", lease.session_id, error)
            await host.store.release(lease)
    else:
        await host.store.release(lease)


async def answer_text(host: SessionHost, session_id: str, outcome: TurnOutcome) -> str:
    """Return the text of the turn's last assistant message; empty if it has none."""
    if outcome.answer_node is None:
        return ""
    kept = host.residents.peek(session_id)
    node = kept.runtime.graph.find(outcome.answer_node) if kept else None
    node = node or await host.store.node(session_id, outcome.answer_node)
    return Message.decode(node.body).text if node else ""


async def _committed_once(host: SessionHost, request: CommitTurnRequest) -> CommitReceipt:
    try:
        return await _commit(host, request)
    except SojournError as error:
        # Another attempt may have come first: then its journal is gone and the head has moved.
        receipt = await host.store.receipt(request.turn.session_id, request.turn.turn_id)
        if receipt is not None:
            return receipt
        moved = await _in_its_frame(host, request) if isinstance(error, HeadConflict) else None
        if moved is None:
            raise
        return await _commit(host, moved)


async def _in_its_frame(host: SessionHost, request: CommitTurnRequest) -> CommitTurnRequest | None:
    """Return the request on the head of the frame that the turn has opened, if it has.

    A cancel may stop whoever compacts when that is committed and not told yet.
    """
    turn = request.turn
    receipt = await host.store.receipt(turn.session_id, compaction_of(turn.head_revision))
    if receipt is None:
        return None
    turn = turn.model_copy(update={"head_revision": receipt.head_revision})
    return request.model_copy(update={"turn": turn})


async def _commit(host: SessionHost, request: CommitTurnRequest) -> CommitReceipt:
    turn = request.turn
    resident = await host.resident(turn.session_id, turn.agent, turn.head_revision)
    draft = resident.draft_of(turn.turn_id)
    if not draft.is_complete:
        effects = await host.store.effects(turn.session_id, turn.turn_id, draft.position)
        resident.absorb(turn.turn_id, effects, lenient=True)
    if not draft.input_digest:
        raise UnknownTurn(session_id=turn.session_id, turn_id=turn.turn_id)
    for key, head in draft.summarised():
        if await host.store.receipt(turn.session_id, compaction_of(head)) is not None:
            draft.settled.add(key)
    await Interludes(host, resident, draft, turn).after_turn(request.status)
    receipt = await resident.runtime.commit(_built(resident, draft, request))
    resident.draft = None
    resident.runtime.plugins.emit(
        "turn_committed", {"session_id": turn.session_id, "turn_id": turn.turn_id}
    )
    return receipt


def _built(resident: Resident, draft: Draft, request: CommitTurnRequest) -> Commit:
    turn, runtime = request.turn, resident.runtime
    nodes = draft.nodes(turn.session_id, turn.turn_id, runtime.graph.leaf)
    answer = draft.answer_ordinal()
    usage = draft.usage()
    outcome = TurnOutcome(
        turn_id=turn.turn_id,
        status=request.status,
        usage=Usage.total(entry.usage for entry in usage),
        tool_calls=draft.summaries(),
        input_digest=draft.input_digest,
        answer_node=nodes[answer].node_id if answer is not None else None,
        fault=request.fault,
        cost=draft.cost(),
        lost_attempts=draft.lost_attempts(),
    )
    tools, plugins = runtime.snapshots.changed()
    return Commit(
        session_id=turn.session_id,
        operation_id=turn.turn_id,
        expected_head_revision=turn.head_revision,
        fencing_token=turn.fencing_token,
        nodes=nodes,
        leaf=nodes[-1].node_id,
        config=runtime.conversation.config_at(nodes[-1].node_id, draft.context_tokens()),
        tool_state=tools,
        plugin_state=plugins,
        usage=usage,
        attachment_ids=_attachment_ids(draft),
        result=outcome.facts(),
        release=request.release,
    )


def _attachment_ids(draft: Draft) -> tuple[str, ...]:
    """Return the attachments that the turn's messages name, each once."""
    parts = (part for message in draft.messages() for part in message.parts)
    return tuple(dict.fromkeys(part.file_id for part in parts if isinstance(part, FilePart)))
