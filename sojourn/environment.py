"""The runtime environment: what is expensive, built once, and shared by a worker's sessions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sojourn.clock import Clock, SystemClock
from sojourn.lease import LeaseTimings
from sojourn.plugin_host import PluginHost
from sojourn.ports import Probe, SilentProbe
from sojourn.residency import Residency
from sojourn.tools import AnyTool, ToolSource

SessionTools = Callable[[str], Sequence[AnyTool]]


@dataclass(frozen=True, slots=True)
class RuntimeEnvironment:
    """What every session of one agent shares.

    Attributes:
        plugin_host: builds the plugins' session parts; needed by `SessionRuntime.from_environment`.
        sources: where tools come from.
        session_tools: gives a session of this id tools of its own, which replace others of their
            ids and names; asked whenever a session is brought to life.
        residency: how much of a graph sessions keep in memory.
        timings: how long leases live and how often they are renewed.
        probe: is told when named points are passed.
        clock: the process's time, for nodes that it has just committed.
    """

    plugin_host: PluginHost | None = None
    sources: Sequence[ToolSource] = ()
    session_tools: SessionTools | None = None
    residency: Residency = Residency.ACTIVE_PATH_ONLY
    timings: LeaseTimings = field(default_factory=LeaseTimings)
    probe: Probe = field(default_factory=SilentProbe)
    clock: Clock = field(default_factory=SystemClock)
