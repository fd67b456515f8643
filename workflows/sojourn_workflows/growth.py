"""When a run has become long enough, and how the next one follows it."""

from __future__ import annotations

from typing import NoReturn

from temporalio import workflow

from sojourn_workflows import options
from sojourn_workflows.contract import SessionConfig


def must_continue(config: SessionConfig) -> bool:
    """Tell whether another run should follow, as soon as nothing is queued."""
    info = workflow.info()
    return (
        info.is_continue_as_new_suggested()
        or has_events(config, 1)
        or info.is_target_worker_deployment_version_changed()
    )


def has_events(config: SessionConfig, times: int) -> bool:
    """Tell whether the run's history has so many times the events that a run is to have."""
    limit = config.continue_after_events or options.CONTINUE_AFTER_EVENTS
    return workflow.info().get_current_history_length() >= limit * times


def continue_as_new(config: SessionConfig, known_token: int) -> NoReturn:
    """End the run with another one that knows the newest fencing token, on the newest version."""
    carried = config.model_copy(update={"known_token": known_token})
    if workflow.info().is_target_worker_deployment_version_changed():
        workflow.continue_as_new(
            carried,
            initial_versioning_behavior=workflow.ContinueAsNewVersioningBehavior.AUTO_UPGRADE,
        )
    workflow.continue_as_new(carried)
