"""Attachments: bytes that a session keeps beside its graph, named by what they are."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Attachment:
    """Bytes by their content address.

    Attributes:
        attachment_id: 64 hex characters, the SHA-256 of the bytes.
        media_type: what they are, as `image/png`.
        size_bytes: how many there are.
    """

    attachment_id: str
    media_type: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class AttachmentIntent:
    """What is recorded, durably, before an attachment's bytes are written.

    Attributes:
        session_id: the session.
        turn_id: the turn that writes it: the row is dead when the turn's journal is gone.
        fencing_token: the writer's lease token; always checked.
        attachment: what is going to be written.
        blob_key: where, if these bytes stand nowhere yet: a fresh key that nobody had before.
    """

    session_id: str
    turn_id: str
    fencing_token: int
    attachment: Attachment
    blob_key: str


@dataclass(frozen=True, slots=True)
class StoredAttachment:
    """A session's row of an attachment.

    Attributes:
        attachment: what it is.
        blob_key: where its bytes stand, or will.
        turn_id: the turn that last wrote or committed it.
        is_committed: whether a commit made it permanent.
    """

    attachment: Attachment
    blob_key: str
    turn_id: str
    is_committed: bool
