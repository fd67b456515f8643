"""A model step: the answer from the journal if it is there, else from the model, then journaled."""

from __future__ import annotations

from sojourn import ids
from sojourn import turn as machine
from sojourn.draft import Draft
from sojourn.errors import ContextFull, SojournError, StoreError, ToolFailure, ToolUnavailable
from sojourn.host import SessionHost
from sojourn.journal import EffectKind, EffectStatus, Outcome, model_key
from sojourn.keeper import LeaseKeeper
from sojourn.messages import Message, ToolCallPart
from sojourn.models import FinishReason, ModelAnswer
from sojourn.outcome import Abort, Fault, TurnOutcome
from sojourn.plugin_turns import answered
from sojourn.requests import CommitTurnRequest, StepTurn
from sojourn.runtime import SessionRuntime
from sojourn.spending import spending_facts
from sojourn.turn import StepAnswer, ToolCallRef
from sojourn.turns.asking import question
from sojourn.turns.committing import commit_turn
from sojourn.turns.interludes import Interludes
from sojourn.turns.wasting import record_answer, record_waste
from sojourn.window import estimated


async def step_turn(host: SessionHost, request: StepTurn) -> StepAnswer:
    """Return the answer of one model step: bought once, recorded once, whoever asks again.

    A step whose other attempt has committed the turn returns the outcome.

    Raises:
        ModelError: the model did not answer; nothing was recorded.
        LeaseLost: a newer owner has the session.
    """
    committed = await _committed(host, request) if request.attempt != 1 else None
    if committed is not None:
        return committed
    try:
        return await _step(host, request)
    except StoreError:
        committed = await _committed(host, request)
        if committed is None:
            raise
        return committed


async def _step(host: SessionHost, request: StepTurn) -> StepAnswer:
    turn, key = request.turn, model_key(request.step)
    resident = await host.resident(turn.session_id, turn.agent, turn.head_revision)
    draft = resident.draft_of(turn.turn_id)
    if not (request.is_first and draft.opened_by == turn.fencing_token):
        effects = await host.store.effects(turn.session_id, turn.turn_id, draft.position)
        resident.absorb(turn.turn_id, effects)
    interludes = Interludes(host, resident, draft, turn)
    recorded = draft.effect(key)
    if recorded is None or not recorded.is_final:
        resident.runtime.catalog.refresh_if_moved()
        full = _context_full(resident.runtime, draft)
        if full is not None:
            return StepAnswer(finish=FinishReason.LENGTH, fault=Fault.of(full))
        keeper = LeaseKeeper(host.store, turn.session_id, turn.fencing_token, host.app.timings)
        asked = await keeper.run(_ask(host, interludes, request))
        if isinstance(asked, Abort):
            return StepAnswer(finish=FinishReason.STOP, abort=asked)
        recorded = await record_answer(host, resident.runtime, draft, request, asked)
        await host.app.probe.reached("model.recorded", turn.session_id)
    said = StepAnswer.model_validate(recorded.facts["answer"])
    return await interludes.after_answer(request.step, said)


async def _committed(host: SessionHost, request: StepTurn) -> StepAnswer | None:
    """Return the turn's outcome if another attempt of a last step has committed it."""
    if not request.commits:
        return None
    receipt = await host.store.receipt(request.turn.session_id, request.turn.turn_id)
    if receipt is None:
        return None
    return StepAnswer(finish=FinishReason.STOP, outcome=TurnOutcome.of(receipt))


async def commit_if_last(host: SessionHost, request: StepTurn, answer: StepAnswer) -> StepAnswer:
    """Commit the turn if the request says so and the answer is its last, and say that it is done.

    What comes next is the machine's to say; done here it saves a round trip through the server.

    Raises:
        StoreError: as `commit_turn`; the answer is recorded, so that trying again buys nothing.
    """
    state = machine.begin(request.turn.turn_id, max_steps=request.step + 1)
    move = machine.decide(machine.answered(state.model_copy(update={"step": request.step}), answer))
    if answer.outcome or not request.commits or not isinstance(move, machine.CommitTurn):
        return answer
    committing = CommitTurnRequest(turn=request.turn, status=move.status, fault=move.fault)
    outcome = await commit_turn(host, committing)
    return answer.model_copy(update={"outcome": outcome})


