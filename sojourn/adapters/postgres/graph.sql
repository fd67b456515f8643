-- read_session: Where a live session's leaf is, the bodies of its states, and its head.
SELECT h.leaf_seq, t.body, p.body, h.*
FROM sojourn.heads h
LEFT JOIN sojourn.snapshots t ON t.digest = h.tool_digest
LEFT JOIN sojourn.snapshots p ON p.digest = h.plugin_digest
WHERE h.session_id = %(session_id)s;

-- read_path: The live nodes from a leaf back to its frame, or to the root, newest first; a cycle or
-- a gap ends it early.
WITH RECURSIVE path (seq, parent, stop) AS (
    SELECT n.seq, n.parent, CASE WHEN %(to_frame)s THEN coalesce(n.frame, 0) ELSE 0 END
    FROM sojourn.sessions s JOIN sojourn.nodes n ON n.seq = coalesce(%(leaf)s, s.leaf_seq)
    WHERE s.session_id = %(session_id)s AND s.deleted_at IS NULL AND NOT n.tombstoned
    UNION ALL
    SELECT n.seq, n.parent, path.stop FROM path JOIN sojourn.nodes n ON n.seq = path.parent
    WHERE path.seq > path.stop AND n.seq < path.seq AND NOT n.tombstoned
)
SELECT
    n.node_id, (SELECT o.node_id FROM sojourn.nodes o WHERE o.seq = n.parent), n.kind, n.body,
    n.turn_id, n.created_at, n.seq, n.parent, path.stop
FROM path JOIN sojourn.nodes n ON n.seq = path.seq;

-- read_whole: The live nodes that a session appended, and those on the way to where it was forked.
WITH RECURSIVE ground AS MATERIALIZED (
    SELECT sid, origin FROM sojourn.sessions
    WHERE session_id = %(session_id)s AND deleted_at IS NULL
), up (seq, parent) AS (
    SELECT n.seq, n.parent FROM ground JOIN sojourn.nodes n ON n.seq = ground.origin
    WHERE NOT n.tombstoned
    UNION ALL
    SELECT n.seq, n.parent FROM up JOIN sojourn.nodes n ON n.seq = up.parent
    WHERE n.seq < up.seq AND NOT n.tombstoned
)
SELECT
    n.node_id, (SELECT o.node_id FROM sojourn.nodes o WHERE o.seq = n.parent), n.kind, n.body,
    n.turn_id, n.created_at, n.seq, n.parent
FROM up JOIN sojourn.nodes n USING (seq)
UNION ALL
SELECT
    n.node_id, (SELECT o.node_id FROM sojourn.nodes o WHERE o.seq = n.parent), n.kind, n.body,
    n.turn_id, n.created_at, n.seq, n.parent
FROM ground JOIN sojourn.nodes n
ON n.seq >= ground.sid << 32 AND n.seq < (ground.sid + 1) << 32 AND NOT n.tombstoned;

-- read_node: A live node that a session sees: its own, or on the way to where it was forked.
SELECT
    n.node_id, (SELECT o.node_id FROM sojourn.nodes o WHERE o.seq = n.parent), n.kind, n.body,
    n.turn_id, n.created_at, n.seq, n.parent
FROM sojourn.sessions s CROSS JOIN sojourn.nodes n
WHERE s.session_id = %(session_id)s AND s.deleted_at IS NULL
    AND n.node_id = %(node_id)s AND NOT n.tombstoned
    AND (n.seq >> 32 = s.sid OR n.seq <= s.origin AND EXISTS (
        WITH RECURSIVE up (seq) AS (
            SELECT s.origin
            UNION ALL
            SELECT o.parent FROM up JOIN sojourn.nodes o ON o.seq = up.seq
            WHERE o.parent >= n.seq AND o.parent < o.seq
        )
        SELECT FROM up WHERE up.seq = n.seq
    ));

