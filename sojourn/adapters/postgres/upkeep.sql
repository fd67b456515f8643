-- What is chosen up to a limit, and locked, is chosen once: hence `MATERIALIZED`. As a plain
-- subquery the planner may run it again and again, and each time it would choose other rows.

-- lock_for_journals: Sessions with turns that were given up, but for those at work just now.
WITH given_up AS MATERIALIZED (
    SELECT e.sid FROM sojourn.effects e JOIN sojourn.sessions s USING (sid)
    GROUP BY e.sid, e.turn_id, s.sid
    HAVING max(e.recorded_at) < %(before)s
        AND s.head_revision > max(e.head_revision) FILTER (WHERE e.effect_key = 'input')
        AND NOT (
            s.executor_id IS NOT DISTINCT FROM e.turn_id AND NOT s.released
            AND s.expires_at > %(now)s
        )
    LIMIT %(limit)s
)
SELECT sid FROM sojourn.sessions WHERE sid IN (SELECT sid FROM given_up)
FOR NO KEY UPDATE SKIP LOCKED;

-- reclaim_journals: Remove the journals of some sessions' turns that were given up.
WITH given_up AS (
    SELECT e.sid, e.turn_id FROM sojourn.effects e JOIN sojourn.sessions s USING (sid)
    WHERE e.sid = ANY(%(sids)s)
    GROUP BY e.sid, e.turn_id, s.sid
    HAVING max(e.recorded_at) < %(before)s
        AND s.head_revision > max(e.head_revision) FILTER (WHERE e.effect_key = 'input')
        AND NOT (
            s.executor_id IS NOT DISTINCT FROM e.turn_id AND NOT s.released
            AND s.expires_at > %(now)s
        )
    LIMIT %(limit)s
), removed AS (
    DELETE FROM sojourn.effects e USING given_up g WHERE e.sid = g.sid AND e.turn_id = g.turn_id
)
SELECT count(*) FROM given_up;

-- forget_receipts: Remove old receipts of commits that were not a session's newest.
WITH old AS MATERIALIZED (
    SELECT r.sid, r.operation_id FROM sojourn.receipts r JOIN sojourn.sessions s USING (sid)
    WHERE r.committed_at < %(before)s AND r.head_revision < s.head_revision
    LIMIT %(limit)s FOR UPDATE OF r SKIP LOCKED
)
DELETE FROM sojourn.receipts WHERE (sid, operation_id) IN (SELECT sid, operation_id FROM old);

-- take_grave: A deleted session of which something is left, and that no other vacuum has taken.
SELECT g.sid, s.family FROM sojourn.graves g JOIN sojourn.sessions s USING (sid)
LIMIT 1 FOR UPDATE OF g SKIP LOCKED;

-- remove_receipts: Remove receipts of a deleted session.
WITH dead AS MATERIALIZED (
    SELECT operation_id FROM sojourn.receipts WHERE sid = %(sid)s LIMIT %(limit)s
)
DELETE FROM sojourn.receipts
WHERE sid = %(sid)s AND operation_id IN (SELECT operation_id FROM dead);

