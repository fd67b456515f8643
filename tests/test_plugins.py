"""Plugins: sessions built from them, their state kept, their failures named."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from typing_extensions import override

from sojourn.catalog import ToolCatalog
from sojourn.errors import AssemblyError, InvalidId, PluginFailed
from sojourn.plugin_host import PluginHost
from sojourn.plugin_sessions import PluginSessions
from sojourn.plugins import Plugin, PluginContext, PluginSession
from sojourn.tools import AnyTool, FunctionSource, tool

CONTEXT = PluginContext("s-1", "clerk")
CONTENT = "the patient said"


@tool
def note(text: str) -> None:
    """Take a note."""


class NotesSession(PluginSession):
    """Keeps notes, and what it was told."""

    def __init__(self, context: PluginContext) -> None:
        self.context = context
        self.notes: list[str] = []
        self.restored: list[Any] = []
        self.events: list[tuple[str, Mapping[str, Any]]] = []

    def add(self, text: str) -> None:
        """Change the state, and say so."""
        self.notes.append(text)
        self.revision += 1

    @override
    def tools(self) -> Sequence[AnyTool]:
        return [note]

    @override
    def instructions(self) -> str:
        return "Take notes."

    @override
    def snapshot(self) -> Any:
        return {"notes": self.notes}

    @override
    def restore(self, state: Any) -> None:
        self.restored.append(state)
        self.notes = state["notes"] if state else []

    @override
    def on_event(self, event: str, facts: Mapping[str, Any]) -> None:
        self.events.append((event, facts))


class Notes(Plugin):
    """Makes sessions that keep notes, and remembers them."""

    def __init__(self, name: str = "", version: str = "1") -> None:
        self.id = name or self.id
        self.version = version
        self.made: list[NotesSession] = []

    @override
    def session(self, context: PluginContext) -> PluginSession:
        self.made.append(NotesSession(context))
        return self.made[-1]

    @property
    def last(self) -> NotesSession:
        """The session made last."""
        return self.made[-1]


class Quiet(Plugin):
    """Does nothing."""

    @override
    def session(self, context: PluginContext) -> PluginSession:
        return PluginSession()


class BrokenSession(PluginSession):
    """Raises in one hook, with content in its text."""

    def __init__(self, hook: str) -> None:
        self.hook = hook

    def fail(self, hook: str) -> None:
        """Raise if this is the hook to fail in."""
        if hook == self.hook:
            raise ValueError(CONTENT)

    @override
    def tools(self) -> Sequence[AnyTool]:
        self.fail("tools")
        return ()

    @override
    def instructions(self) -> str:
        self.fail("instructions")
        return ""

    @override
    def snapshot(self) -> Any:
        self.fail("snapshot")
        return {"fresh": True}

    @override
    def restore(self, state: Any) -> None:
        self.fail("restore")

    @override
    def on_event(self, event: str, facts: Mapping[str, Any]) -> None:
        self.fail("on_event")


class Broken(Plugin):
    """Fails in one hook."""

    id = "broken"

    def __init__(self, hook: str) -> None:
        self.hook = hook

    @override
    def session(self, context: PluginContext) -> PluginSession:
        if self.hook == "session":
            raise ValueError(CONTENT)
        return BrokenSession(self.hook)


def build(*plugins: Plugin, snapshot: bytes | None = None) -> PluginSessions:
    """Build the session's parts on a host of its own."""
    return PluginHost(plugins).build(CONTEXT, snapshot)


def build_and_add(notes: Notes, text: str) -> bytes:
    """Return the snapshot of a session with one note."""
    built = build(notes)
    notes.last.add(text)
    return built.capture()


# Identity and registration


def test_a_plugin_is_called_by_its_class_unless_it_says_otherwise() -> None:
    """A subclass of a named plugin is another plugin."""

    class Heir(Broken):
        pass

    assert (Quiet.id, Broken.id, Heir.id) == ("Quiet", "broken", "Heir")
    assert Quiet.version == "1"
    assert Notes("diary").id == "diary"


def test_two_plugins_of_one_id_are_refused() -> None:
    """One would restore the other's state."""
    with pytest.raises(AssemblyError, match="'Notes'"):
        PluginHost([Notes(), Quiet(), Notes()])


def test_a_plugin_id_is_checked_like_all_ids() -> None:
    """It is a key of stored state."""
    with pytest.raises(InvalidId):
        PluginHost([Notes("two words")])


def test_a_session_is_built_once_for_each_plugin_with_its_context() -> None:
    """The factory is called once per session."""
    notes = Notes()
    build(notes)
    assert [each.context for each in notes.made] == [CONTEXT]


def test_a_second_live_session_of_one_id_is_refused() -> None:
    """Two would each believe that the state is theirs."""
    host = PluginHost([Quiet()])
    live = host.build(CONTEXT)
    with pytest.raises(AssemblyError, match="'s-1' is live"):
        host.build(CONTEXT)
    assert host.build(PluginContext("s-2")) is not live


def test_a_session_that_was_dropped_is_not_live() -> None:
    """The register holds sessions weakly."""
    host = PluginHost([Quiet()])
    first = host.build(CONTEXT)
    del first
    assert host.build(CONTEXT).session_id == "s-1"