-- newest_message: The newest live message of a session, or else on the way to where it was forked.
SELECT coalesce(
    (
        SELECT n.node_id FROM sojourn.nodes n
        WHERE n.seq >= s.sid << 32 AND n.seq < (s.sid + 1) << 32
            AND n.kind = 'message' AND NOT n.tombstoned
        ORDER BY n.seq DESC LIMIT 1
    ),
    (
        WITH RECURSIVE up (seq, parent, kind, node_id) AS (
            SELECT n.seq, n.parent, n.kind, n.node_id FROM sojourn.nodes n
            WHERE n.seq = s.origin AND NOT n.tombstoned
            UNION ALL
            SELECT n.seq, n.parent, n.kind, n.node_id
            FROM up JOIN sojourn.nodes n ON n.seq = up.parent
            WHERE up.kind <> 'message' AND n.seq < up.seq AND NOT n.tombstoned
        )
        SELECT up.node_id FROM up WHERE up.kind = 'message'
    )
)
FROM sojourn.sessions s WHERE s.session_id = %(session_id)s AND s.deleted_at IS NULL;

-- places: Where nodes stand, by their ids.
SELECT node_id, seq, frame, tombstoned FROM sojourn.nodes WHERE node_id = ANY(%(node_ids)s);

-- is_ancestor: Whether a node stands on the way from another one to the root.
WITH RECURSIVE up (seq) AS (
    SELECT %(origin)s::bigint
    UNION ALL
    SELECT n.parent FROM up JOIN sojourn.nodes n ON n.seq = up.seq
    WHERE n.parent >= %(seq)s AND n.parent < n.seq
)
SELECT FROM up WHERE seq = %(seq)s;

-- orphans: The live nodes of a session that nobody holds, in order. Others hold them by where they
-- were forked alone: what they stand on is their own, or on the way there. A way that is cut, by a
-- node that is missing or tombstoned or by a cycle, may have held whatever is older.
WITH RECURSIVE ground AS MATERIALIZED (
    SELECT sid << 32 AS low, family, leaf_seq FROM sojourn.sessions
    WHERE session_id = %(session_id)s AND deleted_at IS NULL
), anchors (seq) AS (
    SELECT leaf_seq FROM ground WHERE leaf_seq >= low
    UNION
    SELECT f.origin FROM ground JOIN sojourn.sessions f USING (family)
    WHERE f.deleted_at IS NULL AND f.origin >= ground.low
), held (seq, parent, is_cut) AS (
    SELECT a.seq, n.parent, n.seq IS NULL OR n.tombstoned OR n.parent >= n.seq
    FROM anchors a LEFT JOIN sojourn.nodes n ON n.seq = a.seq
    UNION
    SELECT held.parent, n.parent, n.seq IS NULL OR n.tombstoned OR n.parent >= n.seq
    FROM ground CROSS JOIN held LEFT JOIN sojourn.nodes n ON n.seq = held.parent
    WHERE held.parent >= ground.low AND held.parent < held.seq
)
SELECT n.node_id, n.seq, n.parent, n.created_at
FROM ground JOIN sojourn.nodes n ON n.seq >= ground.low AND n.seq < ground.low + (1::bigint << 32)
WHERE NOT n.tombstoned AND n.seq NOT IN (SELECT seq FROM held)
    AND n.seq > (SELECT coalesce(max(seq), 0) FROM held WHERE is_cut)
ORDER BY n.seq;

-- plan_orphans: The newest node of a session, where ways begin that live sessions hold, and the
-- newest of its orphans that are old and that nothing young hangs on, in order; see `orphans`.
WITH RECURSIVE ground AS MATERIALIZED (
    SELECT sid << 32 AS low, family, leaf_seq, last_seq FROM sojourn.sessions
    WHERE session_id = %(session_id)s AND deleted_at IS NULL
), anchors (seq) AS MATERIALIZED (
    SELECT leaf_seq FROM ground WHERE leaf_seq >= low
    UNION
    SELECT f.origin FROM ground JOIN sojourn.sessions f USING (family)
    WHERE f.deleted_at IS NULL AND f.origin >= ground.low
), held (seq, parent, is_cut) AS (
    SELECT a.seq, n.parent, n.seq IS NULL OR n.tombstoned OR n.parent >= n.seq
    FROM anchors a LEFT JOIN sojourn.nodes n ON n.seq = a.seq
    UNION
    SELECT held.parent, n.parent, n.seq IS NULL OR n.tombstoned OR n.parent >= n.seq
    FROM ground CROSS JOIN held LEFT JOIN sojourn.nodes n ON n.seq = held.parent
    WHERE held.parent >= ground.low AND held.parent < held.seq
), unheld (seq, parent, created_at) AS MATERIALIZED (
    SELECT n.seq, n.parent, n.created_at
    FROM ground JOIN sojourn.nodes n
    ON n.seq >= ground.low AND n.seq < ground.low + (1::bigint << 32)
    WHERE NOT n.tombstoned AND n.seq NOT IN (SELECT seq FROM held)
        AND n.seq > (SELECT coalesce(max(seq), 0) FROM held WHERE is_cut)
), kept (seq, parent) AS (
    SELECT seq, parent FROM unheld WHERE created_at >= %(before)s
    UNION
    SELECT n.seq, n.parent FROM ground CROSS JOIN kept JOIN sojourn.nodes n ON n.seq = kept.parent
    WHERE n.seq >= ground.low AND n.seq < kept.seq
), doomed (seq) AS (
    -- Neither a join nor `NOT IN`: how many are kept the planner cannot know, and may be wrong.
    SELECT seq FROM (
        SELECT seq, false AS is_kept FROM unheld UNION ALL SELECT seq, true FROM kept
    ) chosen
    GROUP BY seq HAVING NOT bool_or(is_kept)
    ORDER BY seq DESC LIMIT %(limit)s
)
SELECT
    (SELECT last_seq FROM ground),
    coalesce((SELECT array_agg(seq) FROM anchors), '{}'),
    coalesce((SELECT array_agg(seq ORDER BY seq) FROM doomed), '{}');

