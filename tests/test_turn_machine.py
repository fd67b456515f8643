"""The turn machine: every transition, and what holds whatever happens in whatever order."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sojourn import turn as machine
from sojourn.models import FinishReason
from sojourn.outcome import Fault, TurnOutcome, TurnStatus
from sojourn.turn import (
    CallModel,
    CallTools,
    CommitTurn,
    Finished,
    StepAnswer,
    ToolCallRef,
    TurnPhase,
    TurnState,
)

Event = Callable[[TurnState], TurnState]

CALL = ToolCallRef(call_id="c-1", name="add", tool_id="add")
FAULT = Fault(type="ModelRefused", message="no")
OUTCOME = TurnOutcome(turn_id="t-1", status=TurnStatus.COMPLETED, head_revision=1)
SAID = StepAnswer(finish=FinishReason.STOP)
CUT = StepAnswer(finish=FinishReason.LENGTH)
FILTERED = StepAnswer(finish=FinishReason.CONTENT_FILTER)
ASKED = StepAnswer(finish=FinishReason.TOOL_CALLS, calls=(CALL,))
REFUSED = StepAnswer(finish=FinishReason.TOOL_CALLS)
COMMITTED = StepAnswer(finish=FinishReason.STOP, outcome=OUTCOME)

FRESH = machine.begin("t-1", 3)
AT_TOOLS = machine.answered(FRESH, ASKED)
LAST = FRESH.model_copy(update={"step": 3})
CLOSING = machine.answered(FRESH, SAID)
DONE = machine.committed(CLOSING)
OPEN = (FRESH, AT_TOOLS, LAST)
CLOSED = (CLOSING, DONE)


def test_a_turn_starts_with_its_model() -> None:
    """The input is journaled: the first step is asked."""
    assert machine.decide(FRESH) == CallModel(1)


@pytest.mark.parametrize(
    ("state", "answer", "move"),
    [
        (FRESH, SAID, CommitTurn(TurnStatus.COMPLETED, None)),
        (FRESH, FILTERED, CommitTurn(TurnStatus.COMPLETED, None)),
        (FRESH, CUT, CommitTurn(TurnStatus.LIMIT, None)),
        (FRESH, ASKED, CallTools(1, (CALL,))),
        (FRESH, REFUSED, CallModel(2)),
        (FRESH, COMMITTED, Finished()),
        (LAST, SAID, CommitTurn(TurnStatus.COMPLETED, None)),
        (LAST, ASKED, CommitTurn(TurnStatus.LIMIT, None)),
        (LAST, REFUSED, CommitTurn(TurnStatus.LIMIT, None)),
    ],
)
def test_an_answer_decides_what_comes_next(
    state: TurnState, answer: StepAnswer, move: machine.Move
) -> None:
    """Its calls are run, or the model is asked again, or the turn ends; the last step ends it."""
    assert machine.decide(machine.answered(state, answer)) == move


def test_the_model_is_asked_again_when_the_tools_have_ended() -> None:
    """In the next step, without the calls of the last."""
    state = machine.tools_ended(AT_TOOLS)

    assert machine.decide(state) == CallModel(2)
    assert state.calls == ()


@pytest.mark.parametrize("state", [FRESH, CLOSING, DONE])
def test_tools_that_end_at_another_time_change_nothing(state: TurnState) -> None:
    """A late word of tools that nobody waits for is passed over."""
    assert machine.tools_ended(state) == state


@pytest.mark.parametrize("state", [AT_TOOLS, CLOSING, DONE])
@pytest.mark.parametrize("answer", [SAID, CUT, ASKED, REFUSED])
def test_an_answer_that_comes_at_another_time_changes_nothing(
    state: TurnState, answer: StepAnswer
) -> None:
    """A late answer to a step that is over is passed over."""
    assert machine.answered(state, answer) == state


@pytest.mark.parametrize("state", [*OPEN, *CLOSED])
def test_an_answer_that_was_committed_ends_the_turn(state: TurnState) -> None:
    """Even after a cancel: the commit came first."""
    assert machine.decide(machine.answered(state, COMMITTED)) == Finished()


@pytest.mark.parametrize(
    ("happen", "status", "fault"),
    [
        (machine.cancelled, TurnStatus.CANCELLED, None),
        (machine.limited, TurnStatus.LIMIT, None),
        (lambda state: machine.failed(state, FAULT), TurnStatus.FAILED, FAULT),
    ],
)
def test_what_ends_a_turn_early_commits_what_it_has(
    happen: Event, status: TurnStatus, fault: Fault | None
) -> None:
    """As long as the turn is open; afterwards the first end stands."""
    for state in OPEN:
        assert machine.is_cancellable(state)
        assert machine.decide(happen(state)) == CommitTurn(status, fault)
    for state in CLOSED:
        assert not machine.is_cancellable(state)
        assert happen(state) == state


def test_a_committed_turn_is_finished() -> None:
    """Nothing is left to do."""
    assert machine.decide(DONE) == Finished()


refs = st.builds(
    ToolCallRef,
    call_id=st.text(min_size=1, max_size=5),
    name=st.text(max_size=5),
    tool_id=st.text(max_size=5),
    timeout_seconds=st.floats(0.1, 600),
    max_attempts=st.integers(1, 9),
    idempotent=st.booleans(),
    approval=st.booleans(),
    queue=st.none() | st.text(max_size=5),
)
answers = st.builds(
    StepAnswer,
    finish=st.sampled_from(FinishReason),
    calls=st.lists(refs, max_size=3).map(tuple),
    digest=st.text(max_size=5),
    outcome=st.sampled_from([None, None, None, OUTCOME]),
)
faults = st.builds(Fault, type=st.text(max_size=5), message=st.text(max_size=5))
events: st.SearchStrategy[Event] = st.one_of(
    answers.map(lambda answer: lambda state: machine.answered(state, answer)),
    faults.map(lambda fault: lambda state: machine.failed(state, fault)),
    st.sampled_from([machine.tools_ended, machine.cancelled, machine.limited, machine.committed]),
)
limits = st.integers(0, 6)


@given(limits, st.lists(events, max_size=30))
def test_a_state_travels_as_json(max_steps: int, happened: list[Event]) -> None:
    """Written and read again it is the same, and the same move comes next."""
    state = machine.begin("t-1", max_steps)
    for event in happened:
        state = event(state)
        read = TurnState.model_validate_json(state.model_dump_json())
        assert read == state
        assert machine.decide(read) == machine.decide(state)


@given(limits, st.lists(events, max_size=30))
def test_the_next_move_is_what_the_state_says_and_nothing_else(
    max_steps: int, happened: list[Event]
) -> None:
    """Deciding changes nothing, and gives the same as often as it is asked."""
    state = machine.begin("t-1", max_steps)
    for event in happened:
        state = event(state)
        before = state.model_dump_json()
        assert machine.decide(state) == machine.decide(state)
        assert state.model_dump_json() == before


@given(limits, st.lists(events, max_size=30))
def test_a_turn_goes_forward_only(max_steps: int, happened: list[Event]) -> None:
    """Steps never go back or beyond the limit, and what is closed stays as it was closed."""
    state = machine.begin("t-1", max_steps)
    for event in happened:
        after = event(state)
        assert state.step <= after.step <= max(max_steps, 1)
        if not machine.is_cancellable(state):
            assert not machine.is_cancellable(after)
            assert (after.status, after.fault) == (state.status, state.fault)
        state = after


@given(limits, st.lists(answers, min_size=1), st.integers(0, 20))
def test_a_turn_always_ends(max_steps: int, said: list[StepAnswer], patience: int) -> None:
    """Whatever a model says for ever, the turn is committed once, within its steps."""
    state = machine.begin("t-1", max_steps)
    asked = commits = moves = 0
    while not isinstance(move := machine.decide(state), Finished):
        moves += 1
        assert moves <= 2 * max(max_steps, 1) + 1
        match move:
            case CallModel(step):
                asked += 1
                assert step == asked
                answer = said[(step + patience) % len(said)]
                commits += answer.outcome is not None
                state = machine.answered(state, answer)
            case CallTools(step, calls):
                assert step == asked
                assert calls
                state = machine.tools_ended(state)
            case CommitTurn():
                commits += 1
                state = machine.committed(state)

    assert asked <= max(max_steps, 1)
    assert commits == 1


@given(limits, st.lists(events, max_size=10), st.lists(events, max_size=10))
def test_the_first_of_cancel_and_commit_wins(
    max_steps: int, before: list[Event], after: list[Event]
) -> None:
    """A cancel that comes in time is what is committed; one that comes late changes nothing."""
    state = machine.begin("t-1", max_steps)
    for event in before:
        state = event(state)
    in_time = machine.is_cancellable(state)
    cancelled = machine.cancelled(state)
    for event in after:
        cancelled = event(cancelled)

    if in_time:
        assert cancelled.status is TurnStatus.CANCELLED
        assert cancelled.phase in (TurnPhase.COMMIT, TurnPhase.DONE)
    else:
        assert cancelled.status is state.status
