"""Sojourn's own format: what is exported and imported is the same session."""

from __future__ import annotations

import asyncio
import io
import uuid
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from sojourn import ids
from sojourn.adapters.open import opened_store
from sojourn.commit import Snapshot
from sojourn.errors import (
    SessionDeleted,
    SessionExists,
    UnknownSession,
    Untransferable,
)
from sojourn.ports import SessionStore
from sojourn.transfer import ExportOptions, ImportOptions, import_session
from sojourn.usage import Usage, UsageEntry
from tests.transfer.conftest import Urls
from tests.transfer.making import (
    FULL,
    chain,
    committed,
    exchange,
    exported,
    imported,
    lines,
    resigned,
    rich_session,
    shape,
    whole,
)

PATH = ExportOptions(is_active_path=True)


async def problems(store: SessionStore) -> list[object]:
    """Return what a store finds wrong with itself."""
    return [problem async for problem in store.check()]


async def test_a_session_is_the_same_elsewhere(here: SessionStore, there: SessionStore) -> None:
    """Branches, frames, bytes that are no JSON, turns, times, receipts, states and the ledger."""
    await rich_session(here)
    told = await imported(there, await exported(here))

    assert await whole(there) == await whole(here)
    assert (told.session_id, told.nodes, told.turns, told.noted) == ("chat-42", 18, 3, 0)
    assert (told.is_new, told.is_done) == (True, True)
    assert await problems(there) == []


async def test_what_came_can_go_on_again(here: SessionStore, there: SessionStore) -> None:
    """A second export is the first one, but for the count of commits."""
    await rich_session(here)
    file = await exported(here)
    await imported(there, file)

    first, second = lines(file), lines(await exported(there))
    assert second[0] == first[0] | {"head_revision": second[0]["head_revision"]}
    assert second[1:-1] == first[1:-1]


# No shrinking: each example makes two stores.
SEARCH = (Phase.explicit, Phase.reuse, Phase.generate)
JSON = b'{"a":[1,"\xc3\xa9"]}'
STATES = [b"", b"{}", b' {"p":{"version":"1","revision":2,"state":[1.0]}}\n']
EXAMPLE = st.lists(
    st.fixed_dictionaries(
        {
            "at": st.integers(0, 30),
            "kind": st.sampled_from(["message", "frame", "other"]),
            "bodies": st.lists(
                st.binary(max_size=30) | st.just(b'{"a":[1,"\xc3\xa9"]}'), max_size=4
            ),
            "tokens": st.integers(0, 9),
            "is_turn": st.booleans(),
            "state": st.none() | st.sampled_from(STATES),
        }
    ),
    max_size=6,
)


async def grown(store: SessionStore, session: str, steps: list[dict[str, Any]]) -> None:
    """Make a session step by step; each hangs on any node that is there already."""
    known = list[str]()
    for number, step in enumerate(steps):
        parent = known[step["at"] % len(known)] if known else None
        names = [f"{session}.{number}.{at}" for at in range(len(step["bodies"]))]
        bodies = [exchange(1)[0][1] if step["kind"] == "message" else b for b in step["bodies"]]
        made = chain(parent, *zip(names, bodies, strict=True), kind=step["kind"])
        known += names
        spent = UsageEntry(source="turn", model="m", usage=Usage(input_tokens=step["tokens"]))
        state = step["state"]
        plugins = None if state is None else Snapshot(ids.digest(state), state, number)
        changes: dict[str, Any] = {
            "leaf": names[-1] if names else parent,
            "is_turn": step["is_turn"],
            "usage": (spent,),
            "config": {"agent": "clerk", "number": number},
            "plugin_state": plugins,
        }
        await committed(store, f"op-{number}", *made, session=session, **changes)


@settings(
    max_examples=15,
    deadline=None,
    phases=SEARCH,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=EXAMPLE, is_renamed=st.booleans())
