"""Plugins that misbehave: each is named for it, once, and ends neither session nor worker."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import pytest
from typing_extensions import override

from sojourn import Agent, App, Plugin, TurnResult, TurnStatus
from sojourn.errors import PluginFailed
from sojourn.outcome import Fault
from sojourn.plugin_host import PluginHost
from sojourn.plugin_sessions import PluginSessions
from sojourn.plugins import PluginContext, PluginSession
from sojourn.testing import ScriptedModel
from tests.support.running import running
from tests.support.scene import echo
from tests.support.server import DevServer

CONTEXT = PluginContext("s-1", "clerk")
ANSWERED = ["session", "restore", "tools", "instructions"]
OBSERVING = ["snapshot", "on_event"]

Does = Callable[[], Any]


@dataclass
class Odd(Plugin):
    """Does something odd in one hook; in the others, what a plugin does by default.

    Attributes:
        hook: the hook; empty once the plugin was mended.
        does: what is done there; what that returns is the hook's answer.
        calls: how often each hook was called.
    """

    hook: str
    does: Does
    calls: Counter[str] = field(default_factory=Counter[str])

    @override
    def session(self, context: PluginContext) -> Any:
        return self.answer("session", OddSession(self))

    def answer(self, hook: str, usual: Any) -> Any:
        """Count the call, and answer it."""
        self.calls[hook] += 1
        return self.does() if hook == self.hook else usual


class OddSession(PluginSession):
    """One session of an odd plugin."""

    def __init__(self, plugin: Odd) -> None:
        self._plugin = plugin

    @override
    def tools(self) -> Any:
        return self._plugin.answer("tools", ())

    @override
    def instructions(self) -> Any:
        return self._plugin.answer("instructions", "")

    @override
    def snapshot(self) -> Any:
        return self._plugin.answer("snapshot", {"kept": True})

    @override
    def restore(self, state: Any) -> Any:
        return self._plugin.answer("restore", None)

    @override
    def on_event(self, event: str, facts: Mapping[str, Any]) -> Any:
        return self._plugin.answer("on_event", None)


def raising(error: BaseException) -> Does:
    """Return what raises `error`."""

    def fail() -> None:
        raise error

    return fail


def returning(value: Any) -> Does:
    """Return what returns `value`."""
    return lambda: value


async def later() -> str:
    """Be what a hook must not be."""
    return "never told"


def asked(*plugins: Plugin) -> PluginSessions:
    """Build a session and ask its plugins everything that they must answer."""
    built = PluginHost(plugins).build(CONTEXT)
    built.tools()
    built.instructions()
    return built


EXITS = [SystemExit(3), GeneratorExit(), BaseExceptionGroup("several", [SystemExit()])]


@pytest.mark.parametrize("error", EXITS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("hook", ANSWERED)
def test_a_plugin_that_exits_ends_no_process_and_is_named(hook: str, error: BaseException) -> None:
    """By id, hook and kind, like one that raises."""
    with pytest.raises(PluginFailed) as caught:
        asked(Odd(hook, raising(error)))

    failed = caught.value
    assert (failed.plugin_id, failed.hook, failed.reason) == ("Odd", hook, type(error).__name__)
    assert not failed.retryable


@pytest.mark.parametrize("error", EXITS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("hook", OBSERVING)
def test_an_exit_where_a_plugin_only_looks_on_changes_nothing(
    caplog: pytest.LogCaptureFixture, hook: str, error: BaseException
) -> None:
    """It is logged with its name; the other plugins are served."""
    other = Odd("", returning(None))
    other.id = "other"
    built = PluginHost([Odd(hook, raising(error)), other]).build(CONTEXT)
    with caplog.at_level(logging.WARNING):
        built.emit("turn_committed", {})
        body = built.capture()

    assert b'"other":{"revision":0,"state":{"kept":true}' in body
    assert other.calls["on_event"] == 1
    assert f"plugin Odd failed in {hook}" in caplog.text
    assert type(error).__name__ in caplog.text


@pytest.mark.parametrize("error", [asyncio.CancelledError(), KeyboardInterrupt()])
@pytest.mark.parametrize("hook", [*ANSWERED, *OBSERVING])
def test_what_comes_from_outside_passes_through(hook: str, error: BaseException) -> None:
    """A cancellation and a person's Ctrl-C are not the plugin's doing."""
    with pytest.raises(type(error)):
        _everything(Odd(hook, raising(error)))


def _everything(odd: Odd) -> None:
    built = asked(odd)
    built.emit("turn_committed", {})
    built.capture()


@pytest.mark.parametrize(
    ("hook", "does", "reason"),
    [
        ("session", returning(None), "it returned NoneType, not PluginSession"),
        ("session", later, "it is async, and nobody awaits it"),
        ("restore", later, "it is async, and nobody awaits it"),
        ("tools", returning(None), "it returned NoneType, not Sequence"),
        ("tools", returning(5), "it returned int, not Sequence"),
        ("tools", returning("note"), "it returned str, not Tool"),
        ("tools", returning([echo]), "it returned function, not Tool"),
        ("tools", returning(1 // n for n in (0,)), "ZeroDivisionError"),
        ("tools", later, "it is async, and nobody awaits it"),
        ("instructions", returning(5), "it returned int, not str"),
        ("instructions", returning({"be": "kind"}), "it returned dict, not str"),
        ("instructions", returning(["Be kind."]), "it returned str, not PromptPart"),
        ("instructions", later, "it is async, and nobody awaits it"),
    ],
)
def test_a_hook_that_returns_something_else_is_named(hook: str, does: Does, reason: str) -> None:
    """With the type that came and the one that was wanted, and nothing of the value."""
    with pytest.raises(PluginFailed) as caught:
        asked(Odd(hook, does))

    assert (caught.value.hook, caught.value.reason) == (hook, reason)


@pytest.mark.parametrize("hook", OBSERVING)
def test_a_hook_that_only_looks_on_may_not_be_async_either(
    caplog: pytest.LogCaptureFixture, hook: str
) -> None:
    """It would never run: that is said in the log."""
    _everything(Odd(hook, later))

    assert f"plugin Odd failed in {hook}" in caplog.text
    assert "it is async, and nobody awaits it" in caplog.text


def test_a_plugin_without_instructions_may_say_none() -> None:
    """As functions do that return nothing."""
    assert asked(Odd("instructions", returning(None))).instructions() == ""


def test_a_revision_that_is_no_number_is_named() -> None:
    """Before the session is live, and not at its first commit."""

    class Unsure(Odd):
        @override
        def session(self, context: PluginContext) -> Any:
            made = OddSession(self)
            made.revision = None  # type: ignore[assignment]
            return made

    with pytest.raises(PluginFailed, match="'Unsure' failed in revision: ValidationError"):
        asked(Unsure("", returning(None)))


def test_a_revision_that_is_lost_later_stops_no_commit(caplog: pytest.LogCaptureFixture) -> None:
    """The plugin keeps the entry that it had."""
    built = asked(Odd("", returning(None)))
    before = built.capture()
    vars(built)["_parts"]["Odd"].session.revision = None

    assert built.fingerprint == built.stored_fingerprint
    assert built.capture() == before
    assert "plugin Odd failed in revision: ValidationError" in caplog.text


# In whole sessions

FAILURES = [
    pytest.param("tools", returning(None), id="a wrong value"),
    pytest.param("instructions", returning(5), id="a wrong text"),
    pytest.param("restore", raising(SystemExit(3)), id="an exit"),
]


class Session(Protocol):
    """A session, embedded or on Temporal."""

    async def send(self, text: str) -> TurnResult:
        """Send a message."""
        ...


def app_of(odd: Odd, store: str) -> App:
    """Return an app with a plugin."""
    return App(agents=[Agent("clerk", model=ScriptedModel(echo))], store=store, plugins=[odd])


async def fails_and_recovers(session: Session, odd: Odd) -> None:
    """Send a message that must fail by the plugin, mend the plugin, and send another.

    A session that cannot be assembled can commit nothing: then the error comes without a result.
    """
    hook = odd.hook
    try:
        result = await session.send("hello")
    except PluginFailed as raised:
        fault = Fault.of(raised)
    else:
        assert result.status is TurnStatus.FAILED
        assert result.error is not None
        fault = result.error
    assert fault.type == "PluginFailed"
    assert f"'Odd' failed in {hook}" in fault.message
    # Once for the model's step and once for the commit: asking again could not help.
    assert odd.calls[hook] <= 2

    odd.hook = ""
    assert (await session.send("again")).text == "you said again"


@pytest.mark.parametrize(("hook", "does"), FAILURES)
async def test_a_misbehaving_plugin_fails_the_turn_and_not_the_session(
    hook: str, does: Does
) -> None:
    """At once, by the plugin's name."""
    odd = Odd(hook, does)
    async with app_of(odd, "memory://").open("s-1") as session:
        await fails_and_recovers(session, odd)


@pytest.mark.parametrize("hook", OBSERVING)
async def test_a_plugin_that_exits_beside_a_commit_does_not_stop_it(hook: str) -> None:
    """The turn is committed all the same."""
    async with app_of(Odd(hook, raising(SystemExit(3))), "memory://").open("s-1") as session:
        result = await session.send("hello")

    assert (result.status, result.text) == (TurnStatus.COMPLETED, "you said hello")


@pytest.mark.server
@pytest.mark.parametrize(("hook", "does"), FAILURES)
async def test_a_worker_outlives_a_misbehaving_plugin(
    server: DevServer, queue: str, session_id: str, store_url: str, hook: str, does: Does
) -> None:
    """The same worker serves the next turn."""
    odd = Odd(hook, does)
    async with running(server, queue, app_of(odd, store_url)) as client:
        await fails_and_recovers(client.session(session_id), odd)