-- remove_ownerless: Remove nodes of a family's deleted sessions that no live one holds, as for
-- `orphans`, but for those that another one removes just now; tell how many there are, up to the
-- limit, and how many are gone. The newest go first. Nobody can hold one of them anew.
WITH RECURSIVE held (seq, parent, is_cut) AS (
    SELECT s.origin, n.parent, n.seq IS NULL OR n.tombstoned OR n.parent >= n.seq
    FROM sojourn.sessions s LEFT JOIN sojourn.nodes n ON n.seq = s.origin
    WHERE s.family = %(family)s AND s.deleted_at IS NULL AND s.origin IS NOT NULL
    UNION
    SELECT held.parent, n.parent, n.seq IS NULL OR n.tombstoned OR n.parent >= n.seq
    FROM held LEFT JOIN sojourn.nodes n ON n.seq = held.parent
    WHERE held.parent < held.seq
), dead AS MATERIALIZED (
    SELECT own.seq FROM sojourn.sessions s CROSS JOIN LATERAL (
        SELECT n.seq FROM sojourn.nodes n
        WHERE n.seq >= s.sid << 32 AND n.seq < (s.sid + 1) << 32
            AND n.seq NOT IN (SELECT seq FROM held)
            AND n.seq > (SELECT coalesce(max(seq), 0) FROM held WHERE is_cut)
        ORDER BY n.seq DESC LIMIT %(limit)s
    ) own
    WHERE s.family = %(family)s AND s.deleted_at IS NOT NULL
    ORDER BY own.seq DESC LIMIT %(limit)s
), gone AS (
    DELETE FROM sojourn.nodes WHERE seq IN (
        SELECT n.seq FROM sojourn.nodes n WHERE n.seq IN (SELECT seq FROM dead)
        FOR UPDATE SKIP LOCKED
    )
    RETURNING seq
)
SELECT (SELECT count(*) FROM dead), (SELECT count(*) FROM gone);

-- close_grave: Note that nothing is left of a deleted session but what others hold.
DELETE FROM sojourn.graves WHERE sid = %(sid)s;