def test_any_session_is_the_same_elsewhere(
    urls: Urls, steps: list[dict[str, Any]], is_renamed: bool
) -> None:
    """Whatever its graph; under another id its nodes have other ids, and the same places."""

    async def moved() -> None:
        session = str(uuid.uuid4())
        target = f"other-{session}" if is_renamed else session
        async with opened_store(urls[0]) as here, opened_store(urls[1]) as there:
            await here.claim(claim_of(session))
            await grown(here, session, steps)
            await imported(there, await exported(here, session), ImportOptions(target))
            before, after = await whole(here, session), await whole(there, target)
            if is_renamed:
                assert shape(after["nodes"]) == shape(before["nodes"])
                assert not {n.node_id for n in after["nodes"]} & {
                    n.node_id for n in before["nodes"]
                }
            else:
                assert after == before
            assert await problems(there) == []

    asyncio.run(moved())


async def test_a_copy_stands_beside_the_original(here: SessionStore) -> None:
    """Under another id, with ids of its own for its nodes, which the receipts know."""
    await rich_session(here)
    await imported(here, await exported(here), ImportOptions("copy", agent="cook"))
    original, copy = await here.load("chat-42", FULL), await here.load("copy", FULL)

    assert original is not None
    assert copy is not None
    assert shape(copy.nodes) == shape(original.nodes)
    assert copy.head.config == original.head.config | {"agent": "cook"}
    assert await problems(here) == []
    again = await exported(here, "copy")
    await imported(here, again, ImportOptions("third"))


async def test_a_fork_and_its_original_can_both_move(
    here: SessionStore, there: SessionStore
) -> None:
    """In either order: what a fork stands on is its own there."""
    await rich_session(here)
    await here.fork("chat-42", "n1.3", "fork")
    await committed(here, "t9", *chain("n1.3", *exchange(9)), session="fork")
    for session in ("fork", "chat-42"):
        await imported(there, await exported(here, session))

    for session in ("fork", "chat-42"):
        before, after = await here.load(session, FULL), await there.load(session, FULL)
        assert before is not None
        assert after is not None
        assert shape(after.nodes) == shape(before.nodes)
    assert await problems(there) == []


async def test_the_active_path_can_go_alone(here: SessionStore, there: SessionStore) -> None:
    """Without the branches that the session does not stand on."""
    await rich_session(here)
    await imported(there, await exported(here, options=PATH))
    read, path = await there.load("chat-42", FULL), await here.load("chat-42", "active path")  # type: ignore[arg-type]

    assert read is not None
    assert path is not None
    assert read.nodes == path.nodes


async def test_stored_bytes_stand_in_the_file_as_they_are(store: SessionStore) -> None:
    """JSON as JSON, that any tool can read; what is none as base64."""
    await rich_session(store)
    file = await exported(store)

    assert b',"body":{ "spaced" : 1.0 }}\n' in file
    assert b'"base64":"8CiMvA=="' in file
    assert lines(file)[-1]["nodes"] == 18


async def test_an_import_that_is_done_is_left_as_it_is(store: SessionStore) -> None:
    """The same file again makes nothing, whatever the session has done since."""
    await rich_session(store)
    file = await exported(store)
    await imported(store, file, ImportOptions("copy"))
    await committed(store, "later", leaf=None, session="copy")
    before = await whole(store, "copy")
    told = await imported(store, file, ImportOptions("copy"))

    assert (told.is_new, told.is_done) == (False, True)
    assert await whole(store, "copy") == before


async def test_an_id_that_is_taken_is_refused(store: SessionStore) -> None:
    """By a session, by what another file made, or by one that was deleted."""
    await rich_session(store)
    file = await exported(store)
    with pytest.raises(SessionExists):
        await imported(store, file)
    await imported(store, file, ImportOptions("copy"))
    with pytest.raises(SessionExists):
        await imported(store, await exported(store, options=PATH), ImportOptions("copy"))
    await store.delete("copy")
    with pytest.raises(SessionDeleted):
        await imported(store, file, ImportOptions("copy"))


async def test_a_file_that_is_cut_off_is_noticed(store: SessionStore) -> None:
    """At any line, and in the middle of one: the session is not taken for whole."""
    await rich_session(store)
    file = await exported(store)
    whole_lines = file.splitlines(keepends=True)
    for number in range(1, len(whole_lines)):
        cut = b"".join(whole_lines[:number])
        for each in (cut, cut[:-5]):
            with pytest.raises(Untransferable):
                await imported(store, each, ImportOptions(f"cut-{number}"))


