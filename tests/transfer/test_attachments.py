"""Attachments move with their session: their facts always, their bytes if wished."""

from __future__ import annotations

from pathlib import Path

import pytest

from sojourn.adapters.blobs import open_blobs
from sojourn.attachments import AttachmentReader, SessionAttachments
from sojourn.errors import UnknownAttachment, Untransferable
from sojourn.messages import Message, Role, file_part
from sojourn.ports import SessionStore
from sojourn.testing.conformance.making import begun, chain, commit_of
from sojourn.transfer import ExportOptions, ImportOptions
from tests.transfer.making import exported, imported, lines, resigned

LARGE = bytes(range(256)) * 10_000


async def with_attachments(store: SessionStore, blobs: object) -> list[str]:
    """Make a session whose one turn has kept a small and a large attachment."""
    lease = await begun(store)
    keeper = SessionAttachments(store, blobs, "s", "t1", lease.fencing_token)  # type: ignore[arg-type]
    kept = [await keeper.put(data, "image/png") for data in (b"small", LARGE)]
    said = Message(role=Role.TOOL, parts=tuple(map(file_part, kept)))
    (node,) = chain(None, "a")
    await store.commit(commit_of(lease, 0, type(node)("a", None, "message", said.encode())))
    return [each.attachment_id for each in kept]


async def test_attachments_move_with_their_bytes(
    here: SessionStore, there: SessionStore, tmp_path: Path
) -> None:
    """In the same file: what the session's messages name can be read there."""
    blobs, others = (open_blobs((tmp_path / name).as_uri()) for name in ("blobs", "others"))
    names = await with_attachments(here, blobs)
    file = await exported(here, "s", ExportOptions(blobs=blobs))
    told = await imported(there, file, ImportOptions("copy", blobs=others))
    reader = AttachmentReader(there, others, "copy")
    head = await there.head("copy")

    assert [await reader.get(name) for name in names] == [b"small", LARGE]
    assert all(row.is_committed for row in await there.attachments("copy"))
    assert (told.attachments, told.noted) == (2, 0)
    assert head is not None
    assert (head.turn_count, "importing" in head.config) == (1, False)
    assert (await there.stats())["effects"] == 0
    assert [problem async for problem in there.check()] == []
    again = await imported(there, file, ImportOptions("copy", blobs=others))
    assert not again.is_new


async def test_facts_move_without_bytes(
    here: SessionStore, there: SessionStore, tmp_path: Path
) -> None:
    """The file says what there was; what cannot be read there is counted."""
    blobs = open_blobs((tmp_path / "blobs").as_uri())
    names = await with_attachments(here, blobs)
    facts = await exported(here, "s")
    whole = await exported(here, "s", ExportOptions(blobs=blobs))
    bare = await imported(there, facts)
    passed = await imported(there, whole, ImportOptions("copy"))

    assert sorted(line["attachment"] for line in lines(facts) if "attachment" in line) == sorted(
        names
    )
    assert [told.noted for told in (bare, passed)] == [1, 1]
    assert "2 attachments" in bare.notes[0].what
    with pytest.raises(UnknownAttachment):
        await AttachmentReader(there, blobs, "s").get(names[0])


async def test_bytes_that_are_others_are_refused(store: SessionStore, tmp_path: Path) -> None:
    """An attachment is what its name says."""
    blobs = open_blobs((tmp_path / "blobs").as_uri())
    await with_attachments(store, blobs)
    file = await exported(store, "s", ExportOptions(blobs=blobs))
    changed = resigned(file.replace(b'{"bytes":"c21hbGw="}', b'{"bytes":"c21hbGwh"}'))

    with pytest.raises(Untransferable, match="are others"):
        await imported(store, changed, ImportOptions("copy", blobs=blobs))
