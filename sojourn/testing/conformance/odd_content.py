"""Odd content: any bytes in bodies, any script in ids, and no id that could not be typed."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest

from sojourn.commit import NewNode
from sojourn.errors import InvalidId
from sojourn.journal import model_key
from sojourn.ports import SessionStore
from sojourn.reads import ReadScope
from sojourn.testing.conformance.making import (
    BOB,
    answer,
    begun,
    chain,
    commit_of,
    contents,
    grown,
    head_of,
    intent,
    opening,
    path_ids,
    ref,
    state,
    wish,
)

MEGABYTE = b"".join(hashlib.sha256(b"%d" % n).digest() for n in range(2**15))
STRANGE = [
    "🧭",
    "東京",
    "é",
    "e\u0301",
    "É",
    "a'b",
    'a"b',
    "a\\b",
    "%",
    "_",
    "a;--",
    "$1",
    ":x",
    "?",
]
IMPOSSIBLE = {
    "empty": "",
    "blank": " ",
    "two words": "a b",
    "nul": "a\x00b",
    "newline": "a\n",
    "delete": "a\x7f",
    "201 characters": "x" * 201,
    "800 bytes": "🧭" * 200,
    "direction": "a\u202eb",
}


async def test_bodies_come_back_byte_by_byte(store: SessionStore) -> None:
    """Kinds that a newer version writes are kept as they are."""
    lease = await store.claim(wish())
    await store.commit(commit_of(lease, 0, NewNode("a", None, "from the future", b"\x00\xff")))
    node = await store.node("s", "a")

    assert node is not None
    assert (node.kind, node.body, node.parent_id) == ("from the future", b"\x00\xff", None)


@pytest.mark.parametrize(
    "body",
    [b"", b"\x00", bytes(range(256)), b"\xff\xfe\x00", b"'; --", MEGABYTE],
    ids=["empty", "nul", "every byte", "no utf-8", "quotes", "1 MB"],
)
async def test_any_bytes_are_a_body(store: SessionStore, body: bytes) -> None:
    """Of a node, of a state, and of an effect."""
    lease = await begun(store)
    await store.record_effect(ref(lease, model_key(1)), replace(answer(), payload=body))
    effects = await store.effects("s", "t1")
    states = {"tool_state": state(body), "plugin_state": state(body[::-1])}
    await store.commit(commit_of(lease, 0, NewNode("a", None, "raw", body), **states))
    node = await store.node("s", "a")
    head = await head_of(store)

    assert effects[1].payload == body
    assert node is not None
    assert node.body == body
    assert head.tool_state is not None
    assert head.tool_state.digest == state(body).digest


async def test_states_come_back_byte_by_byte(store: SessionStore) -> None:
    """Large, with NUL bytes, and both at once."""
    tools, plugins = bytes(1_000) + MEGABYTE, bytes(range(256))
    lease = await store.claim(wish())
    states = {"tool_state": state(tools), "plugin_state": state(plugins)}
    await store.commit(commit_of(lease, 0, *chain(None, "a"), **states))
    read = await store.load("s", ReadScope.ACTIVE_PATH)

    assert read is not None
    assert (read.tool_state, read.plugin_state) == (tools, plugins)


async def test_ids_are_any_printable_text(store: SessionStore) -> None:
    """Sessions, nodes and turns of every script, and of what a language would quote."""
    for name in STRANGE:
        lease = await begun(store, f"turn-{name}", session=name)
        await store.commit(commit_of(lease, 0, *chain(None, f"node-{name}"), release=True))

    for name in STRANGE:
        assert await path_ids(store, session=name) == [f"node-{name}"]
        assert (await head_of(store, name)).session_id == name
        assert await store.receipt(name, f"turn-{name}") is not None
    assert [head.session_id for head in await store.heads()] == sorted(STRANGE)


async def test_ids_that_look_alike_are_different(store: SessionStore) -> None:
    """No case is folded, no character composed, no space trimmed, no suffix ignored."""
    names = ["a", "A", "å", "a\u030a", "ª", "aa"]
    for number, name in enumerate(names):
        await grown(store, f"n{number}", session=name)

    assert [await path_ids(store, session=name) for name in names] == [
        [f"n{number}"] for number in range(len(names))
    ]


async def test_an_id_of_the_longest_size_is_kept_whole(store: SessionStore) -> None:
    """200 characters, and 600 bytes, are no less an id."""
    for name in ("x" * 200, "京" * 200):
        node_id = f"{name[:190]}-node"
        await grown(store, node_id, session=name)
        assert await path_ids(store, session=name) == [node_id]
        await store.fork(name, node_id, name[:-1])
        assert await path_ids(store, session=name[:-1]) == [node_id]


@pytest.mark.parametrize("name", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
async def test_an_impossible_id_makes_no_session(store: SessionStore, name: str) -> None:
    """By no way in: control characters, NUL among them, never reach a table."""
    await grown(store, "a")
    before = await contents(store)

    with pytest.raises(InvalidId):
        await store.claim(wish(BOB, session=name))
    with pytest.raises(InvalidId):
        await store.open_turn(opening(session=name))
    with pytest.raises(InvalidId):
        await store.fork("s", "a", name)
    assert await contents(store) == before


async def test_a_configuration_is_any_json(store: SessionStore) -> None:
    """Nested, empty, of every script, with characters that a database may not like."""
    config: dict[str, Any] = {"": {"🧭": ["\x00", 1e300, -0.5, 2**53, True, None, {}]}, "é": []}
    lease = await store.claim(wish())
    await store.commit(commit_of(lease, 0, config=config))

    assert (await head_of(store)).config == config


async def test_what_was_read_may_be_changed(store: SessionStore) -> None:
    """The next reader gets what is stored."""
    await begun(store)
    (await head_of(store)).config["agent"] = "other"
    (await store.effects("s", "t1"))[0].facts["digest"] = "other"

    assert (await head_of(store)).config == {"agent": "clerk"}
    assert (await store.effects("s", "t1"))[0].facts != {"digest": "other"}


async def test_what_was_given_may_be_changed(store: SessionStore) -> None:
    """The store keeps values, not the caller's objects."""
    facts: dict[str, Any] = {"names": ["a"]}
    lease = await begun(store)
    await store.record_effect(ref(lease, model_key(1)), replace(answer(), facts=facts))
    facts["names"].append("b")
    assert (await store.effects("s", "t1"))[1].facts == {"names": ["a"]}
    config: dict[str, Any] = {"names": ["a"]}
    await store.commit(commit_of(lease, 0, config=config, result=config))
    config["names"].append("b")
    receipt = await store.receipt("s", "t1")

    assert (await head_of(store)).config == {"names": ["a"]}
    assert receipt is not None
    assert receipt.result == {"names": ["a"]}


async def test_an_attachments_key_is_any_path(store: SessionStore) -> None:
    """Long, and with the separators that blob stores use."""
    key = "sha256/ab/" + "a" * 64 + "." + "x" * 26
    row = await store.begin_attachment(intent(await begun(store), key))

    assert row.blob_key == key
    assert await store.keys_in_use([key]) == {key}
