"""What commits send, and of which kinds the values are."""

from __future__ import annotations

from sojourn.adapters.postgres.wire import (
    Statement,
    blobs,
    flag,
    instant,
    number,
    numbers,
    text,
    texts,
)

TRY_COMMIT = Statement(
    "try_commit",
    {
        "session_id": text,
        "operation_id": text,
        "content_hash": text,
        "token": number,
        "revision": number,
        "now": instant,
        "hangs_on": text,
        "leaf": text,
        "leaf_place": number,
        "node_ids": texts,
        "parents": numbers,
        "frames": numbers,
        "kinds": texts,
        "bodies": blobs,
        "config": text,
        "tool_digest": text,
        "tool_generation": number,
        "tool_body": bytes,
        "plugin_digest": text,
        "plugin_generation": number,
        "plugin_body": bytes,
        "sources": texts,
        "models": texts,
        "tokens": numbers,
        "attachment_ids": texts,
        "result": text,
        "is_turn": flag,
        "release": flag,
    },
)
LOCK_SESSIONS = Statement("lock_sessions", {"session_ids": texts})
PREPARED = (TRY_COMMIT, LOCK_SESSIONS)
