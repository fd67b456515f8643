"""The memory store's rows of attachments."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from typing_extensions import override

from sojourn import lease as leases
from sojourn.adapters import rules
from sojourn.adapters.memory_rows import Rows
from sojourn.adapters.memory_session import Kept, Session
from sojourn.attachment import AttachmentIntent, StoredAttachment
from sojourn.attachment_ports import AttachmentManifest
from sojourn.clock import Clock


class MemoryAttachments(AttachmentManifest):
    """Rows in dictionaries; `attachment_ports.AttachmentManifest` says what each method keeps."""

    _rows: Rows
    _clock: Clock

    @override
    async def begin_attachment(self, intent: AttachmentIntent) -> StoredAttachment:
        session = self._rows.existing(intent.session_id)
        leases.check_fence(session.lease, intent.session_id, intent.fencing_token)
        rules.check_open(rules.effect_of(intent), intent.turn_id in session.journals)
        wanted, now = intent.attachment, self._clock.now()
        kept = session.attachments.get(wanted.attachment_id)
        if kept is None:
            blob_key = self._known_key(wanted.attachment_id) or intent.blob_key
            kept = Kept(wanted, blob_key, intent.turn_id, now)
            session.attachments[wanted.attachment_id] = kept
        elif kept.committed_at is None:
            kept.turn_id, kept.intent_at = intent.turn_id, now
        return kept.stored()

    @override
    async def attachment(self, session_id: str, attachment_id: str) -> StoredAttachment | None:
        session = self._rows.readable(session_id)
        while session is not None:
            if attachment_id in session.attachments:
                return session.attachments[attachment_id].stored()
            session = self._rows.whoever(session.source)
        return None

    @override
    async def attachments(self, session_id: str) -> Sequence[StoredAttachment]:
        session = self._rows.readable(session_id)
        own = session.attachments if session else {}
        return [own[attachment_id].stored() for attachment_id in sorted(own)]

    @override
    async def drop_attachment(
        self, session_id: str, attachment_id: str, fencing_token: int
    ) -> bool:
        session = self._rows.existing(session_id)
        leases.check_fence(session.lease, session_id, fencing_token)
        return session.attachments.pop(attachment_id, None) is not None

    @override
    async def keys_in_use(self, blob_keys: Sequence[str]) -> set[str]:
        used = {kept.blob_key for row in self._rows.everyone() for kept in row.attachments.values()}
        return used & set(blob_keys)

    @override
    async def has_attachments(self) -> bool:
        return any(row.attachments for row in self._rows.everyone())

    @override
    async def forget_intents(self, before: datetime, limit: int) -> int:
        families = {row.family for row in self._rows.sessions.values()}
        dead = [
            (row, attachment_id)
            for row in self._rows.everyone()
            for attachment_id, kept in row.attachments.items()
            if row.family not in families or _is_dead(row, kept, before)
        ][:limit]
        for row, attachment_id in dead:
            del row.attachments[attachment_id]
        return len(dead)

    def _known_key(self, attachment_id: str) -> str | None:
        rows = (row.attachments.get(attachment_id) for row in self._rows.everyone())
        known = sorted((kept for kept in rows if kept), key=lambda kept: kept.committed_at is None)
        return known[0].blob_key if known else None


def _is_dead(row: Session, kept: Kept, before: datetime) -> bool:
    is_old = kept.committed_at is None and kept.intent_at < before
    return is_old and not row.journals