def _context_full(runtime: SessionRuntime, draft: Draft) -> ContextFull | None:
    """Return why the model is not asked: it has counted what no longer fits."""
    mark, room = runtime.conversation.mark, runtime.model.room
    counted = draft.context_tokens()
    if not counted and mark is not None:
        counted = mark.tokens + estimated(len(message.encode()) for message in draft.messages())
    if room is None or counted <= room:
        return None
    return ContextFull(model=runtime.model.id, room=room, tokens=counted)


async def _ask(host: SessionHost, interludes: Interludes, step: StepTurn) -> Outcome | Abort:
    """Let plugins speak first and then the model, and return what to record of its answer."""
    abort = await interludes.before_step(step.step)
    if abort is not None:
        return abort
    runtime, turn = interludes.resident.runtime, step.turn
    conversation = [*runtime.messages(), *interludes.draft.messages()]
    request, hidden = await question(runtime, turn.turn_id, conversation)
    await host.app.probe.reached("model.calling", turn.session_id)
    answer: ModelAnswer | None = None
    try:
        answer = await host.provider(runtime).complete(request)
        return _outcome(runtime, answer, hidden, step.attempt)
    except SojournError as error:
        usage = answer.usage if answer else getattr(error, "spent", None)
        if usage is not None:
            model = answer.model if answer else ""
            await record_waste(host, interludes.draft, step, (model, usage, runtime.model))
        raise


def _outcome(
    runtime: SessionRuntime, answer: ModelAnswer, hidden: frozenset[str], attempt: int
) -> Outcome:
    """Return what to record of an answer: whole in one row, with what is refused of it."""
    message = with_unique_calls(answered(runtime.plugins, answer.message).well_formed())
    calls, refused = _resolve(runtime, message, hidden)
    payload = message.encode()
    said = StepAnswer(finish=_finish(message, answer), calls=calls, digest=ids.digest(payload))
    facts = {
        "answer": said.model_dump(mode="json"),
        **spending_facts(answer.model, answer.usage, runtime.model),
        "refused": refused,
    }
    if attempt > 1:
        facts["asked"] = attempt
    return Outcome(EffectKind.MODEL, EffectStatus.DONE, payload, facts, ids.mint("ask"))


def _finish(message: Message, answer: ModelAnswer) -> FinishReason:
    """Return why the model stopped: for tools only if there are calls, whatever it says itself."""
    if message.tool_calls:
        return FinishReason.TOOL_CALLS
    said = answer.finish_reason
    return FinishReason.STOP if said is FinishReason.TOOL_CALLS else said


def _resolve(
    runtime: SessionRuntime, message: Message, hidden: frozenset[str]
) -> tuple[tuple[ToolCallRef, ...], dict[str, str]]:
    """Return the calls that can be run, and why each of the others cannot."""
    calls: list[ToolCallRef] = []
    refused: dict[str, str] = {}
    for call in message.tool_calls:
        try:
            calls.append(_call_ref(runtime, call, hidden))
        except ToolFailure as failure:
            refused[call.id] = str(failure)
    return tuple(calls), refused


def _call_ref(runtime: SessionRuntime, call: ToolCallPart, hidden: frozenset[str]) -> ToolCallRef:
    found = runtime.catalog.find(call.name)
    if found.tool_id in hidden:
        raise ToolUnavailable(tool=found.name, reason="it is not offered now")
    options = found.options
    return ToolCallRef(
        call_id=call.id,
        name=call.name,
        tool_id=found.tool_id,
        timeout_seconds=options.timeout.total_seconds() + runtime.plugins.tool_seconds,
        max_attempts=options.max_attempts,
        retry_initial_seconds=options.retry_initial.total_seconds(),
        retry_max_seconds=options.retry_max.total_seconds(),
        idempotent=options.idempotent,
        approval=options.approval,
        queue=options.queue,
    )


def with_unique_calls(message: Message) -> Message:
    """Return `message` with distinct, non-empty call ids: some models repeat or omit them."""
    seen: set[str] = set()
    parts = list(message.parts)
    for index, part in enumerate(parts):
        if isinstance(part, ToolCallPart):
            call_id = part.id
            if not call_id or call_id in seen:
                call_id = f"{call_id or 'call'}.{index}"
                parts[index] = part.model_copy(update={"id": call_id})
            seen.add(call_id)
    return message.model_copy(update={"parts": tuple(parts)})
