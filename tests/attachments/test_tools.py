"""Tools keep bytes beside the conversation; the model sees references."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from sojourn import App, Attachment, ToolContext, tool
from sojourn.adapters.blobs.memory import MemoryBlobs
from sojourn.adapters.open import opened_store
from sojourn.errors import BlobStoreRequired, UnknownAttachment
from sojourn.messages import FilePart, Message
from sojourn.tools import AnyTool
from tests.attachments.making import parts
from tests.embedded.making import SESSION, Answers, app_of
from tests.support.scene import calling, responses

BODY = b"every byte of the report, which is nobody's business but the session's"
REPORT = Attachment(hashlib.sha256(BODY).hexdigest(), "text/csv", len(BODY))
REFERENCE = {
    "attachment_id": REPORT.attachment_id,
    "media_type": "text/csv",
    "size_bytes": len(BODY),
}
PART = FilePart(
    modality="document",
    file_id=REPORT.attachment_id,
    mime_type="text/csv",
    size_bytes=len(BODY),
)


@pytest.fixture
def blobs_url(tmp_path: Path) -> str:
    """A folder of this test's own."""
    return (tmp_path / "blobs").as_uri()


@tool
async def alone(context: ToolContext) -> Attachment:
    """Return an attachment."""
    return await context.attachments.put(BODY, "text/csv")


@tool
async def listed(context: ToolContext) -> list[Attachment]:
    """Return two attachments, and one of them again."""
    image = await context.attachments.put(b"an image", "image/png")
    report = await context.attachments.put(BODY, "text/csv")
    return [report, image, report]


@tool
async def beside(context: ToolContext) -> tuple[str, Attachment]:
    """Return an attachment beside text."""
    return "here it is", await context.attachments.put(BODY, "text/csv")


@tool
async def nested(context: ToolContext) -> dict[str, Any]:
    """Return an attachment deep in a result."""
    return {"rows": 1, "files": [{"csv": await context.attachments.put(BODY, "text/csv")}]}


@tool
async def streamed(context: ToolContext) -> Attachment:
    """Return what was made piece by piece."""

    async def rows() -> AsyncGenerator[bytes, None]:
        async for part in parts(BODY[:10], BODY[10:]):
            yield part

    return await context.attachments.put(rows(), "text/csv")


@pytest.mark.parametrize(
    ("made", "response"),
    [
        (alone, REFERENCE),
        (streamed, REFERENCE),
        (beside, ["here it is", REFERENCE]),
        (nested, {"rows": 1, "files": [{"csv": REFERENCE}]}),
    ],
    ids=["alone", "streamed", "beside", "nested"],
)
async def test_the_model_sees_a_reference_and_the_session_has_the_bytes(
    store_url: str, blobs_url: str, made: AnyTool, response: object
) -> None:
    """Id, media type and size stand in the tool's response, the bytes nowhere but in the blob."""
    model = Answers([(made.name, {})], "done")
    async with app_of(store_url, model, made, blobs=blobs_url).open(SESSION) as session:
        await session.send("go")
        body = await session.attachments.get(REPORT.attachment_id)
        messages = model.asked[-1]

    (answered,) = responses(messages)
    assert (answered.response, answered.status) == (response, "done")
    assert files(messages) == [PART]
    assert all(BODY not in message.encode() for message in messages)
    assert body == BODY


def files(messages: Any) -> list[FilePart]:
    """Return what messages say of attachments."""
    each: list[Message] = list(messages)
    return [part for message in each for part in message.parts if isinstance(part, FilePart)]


async def test_several_attachments_are_named_once_each(store_url: str, blobs_url: str) -> None:
    """In the order in which the result has them."""
    model = Answers([("listed", {})], "done")
    async with app_of(store_url, model, listed, blobs=blobs_url).open(SESSION) as session:
        await session.send("go")

    assert [(part.modality, part.mime_type) for part in files(model.asked[-1])] == [
        ("document", "text/csv"),
        ("image", "image/png"),
    ]