async def test_a_file_that_was_changed_is_noticed(store: SessionStore) -> None:
    """A line less, a line more, a word changed, something after the end."""
    await rich_session(store)
    file = await exported(store)
    some = file.splitlines(keepends=True)
    for changed in (
        file.replace(b"it is free 3", b"it is full 3"),
        b"".join([*some[:2], *some[3:]]),
        file + some[-2],
        b"".join([some[0], *some]),
    ):
        with pytest.raises(Untransferable) as refused:
            await imported(store, changed, ImportOptions("changed"))
        assert "Line " in str(refused.value)
        assert "free" not in str(refused.value)


async def test_a_message_that_cannot_be_read_is_named_by_its_line(store: SessionStore) -> None:
    """And what it says is not repeated."""
    await rich_session(store)
    file = resigned((await exported(store)).replace(b'"role":"user"', b'"role":"secret"', 1))

    with pytest.raises(Untransferable, match=r"^Line 5 of the file cannot be imported"):
        await imported(store, file, ImportOptions("odd"))


async def test_a_node_above_the_budget_of_a_commit_is_named_by_its_line(
    store: SessionStore,
) -> None:
    """It can never be stored."""
    await rich_session(store)
    file = await exported(store)
    large = b'{"node":"x","parent":null,"kind":"blob","turn":"t","at":"2024-01-01T00:00:00Z"'
    large += b',"body":"' + b"x" * (17 * 1024 * 1024) + b'"}\n'
    first, *rest = file.splitlines(keepends=True)

    with pytest.raises(Untransferable, match=r"^Line 2 .* bytes are over the 16777216"):
        await imported(store, b"".join([first, large, *rest]), ImportOptions("large"))
    assert await store.head("large") is None


async def test_a_line_without_an_end_takes_no_memory(store: SessionStore) -> None:
    """A file that is no file of lines is refused before all of it is read."""

    class Endless(io.RawIOBase):
        read_bytes = 0

        def read(self, size: int = -1, /) -> bytes:
            self.read_bytes += size
            return b'{"sojourn":' + b"1" * size if self.read_bytes == size else b"1" * size

    file = Endless()
    with pytest.raises(Untransferable, match="longer than"):
        async for _ in import_session(store, file):  # type: ignore[arg-type]
            pass
    assert file.read_bytes < 40 * 1024 * 1024


async def test_a_newer_file_is_refused(store: SessionStore) -> None:
    """Rather than half understood."""
    await rich_session(store)
    file = (await exported(store)).replace(b'{"sojourn":1', b'{"sojourn":2', 1)

    with pytest.raises(Untransferable, match="upgrade Sojourn"):
        await imported(store, file, ImportOptions("new"))


async def test_what_is_not_there_cannot_be_exported(store: SessionStore) -> None:
    """Nor can a session whose leaf is lost."""
    with pytest.raises(UnknownSession):
        await exported(store, "nobody")


async def test_the_same_turn_is_not_run_again_elsewhere(
    here: SessionStore, there: SessionStore
) -> None:
    """Its receipt moves along, and names the answer's node by the id that it has there."""
    await rich_session(here)
    result = {"status": "completed", "answer_node": "n1.3"}
    await committed(here, "t8", *chain("n3.3", *exchange(8)), result=result)
    await imported(there, await exported(here), ImportOptions("copy"))
    receipt = await there.receipt("copy", "t8")

    assert receipt is not None
    answer = receipt.result["answer_node"]
    node = await there.node("copy", answer)
    assert node is not None
    assert node.body == exchange(1)[3][1]


async def test_a_session_of_nothing_moves_too(here: SessionStore, there: SessionStore) -> None:
    """One that was started and never spoken to."""
    await here.claim(claim_of("chat-42"))
    await committed(here, "start", config={"agent": "clerk"}, is_turn=False)
    await imported(there, await exported(here))

    assert await whole(there) == await whole(here)


def claim_of(session: str) -> Any:
    """Return a claim that makes a session."""
    from sojourn.lease import Claim, LeaseOwner  # noqa: PLC0415

    return Claim(session, LeaseOwner("maker", "1"), "made")
