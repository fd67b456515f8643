"""Ids: what may be one, and what is made of them."""

from __future__ import annotations

import json

import pytest

from sojourn import Agent, App, ids
from sojourn.errors import InvalidId
from sojourn.testing import ScriptedModel
from tests.support.running import running
from tests.support.scene import echo
from tests.support.server import DevServer

# What a Temporal server takes by default, in bytes.
TEMPORAL_ID_BYTES = 1000
TEMPORAL_ATTRIBUTE_BYTES = 2048

SCRIPTS = ["a", '"', "é", "語", "😀"]


def longest(char: str) -> str:
    """Return the longest id that can be made of one character."""
    return char * min(ids.MAX_ID_CHARS, ids.MAX_ID_BYTES // len(char.encode()))


@pytest.mark.parametrize("value", ["a", "chat-42", "~!", "a" * 200, "é" * 200, "語" * 200, "naïve"])
def test_what_is_printable_and_short_is_an_id(value: str) -> None:
    """In any script; it comes back as it is."""
    assert ids.checked("session", value) == value


@pytest.mark.parametrize(
    "value",
    [
        *("", " ", "two words", "tab\t", "line\n", "\x00", "\x7f", "\u00a0", "\u2028", "\u200b"),
        *("\ud800", "\ue000", "a" * 201, "語" * 201),
    ],
)
def test_what_is_not_printable_or_too_long_is_refused(value: str) -> None:
    """It could be neither read in a log nor typed again."""
    with pytest.raises(InvalidId, match="no valid turn id"):
        ids.checked("turn", value)


@pytest.mark.parametrize("char", SCRIPTS)
def test_an_id_is_bounded_in_bytes_too(char: str) -> None:
    """The longest passes, one character more does not."""
    assert ids.checked("session", longest(char))
    with pytest.raises(InvalidId):
        ids.checked("session", longest(char) + char)


def test_four_byte_characters_meet_the_bound_in_bytes_first() -> None:
    """200 of them would be refused by the server, with words about something else."""
    assert len(longest("😀")) == 150
    with pytest.raises(InvalidId):
        ids.checked("session", "😀" * 200)


@pytest.mark.parametrize("char", SCRIPTS)
def test_a_server_takes_whatever_is_made_of_an_id(char: str) -> None:
    """Ids of workflows and of updates, and the search attribute, which it measures as JSON."""
    value = longest(char)

    assert len(f"session/{value}".encode()) < TEMPORAL_ID_BYTES
    assert len(f"{value}/01234567".encode()) < TEMPORAL_ID_BYTES
    assert len(json.dumps([value])) < TEMPORAL_ATTRIBUTE_BYTES


@pytest.mark.server
async def test_the_longest_ids_work_on_a_server(
    server: DevServer, queue: str, session_id: str, store_url: str
) -> None:
    """Of a session and of its turn."""
    app = App(agents=[Agent("clerk", model=ScriptedModel(echo))], store=store_url)
    session = session_id + "😀" * ((ids.MAX_ID_BYTES - len(session_id)) // 4)
    async with running(server, queue, app) as client:
        result = await client.session(session).send("hello", longest("😀"))
        with pytest.raises(InvalidId):
            client.session(session + "😀")

    assert result.text == "you said hello"


def test_a_refusal_quotes_no_more_than_the_beginning() -> None:
    """An id that is far too long does not fill the log."""
    with pytest.raises(InvalidId) as refused:
        ids.checked("session", "x" * 100_000)

    assert len(str(refused.value)) < 200


def test_minted_ids_are_ids_and_differ() -> None:
    """Each is one that a user might have chosen."""
    minted = {ids.mint("turn") for _ in range(100)}

    assert len(minted) == 100
    assert all(ids.checked("turn", value).startswith("turn-") for value in minted)


def test_a_nodes_id_follows_from_its_operation() -> None:
    """A retry derives the same one, and no other operation does."""
    one = ids.node_id("s", "t", 0)

    assert one == ids.node_id("s", "t", 0)
    assert len({one, ids.node_id("s", "t", 1), ids.node_id("st", "", 0)}) == 3
    assert ids.checked("node", one) == one


def test_a_digest_is_the_address_of_its_bytes() -> None:
    """The beginning of their SHA-256."""
    assert ids.digest(b"") == "e3b0c44298fc1c149afbf4c8996fb924"