def test_unregistering_is_idempotent() -> None:
    """Once, twice, or without a session: the id is free then."""
    host = PluginHost([Quiet()])
    first = host.build(CONTEXT)
    host.unregister("s-1")
    host.unregister("s-1")
    host.unregister("never")
    assert host.build(CONTEXT) is not first


def test_an_isolated_host_shares_plugins_and_not_the_register() -> None:
    """A worker can rebuild a session while the one that it replaces is still there."""
    notes = Notes()
    host = PluginHost([notes])
    first = host.build(CONTEXT)
    second = host.isolated().build(CONTEXT)
    assert first is not second
    assert len(notes.made) == 2
    with pytest.raises(AssemblyError):
        host.build(CONTEXT)


# What plugins give


def test_tools_and_instructions_come_in_order_of_registration() -> None:
    """So that a prompt is the same on every worker."""

    class Named(Plugin):
        def __init__(self, name: str) -> None:
            self.id = name

        @override
        def session(self, context: PluginContext) -> PluginSession:
            return Speaker(self.id)

    class Speaker(PluginSession):
        def __init__(self, name: str) -> None:
            self.name = name

        @override
        def tools(self) -> Sequence[AnyTool]:
            return [tool(id=f"{self.name}/note", name=self.name)(note)]

        @override
        def instructions(self) -> str:
            return f"I am {self.name}."

    built = build(Named("z"), Quiet(), Named("a"))
    assert [each.tool_id for each in built.tools()] == ["z/note", "a/note"]
    assert built.instructions() == "I am z.\n\nI am a."


def test_a_plugin_may_give_nothing() -> None:
    """Every hook has a default."""
    built = build(Quiet())
    built.emit("turn_committed", {})
    assert (list(built.tools()), built.instructions()) == ([], "")
    assert json.loads(built.capture()) == {"Quiet": {"version": "1", "revision": 0}}


def test_plugins_tools_join_the_catalogue_as_a_source() -> None:
    """They are tools like others."""
    catalog = ToolCatalog([FunctionSource("plugins", build(Notes()).tools())])
    assert catalog.find("note") is note


# State


def test_restore_is_called_for_every_plugin() -> None:
    """With its own entry, or with None: of a fresh session too."""
    old, new = Notes("old"), Notes("new")
    snapshot = build_and_add(old, "milk")
    assert old.last.restored == [None]
    build(old, new, snapshot=snapshot)
    assert old.last.restored == [{"notes": ["milk"]}]
    assert new.last.restored == [None]


def test_the_revision_goes_on_after_a_restore() -> None:
    """A restored session is clean, and a changed one is dirty."""
    notes = Notes()
    first = build(notes)
    notes.last.add("a")
    notes.last.add("b")
    second = build(notes, snapshot=first.capture())
    assert notes.last.revision == 2
    assert second.fingerprint == first.fingerprint
    notes.last.add("c")
    assert second.fingerprint != first.fingerprint


def test_the_fingerprint_moves_with_ids_versions_and_revisions_only() -> None:
    """It tells what to store anew, on any worker alike."""
    notes = Notes()
    built = build(notes)
    fingerprint = built.fingerprint
    assert fingerprint == build(Notes()).fingerprint
    assert 0 < fingerprint < 2**63
    notes.last.notes.append("unsaid")
    assert built.fingerprint == fingerprint
    others = {build(Notes("x")).fingerprint, build(Notes(version="2")).fingerprint}
    assert len(others | {fingerprint}) == 3
    assert build().fingerprint == 0


def test_what_is_restored_or_captured_is_clean() -> None:
    """The entries of plugins that are not installed make a session no dirtier."""
    notes = Notes()
    built = build(notes, snapshot=build_and_add(Notes("diary"), "milk"))
    assert built.fingerprint != built.stored_fingerprint
    body = built.capture()
    assert built.fingerprint == built.stored_fingerprint
    again = build(notes, snapshot=body)
    assert again.fingerprint == again.stored_fingerprint
    notes.last.add("eggs")
    assert again.fingerprint != again.stored_fingerprint


def test_a_failing_snapshot_leaves_the_session_dirty() -> None:
    """The next capture tries again."""
    previous = b'{"broken":{"version":"0","revision":3}}'
    built = build(Broken("snapshot"), snapshot=previous)
    built.capture()
    assert built.fingerprint != built.stored_fingerprint


def test_a_new_version_is_dirty_after_a_restore() -> None:
    """State of an older version is stored anew."""
    new = build(Notes(version="2"), snapshot=build(Notes(version="1")).capture())
    assert new.fingerprint != new.stored_fingerprint


def test_equal_states_have_equal_bytes() -> None:
    """Neither the order of plugins nor that of keys shows."""
    one = build(Notes("a"), Notes("b")).capture()
    two = build(Notes("b"), Notes("a")).capture()
    assert one == two
    assert one == (
        b'{"a":{"revision":0,"state":{"notes":[]},"version":"1"},'
        b'"b":{"revision":0,"state":{"notes":[]},"version":"1"}}'
    )


