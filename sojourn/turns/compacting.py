"""Opening a frame: one atomic commit of its node and seeds, by hand or when a window is full."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from sojourn import ids
from sojourn.choices import ContextMark
from sojourn.commit import Commit, CommitReceipt
from sojourn.compaction import Cut, compaction_of, cut, frame_nodes, summary_of
from sojourn.draft import Draft
from sojourn.errors import SojournError
from sojourn.frames import Frame, FramePolicy, FrameReason
from sojourn.host import SessionHost
from sojourn.journal import INPUT_KEY, Effect, EffectRef, summary_key
from sojourn.lease import Claim, Lease, LeaseOwner
from sojourn.messages import user
from sojourn.operations import CompactTurn, FrameOpened, OpenFrame
from sojourn.reads import TurnOpening
from sojourn.requests import TurnRef
from sojourn.runtime import SessionRuntime
from sojourn.turns.claiming import claimed, token_of
from sojourn.turns.summarising import Summariser, Summary, recorded
from sojourn.window import context_tokens, estimated, threshold

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Opening:
    """A frame that is being opened.

    Attributes:
        place: the session, the head that it builds on and the fence to write it; its turn id is
            that of the journal that a summary is recorded in.
        sets: what the frame sets that the one around it did not.
    """

    host: SessionHost
    place: TurnRef
    runtime: SessionRuntime
    operation_id: str
    reason: str
    sets: FramePolicy = field(default_factory=FramePolicy)

    async def compact(self, part: Cut, effects: Sequence[Effect], *, is_last: bool) -> FrameOpened:
        """Open the frame with a summary of a part of the conversation, recorded or to be asked."""
        place = self.place
        key, effect = summary_key(place.head_revision), recorded(effects, place.head_revision)
        ref = EffectRef(place.session_id, place.turn_id, key, place.fencing_token)
        asking = Summariser(self.host, self.runtime, ref, self.reason, is_last)
        summary = Summary.of(effect) if effect else await asking.summary(part)
        await self.host.app.probe.reached("compact.summarised", place.session_id)
        if summary.fault is not None:
            log.warning("session %s: %s", place.session_id, summary.fault.message)
        if place.turn_id == self.operation_id:
            # The journal is this operation's own, and ends with it.
            draft = Draft()
            draft.absorb(await self.host.store.effects(place.session_id, place.turn_id))
            summary = replace(summary, usage=draft.usage())
            if summary.fault is not None and summary.usage:
                return FrameOpened.of(await self._once(self._paid(summary)), place.fencing_token)
        if summary.fault is not None:
            return self.unchanged(summary)
        return await self.commit(part, summary)

    async def commit(self, part: Cut, summary: Summary) -> FrameOpened:
        """Open the frame with the summary and what is kept, all at once, and once."""
        session_id = self.place.session_id
        receipt = await self._once(self._built(part, summary))
        facts = {"session_id": session_id, "reason": self.reason}
        self.runtime.plugins.emit("frame_opened", facts)
        await self.host.app.probe.reached("compact.after", session_id)
        return FrameOpened.of(receipt, self.place.fencing_token)

    async def _once(self, commit: Commit) -> CommitReceipt:
        try:
            return await self.runtime.commit(commit)
        except SojournError:
            # Another attempt may have come first.
            stored = await self.host.store.receipt(commit.session_id, self.operation_id)
            if stored is None:
                raise
            return stored

    def unchanged(self, summary: Summary | None = None) -> FrameOpened:
        """Return that nothing was committed."""
        return FrameOpened(
            head_revision=self.place.head_revision,
            fencing_token=self.place.fencing_token,
            fault=summary.fault if summary else None,
        )

    def _paid(self, summary: Summary) -> Commit:
        """Account for a summary of no use, and change nothing else."""
        place, conversation = self.place, self.runtime.conversation
        return Commit(
            session_id=place.session_id,
            operation_id=self.operation_id,
            expected_head_revision=place.head_revision,
            fencing_token=place.fencing_token,
            leaf=self.runtime.graph.leaf,
            config=conversation.layers.config(conversation.mark),
            usage=summary.usage,
            result=FrameOpened(fault=summary.fault).facts(),
            is_turn=False,
        )

    def _built(self, part: Cut, summary: Summary) -> Commit:
        runtime, place = self.runtime, self.place
        layers = runtime.conversation.layers.opening(self.sets)
        seeds = [*summary.seeds, *(node.body for node in part.kept)]
        frame = Frame(reason=self.reason, policy=layers.frame)
        leaf = runtime.graph.leaf
        nodes = frame_nodes(place.session_id, self.operation_id, leaf, frame, seeds)
        opened = FrameOpened(
            frame=nodes[0].node_id, replaced=len(part.replaced), kept=len(part.kept)
        )
        mark = ContextMark(
            leaf=nodes[-1].node_id,
            tokens=context_tokens(runtime.instructions(), runtime.catalog.specs(), seeds),
            model=layers.frame.model,
        )
        tools, plugins = runtime.snapshots.changed()
        return Commit(
            session_id=place.session_id,
            operation_id=self.operation_id,
            expected_head_revision=place.head_revision,
            fencing_token=place.fencing_token,
            nodes=nodes,
            leaf=nodes[-1].node_id,
            config=layers.config(mark),
            tool_state=tools,
            plugin_state=plugins,
            usage=summary.usage,
            result=opened.facts(),
            is_turn=False,
        )


async def compact_turn(host: SessionHost, request: CompactTurn) -> FrameOpened:
    """Compact the session of an open turn, if its window is as full as the agent says.

    A failure is recorded and returned: the turn may go on without.

    Raises:
        ModelError: the model did not answer, and may be asked again.
        StoreError: as `SessionStore.commit`.
    """
    turn = request.turn
    operation_id = compaction_of(turn.head_revision)
    await host.app.probe.reached("compact.before", turn.session_id)
    receipt = await host.store.receipt(turn.session_id, operation_id)
    if receipt is not None:
        return FrameOpened.of(receipt, turn.fencing_token)
    resident = await host.resident(turn.session_id, turn.agent, turn.head_revision)
    runtime = resident.runtime
    opening = _Opening(host, turn, runtime, operation_id, FrameReason.AUTOMATIC)
    effects = await host.store.effects(turn.session_id, turn.turn_id)
    agent = host.app.agent(turn.agent)
    part = cut(runtime.graph, agent.compact_keep, runtime.model.room)
    is_due = recorded(effects, turn.head_revision) is not None or _is_full(
        runtime, agent.compact_at, effects
    )
    if part is None or not is_due:
        return opening.unchanged()
    # The turn accounts for what is paid here in vain: it must read its journal again.
    resident.draft_of(turn.turn_id).opened_by = 0
    return await opening.compact(part, effects, is_last=request.is_last)


async def open_frame(host: SessionHost, request: OpenFrame) -> FrameOpened:
    """Open a frame by hand: with a text, or with a summary by the model; a retry is the same one.

    Raises:
        UnknownSession: there is no such session.
        LeaseHeld: another owner has it.
        AssemblyError: the frame's model cannot be opened.
        ModelError: the model did not answer, and may be asked again.
        StoreError: as `SessionStore.commit`.
    """
    session_id = request.session_id
    await host.app.probe.reached("compact.before", session_id)
    receipt = await host.store.receipt(session_id, request.operation_id)
    if receipt is not None:
        return FrameOpened.of(receipt, await token_of(host.store, _claim(host, request)))
    await host.require_head(session_id)
    async with claimed(host.store, _claim(host, request)) as lease:
        return await _opened(await _place(host, request, lease), request)


async def _opened(opening: _Opening, request: OpenFrame) -> FrameOpened:
    host, runtime = opening.host, opening.runtime
    part = cut(runtime.graph, _kept(opening, request), runtime.model.room)
    if request.reason == FrameReason.OPENED:
        seeds = (user(request.text).encode(),) if request.text else ()
        return await opening.commit(part or Cut((), ()), Summary(seeds))
    if part is None:
        return opening.unchanged()
    if request.text is not None:
        return await opening.commit(part, Summary((summary_of(request.text).encode(),)))
    effects = await _journal(host, request)
    return await opening.compact(part, effects, is_last=request.is_last)


async def _place(host: SessionHost, request: OpenFrame, lease: Lease) -> _Opening:
    session_id, sets = request.session_id, request.policy
    agent = await host.agent_of(session_id, request.agent)
    if sets.model is not None:
        sets = sets.model_copy(update={"model": host.openable(agent, sets.model)})
    head = await host.require_head(session_id)
    place = TurnRef(
        session_id=session_id,
        agent=agent,
        turn_id=request.operation_id,
        fencing_token=lease.fencing_token,
        head_revision=head,
    )
    runtime = (await host.resident(session_id, agent, head)).runtime
    return _Opening(host, place, runtime, request.operation_id, request.reason, sets)


def _claim(host: SessionHost, request: OpenFrame) -> Claim:
    return Claim(
        session_id=ids.checked("session", request.session_id),
        owner=LeaseOwner(request.owner_id, request.incarnation_id),
        executor_id=request.executor_id or request.operation_id,
        ttl=host.app.timings.ttl,
    )


async def _journal(host: SessionHost, request: OpenFrame) -> Sequence[Effect]:
    """Begin the journal that the summary is recorded in, or read on in it."""
    opening = TurnOpening(
        claim=_claim(host, request),
        turn_id=request.operation_id,
        input_payload=user(request.reason).encode(),
        input_digest=ids.digest(request.reason.encode()),
    )
    return (await host.store.open_turn(opening)).effects


def _kept(opening: _Opening, request: OpenFrame) -> int:
    if request.keep_turns is not None:
        return request.keep_turns
    agent = opening.host.app.agent(opening.place.agent)
    return 0 if request.reason == FrameReason.OPENED else agent.compact_keep


def _is_full(runtime: SessionRuntime, share: float | None, effects: Sequence[Effect]) -> bool:
    limit = threshold(runtime.model, share) if share is not None else None
    if limit is None:
        return False
    mark = runtime.conversation.mark
    bodies = [node.body for node in runtime.graph.current_frame()]
    known = (
        mark.tokens
        if mark
        else context_tokens(runtime.instructions(), runtime.catalog.specs(), bodies)
    )
    new = estimated(len(each.payload) for each in effects if each.effect_key == INPUT_KEY)
    return known + new >= limit
