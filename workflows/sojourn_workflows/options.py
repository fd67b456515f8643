"""Every timeout and retry policy of the workflows, and the names on the wire."""

from __future__ import annotations

from datetime import timedelta

from pydantic import ValidationError
from temporalio.common import RetryPolicy
from temporalio.workflow import ActivityCancellationType, ActivityConfig, LocalActivityConfig

from sojourn.chores import Chore
from sojourn.errors import SojournError
from sojourn.operations import COMPACTION_ATTEMPTS
from sojourn.requests import TurnLimits
from sojourn.turn import ToolCallRef

TASK_QUEUE = "sojourn"
WORKFLOW_ID_PREFIX = "session/"
UPKEEP_ID_PREFIX = "sojourn-upkeep/"

# A worker that dies in a workflow task is missed after this long.
TASK_TIMEOUT = timedelta(seconds=3)
STICKY_TIMEOUT = timedelta(seconds=1)
# Heartbeats reach the server at least this often, so that a cancel is seen soon.
HEARTBEAT_THROTTLE = timedelta(seconds=1)

MAX_QUEUED_TURNS = 64
# The server allows 10 updates in flight for one run: leave room for cancels and approvals.
MAX_WAITING_UPDATES = 6
# Beyond this a cold worker's replay is felt (0.1 s at 100 events, 0.3 s at 1,000).
CONTINUE_AFTER_EVENTS = 500
# Beyond so many times of that, a run takes no new message before it has continued as new.
OVERGROWN = 2
# The server ends a run at 51,200 events, and fails a workflow task with 2,000 open activities.
MAX_TURN_EVENTS = 40_000
MAX_PARALLEL_CALLS = 500

# Of each chore in one run of upkeep, which then has some hundred events: the next run goes on.
MAX_STRETCHES = 20
# Beyond this a run of upkeep is ended: while one is open, the schedule starts no other.
UPKEEP_TIMEOUT = timedelta(days=1)

# Attempts that workers' deaths may cost, beyond what the model or the tool may cost itself.
INFRASTRUCTURE_ATTEMPTS = 3
GRACE = timedelta(seconds=5)
# What plugins may take that sum up a conversation before the model is asked.
PLUGINS = timedelta(minutes=5)
# The agent says how long its model may take; this is for what it does not bound.
ERRAND_TIMEOUT = timedelta(hours=1)

# Domain errors and plain bugs end a workflow; they never leave it running for ever. The next
# message starts a fresh run from the store. Non-determinism is not among them: it heals by a
# rollback of the worker.
FAILURE_TYPES: tuple[type[BaseException], ...] = (
    SojournError,
    ValidationError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)

# Short store operations run as local activities: no task queue, one event each. Their attempts
# are counted, five minutes' worth of them, since a timeout would not say what the last one met.
STORE = LocalActivityConfig(
    start_to_close_timeout=timedelta(seconds=15),
    schedule_to_close_timeout=timedelta(minutes=5),
    local_retry_threshold=timedelta(seconds=5),
    retry_policy=RetryPolicy(
        initial_interval=timedelta(milliseconds=50),
        backoff_coefficient=2,
        maximum_interval=timedelta(seconds=10),
        maximum_attempts=36,
    ),
)


def _elsewhere(attempts: int) -> RetryPolicy:
    """Return a policy that goes on at once when a worker is lost.

    What fails by itself says how long to wait: see `sojourn_activities.failures.translating`.
    """
    return RetryPolicy(
        initial_interval=timedelta(milliseconds=100),
        backoff_coefficient=2,
        maximum_interval=timedelta(seconds=5),
        maximum_attempts=attempts + INFRASTRUCTURE_ATTEMPTS,
    )


def model_step(limits: TurnLimits) -> ActivityConfig:
    """Return how a model step is run: bounded, heartbeating, retried while the model is away."""
    return ActivityConfig(
        start_to_close_timeout=timedelta(seconds=limits.model_timeout_seconds) + GRACE,
        heartbeat_timeout=timedelta(seconds=limits.heartbeat_seconds),
        cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        retry_policy=_elsewhere(limits.model_attempts),
    )


def compaction(limits: TurnLimits) -> ActivityConfig:
    """Return how a turn's session is compacted: as a model step, and given up sooner."""
    return ActivityConfig(
        start_to_close_timeout=timedelta(seconds=limits.model_timeout_seconds) + PLUGINS + GRACE,
        heartbeat_timeout=timedelta(seconds=limits.heartbeat_seconds),
        cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        retry_policy=_elsewhere(COMPACTION_ATTEMPTS),
    )


def errand(attempts: int) -> ActivityConfig:
    """Return how what was asked by hand is done: whoever asks waits, and is told how it ended."""
    return ActivityConfig(
        start_to_close_timeout=ERRAND_TIMEOUT,
        heartbeat_timeout=timedelta(seconds=10),
        cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        retry_policy=_elsewhere(attempts),
    )


def tool_call(call: ToolCallRef, limits: TurnLimits) -> ActivityConfig:
    """Return how a tool call is run: by the tool's own timeout, retry policy and task queue."""
    inside = 1 if call.idempotent else call.max_attempts
    longest = call.timeout_seconds * inside + call.retry_max_seconds * (inside - 1)
    return ActivityConfig(
        task_queue=call.queue,
        summary=call.name,
        start_to_close_timeout=timedelta(seconds=longest) + GRACE,
        heartbeat_timeout=timedelta(seconds=limits.heartbeat_seconds),
        cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        retry_policy=_elsewhere(call.max_attempts),
    )


def tool_settle(limits: TurnLimits) -> ActivityConfig:
    """Return how a call that was lost is settled: a store operation, on the session's queue."""
    return ActivityConfig(
        start_to_close_timeout=timedelta(seconds=15),
        schedule_to_close_timeout=timedelta(minutes=5),
        heartbeat_timeout=timedelta(seconds=limits.heartbeat_seconds),
        retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=100)),
    )


def upkeep(chore: Chore) -> ActivityConfig:
    """Return how a stretch of a chore is run: the sweep of a large blob store takes long."""
    longest = timedelta(hours=1) if chore is Chore.BLOBS else timedelta(minutes=5)
    return ActivityConfig(
        summary=chore,
        start_to_close_timeout=longest,
        schedule_to_close_timeout=2 * longest,
        heartbeat_timeout=timedelta(seconds=10),
        retry_policy=RetryPolicy(maximum_interval=timedelta(minutes=1), maximum_attempts=10),
    )
