from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_ai import messages as theirs

from sojourn.adapters.models.messages import from_provider, from_response, to_provider
from sojourn.adapters.models.prompts import UnreadableError
from sojourn.messages import (
    CallStatus,
    FilePart,
    Message,
    Origin,
    ReasoningPart,
    Role,
    TextPart,
    ToolCallPart,
    ToolResponsePart,
    UriPart,
    user,
)

texts = st.text(max_size=20)
names = st.text("abcdefgh_", min_size=1, max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
objects = st.dictionaries(names, values, max_size=3)
origins = st.none() | st.builds(
    Origin,
    provider=st.sampled_from(["openai", "anthropic"]),
    id=st.none() | names,
    details=st.none() | objects,
)
said = st.builds(TextPart, content=texts)
linked = st.builds(
    UriPart,
    modality=st.sampled_from(["image", "audio", "video", "document"]),
    uri=st.just("https://example.org/x"),
    mime_type=st.just("image/png"),
)
answered = st.lists(
    st.builds(TextPart, content=texts, origin=origins)
    | st.builds(ReasoningPart, content=texts, signature=st.none() | texts, origin=origins)
    | st.builds(ToolCallPart, id=names, name=names, arguments=objects, origin=origins),
    min_size=1,
    max_size=4,
    unique_by=lambda part: part.id if isinstance(part, ToolCallPart) else id(part),
)
returned = st.one_of(
    st.builds(
        ToolResponsePart,
        id=names,
        name=names,
        response=values,
        status=st.sampled_from([s for s in CallStatus if s is not CallStatus.FAILED]),
    ),
    st.builds(
        ToolResponsePart,
        id=names,
        name=names,
        response=texts.map(lambda reason: {"error": reason}),
        status=st.just(CallStatus.FAILED),
    ),
)


def _messages(role: Role, parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Message]:
    return parts.map(lambda kept: Message(role=role, parts=tuple(kept)))


results = st.lists(_messages(Role.TOOL, returned.map(lambda part: [part])), max_size=3)
prompts = st.lists(
    _messages(Role.SYSTEM, said.map(lambda part: [part]))
    | _messages(Role.USER, st.lists(said | linked, min_size=1, max_size=3)),
    max_size=3,
)
conversations = st.lists(
    st.tuples(results, prompts, _messages(Role.ASSISTANT, answered)), max_size=4
).map(lambda rounds: [m for results, said, answer in rounds for m in (*results, *said, answer)])


@given(conversations)
def test_a_conversation_survives_the_round_trip(conversation: list[Message]) -> None:
    """Every part comes back as it was, with its provider's marks, in bytes too."""
    there = to_provider(conversation)
    back = from_provider(there)
    assert list(back) == conversation
    assert [m.encode() for m in back] == [m.encode() for m in conversation]


@given(conversations)
def test_requests_and_answers_keep_their_turns(conversation: list[Message]) -> None:
    """Providers get one request between two answers, never two in a row."""
    kinds = [message.kind for message in to_provider(conversation)]
    assert ("request", "request") not in pairwise(kinds)
    answers = sum(message.role is Role.ASSISTANT for message in conversation)
    assert kinds.count("response") == answers


@given(st.text(), st.lists(st.text(max_size=5), max_size=4))
def test_call_ids_of_one_answer_are_distinct(text: str, ids: list[str]) -> None:
    """Whatever ids a server gives, effects keyed by them do not meet; the first keeps its own."""
    calls = [theirs.ToolCallPart("t", {}, call_id) for call_id in ids]
    message = from_response(theirs.ModelResponse(parts=[theirs.TextPart(text), *calls]))
    found = [call.id for call in message.tool_calls]
    assert len(set(found)) == len(ids)
    assert found[:1] == ids[:1]


def test_an_attachment_is_named_to_the_model() -> None:
    """A file that stands in the blob store goes out by its name, not by its bytes."""
    part = FilePart(modality="image", file_id="sha256-1")
    (sent,) = to_provider([Message(role=Role.USER, parts=(part,))])
    (prompt,) = sent.parts
    assert isinstance(prompt, theirs.UserPromptPart)
    assert prompt.content == "[attached image sha256-1]"


def test_an_empty_answer_is_not_sent() -> None:
    """An assistant's message without parts says nothing, and providers refuse it."""
    empty = Message(role=Role.ASSISTANT, parts=())
    assert [message.kind for message in to_provider([user("a"), empty])] == ["request"]


@pytest.mark.parametrize(
    "message",
    [
        theirs.ModelResponse(parts=[theirs.FilePart(theirs.BinaryContent(b"x", media_type="a/b"))]),
        theirs.ModelRequest(parts=[theirs.InstructionDeltaPart(id=None, content="secret")]),
        theirs.ModelRequest(
            parts=[theirs.UserPromptPart([theirs.BinaryContent(b"secret", media_type="a/b")])]
        ),
    ],
)
def test_what_has_no_place_is_refused(message: theirs.ModelMessage) -> None:
    """Nothing is dropped silently, and nothing is quoted."""
    with pytest.raises(UnreadableError, match="of kind") as caught:
        from_provider([message])
    assert "secret" not in str(caught.value)