async def test_the_commit_makes_attachments_permanent(store_url: str, blobs_url: str) -> None:
    """They are in the store, and the next process reads them by what the messages say."""
    app = app_of(store_url, calling(("alone", {})), alone, blobs=blobs_url)
    async with app.open(SESSION) as session:
        await session.send("go", "t-1")
    async with opened_store(store_url) as store:
        (row,) = await store.attachments(SESSION)
    async with app.open(SESSION) as session:
        view = await session.show()
        (named,) = [
            part["file_id"]
            for message in view.messages
            for part in message.parts
            if part["type"] == "file"
        ]
        body = await session.attachments.get(named)

    assert (row.attachment, row.turn_id, row.is_committed) == (REPORT, "t-1", True)
    assert body == BODY


async def test_a_fork_reads_what_the_conversation_names(store_url: str, blobs_url: str) -> None:
    """And a stranger on the same store does not."""
    app = app_of(store_url, calling(("alone", {})), alone, blobs=blobs_url)
    async with app.open(SESSION) as session:
        await session.send("go")
        await session.fork("fork")
    async with app.open("fork") as fork, app.open("stranger") as stranger:
        assert await fork.attachments.get(REPORT.attachment_id) == BODY
        with pytest.raises(UnknownAttachment):
            await stranger.attachments.get(REPORT.attachment_id)


async def test_a_tool_reads_what_another_one_kept(store_url: str, blobs_url: str) -> None:
    """In the same turn, before anything is committed."""

    @tool
    async def count(context: ToolContext) -> int:
        """Count the bytes of the report."""
        return len(await context.attachments.get(REPORT.attachment_id))

    model = Answers([("alone", {})], [("count", {})], "done")
    async with app_of(store_url, model, alone, count, blobs=blobs_url).open(SESSION) as session:
        await session.send("go")

    assert responses(model.asked[-1])[-1].response == len(BODY)


async def test_what_a_failed_tool_kept_is_named_by_nobody(store_url: str, blobs_url: str) -> None:
    """The model is told of the failure alone."""

    @tool
    async def fail(context: ToolContext) -> None:
        """Keep something and fail."""
        await context.attachments.put(BODY, "text/csv")
        raise ValueError

    model = Answers([("fail", {})], "done")
    async with app_of(store_url, model, fail, blobs=blobs_url).open(SESSION) as session:
        await session.send("go")

    assert files(model.asked[-1]) == []
    assert [part.status for part in responses(model.asked[-1])] == ["failed"]


async def test_without_a_blob_store_the_tool_fails_and_says_why(store_url: str) -> None:
    """The turn goes on; reading says the same."""
    model = Answers([("alone", {})], "done")
    async with app_of(store_url, model, alone).open(SESSION) as session:
        result = await session.send("go")
        with pytest.raises(BlobStoreRequired):
            await session.attachments.get(REPORT.attachment_id)

    assert result.text == "done"
    (told,) = responses(model.asked[-1])
    assert told.status == "failed"
    assert "BlobStoreRequired" in str(told.response)


async def test_blobs_in_memory_live_as_long_as_the_app(store_url: str) -> None:
    """As sessions in memory do."""
    app = app_of(store_url, calling(("alone", {})), alone, blobs="memory://")
    async with app.open(SESSION) as session:
        await session.send("go")
    async with app.open(SESSION) as session:
        assert await session.attachments.get(REPORT.attachment_id) == BODY


async def test_an_open_blob_store_is_taken_as_it_is(store_url: str) -> None:
    """The caller closes it."""
    blobs = MemoryBlobs()
    app: App = app_of(store_url, calling(("alone", {})), alone, blobs=blobs)
    async with app.open(SESSION) as session:
        await session.send("go")

    assert [info.size_bytes async for page in blobs.list() for info in page] == [len(BODY)]