def test_a_captured_state_is_a_copy() -> None:
    """What a plugin changes later, it captures later."""
    notes = Notes()
    snapshot = build_and_add(notes, "milk")
    built = build(Broken("snapshot"), notes, snapshot=snapshot)
    notes.last.notes.append("eggs")
    assert json.loads(built.capture())["Notes"]["state"] == {"notes": ["milk", "eggs"]}
    again = build(snapshot=snapshot)
    assert again.capture() == snapshot


@pytest.mark.parametrize("is_given", [True, False])
def test_a_failing_snapshot_keeps_the_plugins_previous_entry(
    caplog: pytest.LogCaptureFixture, *, is_given: bool
) -> None:
    """State is never erased by a failure, whether the host has the previous bytes or not."""
    previous = b'{"broken":{"version":"1","revision":3,"state":{"old":true}}}'
    built = build(Broken("snapshot"), Notes(), snapshot=previous)
    kept = json.loads(built.capture(previous if is_given else None))
    assert kept["broken"] == {"version": "1", "revision": 3, "state": {"old": True}}
    assert kept["Notes"]["state"] == {"notes": []}
    assert "plugin broken failed in snapshot: ValueError at " in caplog.text
    assert CONTENT not in caplog.text


@pytest.mark.parametrize("state", [object(), {1, 2}, float("nan"), {"a": 1, 2: 3}])
def test_a_state_that_is_no_json_is_a_failing_snapshot(
    caplog: pytest.LogCaptureFixture, state: Any
) -> None:
    """It is not stored, and the others are."""

    class Odd(Plugin):
        @override
        def session(self, context: PluginContext) -> PluginSession:
            return OddSession()

    class OddSession(PluginSession):
        @override
        def snapshot(self) -> Any:
            return state

    assert list(json.loads(build(Odd(), Notes()).capture())) == ["Notes"]
    assert "plugin Odd failed in snapshot" in caplog.text


def test_entries_of_plugins_that_are_not_installed_are_kept() -> None:
    """A plugin that comes back finds its state."""
    snapshot = build_and_add(Notes("diary"), "milk")
    without = build(Quiet(), snapshot=snapshot)
    body = without.capture(snapshot)
    diary = Notes("diary")
    build(Quiet(), diary, snapshot=body)
    assert diary.last.notes == ["milk"]


def test_a_snapshot_restored_and_captured_is_the_same() -> None:
    """A rebuild leaves no trace, however often."""
    snapshot = build_and_add(Notes(), "milk")
    for _ in range(3):
        assert build(Notes(), snapshot=snapshot).capture(snapshot) == snapshot


def test_a_restored_state_is_the_plugins_own() -> None:
    """What a plugin does to it does not reach the entry that is kept."""
    snapshot = build_and_add(Notes("broken"), "milk")

    class Taker(BrokenSession):
        @override
        def restore(self, state: Any) -> None:
            state["notes"].clear()

    class Taking(Broken):
        id = "broken"

        @override
        def session(self, context: PluginContext) -> PluginSession:
            return Taker("snapshot")

    assert build(Taking(""), snapshot=snapshot).capture() == snapshot


@pytest.mark.parametrize("body", [b"[]", b"{", b'{"a":{"version":"1"}}', b'{"a":1}'])
def test_a_malformed_snapshot_is_refused(body: bytes) -> None:
    """It is not taken for an empty one: that would erase it."""
    with pytest.raises(AssemblyError, match="malformed"):
        build(Quiet(), snapshot=body)


# Failures and events


@pytest.mark.parametrize("hook", ["session", "restore"])
def test_a_plugin_that_cannot_be_built_is_named(
    caplog: pytest.LogCaptureFixture, hook: str
) -> None:
    """By id, hook and kind of error; the session is not live then, and nothing is quoted."""
    host = PluginHost([Quiet(), Broken(hook)])
    with pytest.raises(PluginFailed):
        host.build(CONTEXT)
    with pytest.raises(PluginFailed) as caught:
        host.build(CONTEXT)
    error = caught.value
    assert (error.plugin_id, error.hook, error.reason) == ("broken", hook, "ValueError")
    assert CONTENT not in str(error) + caplog.text
    assert error.__cause__ is None


@pytest.mark.parametrize("hook", ["tools", "instructions"])
def test_a_plugin_that_cannot_answer_is_named(hook: str) -> None:
    """A prompt is not made without a part that belongs to it."""
    built = build(Broken(hook))
    with pytest.raises(PluginFailed, match=f"'broken' failed in {hook}: ValueError"):
        getattr(built, hook)()


def test_events_reach_every_plugin_even_after_one_failed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An observer changes nothing for the others or for the session."""
    notes = Notes()
    built = build(Broken("on_event"), notes)
    with caplog.at_level(logging.WARNING):
        built.emit("turn_committed", {"turn_id": "t-1"})
    assert notes.last.events == [("turn_committed", {"turn_id": "t-1"})]
    assert "plugin broken failed in on_event(turn_committed): ValueError" in caplog.text
    assert CONTENT not in caplog.text
