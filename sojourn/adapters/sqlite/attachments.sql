-- own_attachment: A session's own row of an attachment.
SELECT attachment_id, blob_key, media_type, size_bytes, turn_id, committed_at
FROM attachments WHERE sid = ? AND attachment_id = ?;

-- own_attachments: All of a session's own rows.
SELECT attachment_id, blob_key, media_type, size_bytes, turn_id, committed_at
FROM attachments WHERE sid = ? ORDER BY attachment_id;

-- attachment: The nearest row of an attachment, of a session or of those it was forked from.
WITH RECURSIVE lineage (sid, distance) AS (
    SELECT ?, 0
    UNION ALL
    SELECT f.source, l.distance + 1 FROM lineage l CROSS JOIN forks f ON f.sid = l.sid
)
SELECT a.attachment_id, a.blob_key, a.media_type, a.size_bytes, a.turn_id, a.committed_at
FROM lineage l CROSS JOIN attachments a ON a.sid = l.sid AND a.attachment_id = ?
ORDER BY l.distance LIMIT 1;

-- known_key: Where some bytes stand, or will: a committed row's key before a pending one's.
SELECT blob_key FROM attachments WHERE attachment_id = ? ORDER BY committed_at IS NULL LIMIT 1;

-- insert_attachment: Record that an attachment is going to be written.
INSERT INTO attachments (
    sid, attachment_id, blob_key, media_type, size_bytes, turn_id, intent_at
) VALUES (?, ?, ?, ?, ?, ?, ?);

-- renew_intent: Note that another turn writes a pending attachment, or the same one again.
UPDATE attachments SET turn_id = ?, intent_at = ?
WHERE sid = ? AND attachment_id = ? AND committed_at IS NULL;

-- mark_attachment: Make an attachment permanent.
UPDATE attachments SET turn_id = ?, committed_at = coalesce(committed_at, ?)
WHERE sid = ? AND attachment_id = ?;

-- pending: What a turn wrote; mostly nothing, which an UPDATE is slow to find out.
SELECT attachment_id FROM attachments INDEXED BY attachments_pending
WHERE sid = ? AND turn_id = ? AND committed_at IS NULL;

-- drop_attachment: Remove a session's own row.
DELETE FROM attachments WHERE sid = ? AND attachment_id = ?;

-- keys_in_use: Those of some blob keys (a JSON list) that have a row.
SELECT value FROM json_each(?) WHERE value IN (SELECT blob_key FROM attachments);

-- has_attachments: Whether there is any row.
SELECT EXISTS (SELECT 1 FROM attachments);

-- dead_intents: Old pending rows of sessions without any journal, as far as there are some.
SELECT a.sid, a.attachment_id
FROM attachments a JOIN sessions s USING (sid)
WHERE a.committed_at IS NULL AND a.intent_at < ? AND (
    s.deleted_at IS NOT NULL
    OR NOT EXISTS (SELECT 1 FROM effects e WHERE e.sid = a.sid)
)
LIMIT ?;

-- dead_attachments: Rows of families without a live session, as far as there are some.
WITH RECURSIVE owners (sid) AS (
    SELECT min(sid) FROM attachments
    UNION ALL
    SELECT (SELECT min(a.sid) FROM attachments a WHERE a.sid > o.sid)
    FROM owners o WHERE o.sid IS NOT NULL
)
SELECT a.sid, a.attachment_id
FROM owners o CROSS JOIN sessions s USING (sid) CROSS JOIN attachments a USING (sid)
WHERE s.deleted_at IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM sessions t WHERE t.family = s.family AND t.deleted_at IS NULL
)
LIMIT ?;

-- forget_intent: Remove a pending row, unless a turn has begun, or begun to write it, since.
DELETE FROM attachments
WHERE sid = ? AND attachment_id = ? AND committed_at IS NULL AND intent_at < ? AND (
    (SELECT deleted_at FROM sessions s WHERE s.sid = attachments.sid) IS NOT NULL
    OR NOT EXISTS (SELECT 1 FROM effects e WHERE e.sid = attachments.sid)
);
