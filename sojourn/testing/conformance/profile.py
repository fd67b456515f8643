"""How much the machine tries: as much as Hypothesis's profile `sojourn` says.

Register a profile of that name, in a `conftest.py` say, to try more, and to shrink what failed.
"""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings
from hypothesis.errors import InvalidArgument

NAME = "sojourn"


def chosen() -> settings:
    """Return the user's profile, or the default; time is no reason to fail."""
    return settings(
        _profile(),
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )


def _profile() -> settings:
    try:
        return settings.get_profile(NAME)
    except InvalidArgument:
        # To shrink what failed may take minutes, longer than a test may run.
        return settings(max_examples=15, stateful_step_count=40, phases=[Phase.generate])
