"""What plugins do wrong: each failure named for its plugin, and never in the plugin's words."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from typing import TypeVar, cast

from sojourn.errors import PluginFailed
from sojourn.raised import place_of

T = TypeVar("T")
# Half of what a commit may have.
MAX_WORD_BYTES = 8 * 1024 * 1024

# How often each plugin has failed in each hook since the process began.
failures: Counter[tuple[str, str]] = Counter()

_log = logging.getLogger(__name__)


class Misbehaved(TypeError):
    """A hook did what it must not; the text names types and numbers alone, so it may be told."""

    @classmethod
    def by_returning(cls, value: object, kind: str) -> Misbehaved:
        """Say that a hook returned something of another type."""
        return cls(f"it returned {type(value).__name__}, not {kind}")


def given(value: object) -> object:
    """Return what a hook returned where nobody waits for it, so that it may not be async.

    Raises:
        Misbehaved: it was an `async def`.
    """
    if inspect.iscoroutine(value):
        value.close()  # else Python complains that nobody awaited it
        raise Misbehaved("it is async, and nobody awaits it")
    return value


def required(kind: type[T], value: object) -> T:
    """Return what a hook returned, which must be of a kind.

    Raises:
        Misbehaved: it is not.
    """
    if not isinstance(given(value), kind):
        raise Misbehaved.by_returning(value, kind.__name__)
    return cast("T", value)


def check_size(size: int) -> None:
    """Let what a hook wants recorded pass, if a commit has room for it.

    Raises:
        Misbehaved: it has not.
    """
    if size > MAX_WORD_BYTES:
        raise Misbehaved(f"its {size} bytes are over {MAX_WORD_BYTES}")


@contextmanager
def attributed(plugin_id: str, hook: str) -> Generator[None]:
    """Name the plugin for whatever it raises; an exit too ends no more than the session."""
    try:
        yield
    except BaseException as error:  # noqa: BLE001 - whatever a plugin raises, it is named for it
        _pass_on(error)
        _warn(plugin_id, hook, error)
        raise PluginFailed(plugin_id=plugin_id, hook=hook, reason=_reason(error)) from None


@contextmanager
def contained(plugin_id: str, hook: str) -> Generator[None]:
    """Log whatever a plugin raises, where it must neither stop nor change what happens."""
    try:
        yield
    except BaseException as error:  # noqa: BLE001 - as above
        _pass_on(error)
        _warn(plugin_id, hook, error)


def _pass_on(error: BaseException) -> None:
    """Raise what ends more than a hook; a cancellation that nobody asked for is the plugin's."""
    if isinstance(error, KeyboardInterrupt):
        raise error
    if isinstance(error, asyncio.CancelledError) and _is_cancelled():
        raise error


def _is_cancelled() -> bool:
    try:
        task = asyncio.current_task()
    except RuntimeError:
        return True  # no task of ours: whoever runs it knows
    return task is None or task.cancelling() > 0


def _warn(plugin_id: str, hook: str, error: BaseException) -> None:
    failures[plugin_id, hook] += 1
    reason, place = _reason(error), place_of(error)
    _log.warning("plugin %s failed in %s: %s at %s", plugin_id, hook, reason, place)


def _reason(error: BaseException) -> str:
    """Say what it was; the text of what is not ours may hold content."""
    return str(error) if isinstance(error, Misbehaved) else type(error).__name__