-- since_plan: The newest node of a session, where ways begin that live sessions hold, and the
-- nodes that came after one, with their parents.
WITH ground AS MATERIALIZED (
    SELECT sid << 32 AS low, family, leaf_seq, last_seq FROM sojourn.sessions WHERE sid = %(sid)s
), anchors (seq) AS (
    SELECT leaf_seq FROM ground WHERE leaf_seq >= low
    UNION
    SELECT f.origin FROM ground JOIN sojourn.sessions f USING (family)
    WHERE f.deleted_at IS NULL AND f.origin >= ground.low
), younger (seq, parent) AS MATERIALIZED (
    SELECT n.seq, n.parent FROM ground JOIN sojourn.nodes n
    ON n.seq > %(after)s AND n.seq >= ground.low AND n.seq < ground.low + (1::bigint << 32)
)
SELECT
    (SELECT last_seq FROM ground),
    coalesce((SELECT array_agg(seq) FROM anchors), '{}'),
    coalesce((SELECT array_agg(seq ORDER BY seq) FROM younger), '{}'),
    coalesce((SELECT array_agg(parent ORDER BY seq) FROM younger), '{}');

-- tombstone: Mark nodes deleted.
UPDATE sojourn.nodes SET tombstoned = true WHERE seq = ANY(%(seqs)s) AND NOT tombstoned;

-- insert_fork: Make the rows of a session that stands on a node of another one, unless its id is
-- taken.
WITH made AS (
    INSERT INTO sojourn.sessions (
        session_id, family, origin, created_at, head_revision, leaf, leaf_seq,
        tool_digest, tool_generation, plugin_digest, plugin_generation
    )
    SELECT
        %(new_session_id)s, family, %(seq)s, %(now)s, 1, %(node_id)s, %(seq)s,
        tool_digest, tool_generation, plugin_digest, plugin_generation
    FROM sojourn.sessions WHERE sid = %(sid)s
    ON CONFLICT (session_id) DO NOTHING
    RETURNING sid
)
INSERT INTO sojourn.configs (sid, body)
SELECT made.sid, c.body FROM made CROSS JOIN sojourn.configs c WHERE c.sid = %(sid)s;

-- mark_deleted: Leave of a session what refuses its id for ever, where it was forked (there its
-- own forks look for attachments), and what vacuum removes.
WITH no_config AS (
    DELETE FROM sojourn.configs WHERE sid = %(sid)s
), no_journals AS (
    DELETE FROM sojourn.effects WHERE sid = %(sid)s
), no_usage AS (
    DELETE FROM sojourn.usage WHERE sid = %(sid)s
), grave AS (
    INSERT INTO sojourn.graves (sid) VALUES (%(sid)s)
)
UPDATE sojourn.sessions
SET deleted_at = %(now)s, leaf = NULL, leaf_seq = NULL, tool_digest = NULL, tool_generation = NULL,
    plugin_digest = NULL, plugin_generation = NULL
WHERE sid = %(sid)s;