-- remove_tombstoned: Remove nodes that are marked deleted, the newest first.
WITH dead AS MATERIALIZED (
    SELECT seq FROM sojourn.nodes WHERE tombstoned
    ORDER BY seq DESC LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
DELETE FROM sojourn.nodes WHERE seq IN (SELECT seq FROM dead);

-- idle_snapshots: State bodies that no session stands on.
SELECT p.digest FROM sojourn.snapshots p
WHERE NOT EXISTS (SELECT FROM sojourn.sessions s WHERE s.tool_digest = p.digest)
    AND NOT EXISTS (SELECT FROM sojourn.sessions s WHERE s.plugin_digest = p.digest)
LIMIT %(limit)s;

-- lock_snapshots: Wait for commits that name states, and keep more from it: see `has_snapshot`.
SELECT pg_advisory_xact_lock(hashtext('sojourn'), hashtext('snapshots'));

-- remove_snapshots: Remove those of some state bodies that no session stands on.
DELETE FROM sojourn.snapshots p WHERE p.digest = ANY(%(digests)s)
    AND NOT EXISTS (SELECT FROM sojourn.sessions s WHERE s.tool_digest = p.digest)
    AND NOT EXISTS (SELECT FROM sojourn.sessions s WHERE s.plugin_digest = p.digest);

-- open_journal: Whether a turn's journal is open.
SELECT FROM sojourn.effects
WHERE sid = %(sid)s AND turn_id = %(turn_id)s AND effect_key = 'input';

-- begin_attachment: Write a row, with the key of any row of the same bytes that stays until this
-- transaction ends, or else a fresh one; a row that is there already stays.
INSERT INTO sojourn.attachments AS a (
    sid, attachment_id, blob_key, media_type, size_bytes, turn_id, intent_at
)
SELECT
    %(sid)s, %(attachment_id)s,
    coalesce(
        (
            SELECT o.blob_key FROM sojourn.attachments o WHERE o.attachment_id = %(attachment_id)s
            ORDER BY o.committed_at IS NULL LIMIT 1 FOR KEY SHARE SKIP LOCKED
        ),
        %(blob_key)s
    ),
    %(media_type)s, %(size_bytes)s, %(turn_id)s, %(now)s
ON CONFLICT (sid, attachment_id) DO UPDATE SET
    turn_id = CASE WHEN a.committed_at IS NULL THEN excluded.turn_id ELSE a.turn_id END,
    intent_at = CASE WHEN a.committed_at IS NULL THEN excluded.intent_at ELSE a.intent_at END
RETURNING attachment_id, media_type, size_bytes, blob_key, turn_id, committed_at IS NOT NULL;

-- find_attachment: The row of an attachment of a session or of those it was forked from.
WITH RECURSIVE line (sid, origin) AS (
    SELECT sid, origin FROM sojourn.sessions
    WHERE session_id = %(session_id)s AND deleted_at IS NULL
    UNION ALL
    SELECT s.sid, s.origin FROM line JOIN sojourn.sessions s ON s.sid = line.origin >> 32
)
SELECT
    a.attachment_id, a.media_type, a.size_bytes, a.blob_key, a.turn_id, a.committed_at IS NOT NULL
FROM line JOIN sojourn.attachments a USING (sid) WHERE a.attachment_id = %(attachment_id)s
ORDER BY a.sid DESC LIMIT 1;

-- attachments_of: A session's own rows, in order.
SELECT
    a.attachment_id, a.media_type, a.size_bytes, a.blob_key, a.turn_id, a.committed_at IS NOT NULL
FROM sojourn.sessions s JOIN sojourn.attachments a USING (sid)
WHERE s.session_id = %(session_id)s AND s.deleted_at IS NULL
ORDER BY a.attachment_id COLLATE "C";

-- drop_attachment: Remove a session's own row.
DELETE FROM sojourn.attachments WHERE sid = %(sid)s AND attachment_id = %(attachment_id)s;

-- keys_in_use: Those of some blob keys that have a row.
SELECT DISTINCT blob_key FROM sojourn.attachments WHERE blob_key = ANY(%(blob_keys)s);

-- any_attachment: Whether there is any row.
SELECT FROM sojourn.attachments LIMIT 1;

-- lock_for_intents: Sessions with pending rows that no turn needs, but for those at work just now.
WITH dead AS MATERIALIZED (
    SELECT a.sid FROM sojourn.attachments a
    WHERE a.committed_at IS NULL AND a.intent_at < %(before)s AND NOT EXISTS (
        SELECT FROM sojourn.effects e WHERE e.sid = a.sid
    )
    LIMIT %(limit)s
)
SELECT sid FROM sojourn.sessions WHERE sid IN (SELECT sid FROM dead)
FOR NO KEY UPDATE SKIP LOCKED;

-- forget_pending: Remove pending rows of some sessions that no turn needs.
WITH dead AS MATERIALIZED (
    SELECT a.sid, a.attachment_id FROM sojourn.attachments a
    WHERE a.sid = ANY(%(sids)s) AND a.committed_at IS NULL AND a.intent_at < %(before)s
        AND NOT EXISTS (
            SELECT FROM sojourn.effects e WHERE e.sid = a.sid
        )
    LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
DELETE FROM sojourn.attachments WHERE (sid, attachment_id) IN (SELECT sid, attachment_id FROM dead);

-- forget_families: Remove rows of families of which no session lives; none can come to life again.
WITH dead AS MATERIALIZED (
    SELECT a.sid, a.attachment_id
    FROM sojourn.attachments a JOIN sojourn.sessions s USING (sid)
    WHERE s.deleted_at IS NOT NULL AND NOT EXISTS (
        SELECT FROM sojourn.sessions l WHERE l.family = s.family AND l.deleted_at IS NULL
    )
    LIMIT %(limit)s FOR UPDATE OF a SKIP LOCKED
)
DELETE FROM sojourn.attachments WHERE (sid, attachment_id) IN (SELECT sid, attachment_id FROM dead);

-- stats: How much the store holds.
SELECT
    (SELECT count(*) FROM sojourn.sessions WHERE deleted_at IS NULL),
    (SELECT count(*) FROM sojourn.nodes) - (SELECT count(*) FROM sojourn.nodes WHERE tombstoned),
    (SELECT count(*) FROM sojourn.nodes WHERE tombstoned),
    (SELECT count(*) FROM sojourn.effects),
    (SELECT count(*) FROM sojourn.receipts),
    (SELECT count(*) FROM sojourn.snapshots),
    (SELECT count(*) FROM sojourn.attachments),
    (SELECT count(*) FROM sojourn.attachments WHERE committed_at IS NULL),
    (
        SELECT sum(pg_total_relation_size(c.oid))::bigint
        FROM pg_class c WHERE c.relnamespace = 'sojourn'::regnamespace AND c.relkind = 'r'
    );
