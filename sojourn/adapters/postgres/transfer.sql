-- known_receipts: Which of some operations of a session have a receipt.
SELECT r.operation_id FROM sojourn.receipts r JOIN sojourn.sessions s USING (sid)
WHERE s.session_id = %(session_id)s AND r.operation_id = ANY(%(operation_ids)s);

-- adopt_nodes: Say which operations once wrote some nodes, and when.
UPDATE sojourn.nodes n
SET turn_id = past.turn_id, created_at = coalesce(past.created_at, n.created_at)
FROM unnest(%(node_ids)s::text[], %(turn_ids)s::text[], %(times)s::timestamptz[])
    AS past (node_id, turn_id, created_at)
WHERE n.node_id = past.node_id;

-- adopt_receipts: Keep receipts that operations once got, at revisions before the newest.
INSERT INTO sojourn.receipts (
    sid, operation_id, content_hash, head_revision, leaf, result, committed_at
)
SELECT
    s.sid, past.operation_id, '', s.head_revision + past.number - 1, past.leaf, past.result,
    past.committed_at
FROM sojourn.sessions s CROSS JOIN unnest(
    %(operation_ids)s::text[], %(leaves)s::text[], %(results)s::text[], %(times)s::timestamptz[]
) WITH ORDINALITY AS past (operation_id, leaf, result, committed_at, number)
WHERE s.session_id = %(session_id)s;

-- adopt_session: Count what a session once was, and move its head, and its newest receipt, over
-- that.
WITH moved AS (
    UPDATE sojourn.sessions
    SET head_revision = head_revision + %(revisions)s, turn_count = turn_count + %(turns)s,
        created_at = coalesce(%(created_at)s, created_at)
    WHERE session_id = %(session_id)s
    RETURNING sid, head_revision
)
UPDATE sojourn.receipts r SET head_revision = moved.head_revision
FROM moved WHERE r.sid = moved.sid AND r.operation_id = %(operation_id)s
RETURNING r.head_revision;

-- plan_pages: Of a live session its number, where a path of it ends, its newest node, whether it is
-- a fork, the bodies of its states, and its head.
SELECT
    s.sid, CASE WHEN %(is_whole)s THEN s.origin ELSE s.leaf_seq END, s.last_seq,
    s.origin IS NOT NULL, t.body, p.body, h.*
FROM sojourn.sessions s JOIN sojourn.heads h USING (session_id)
LEFT JOIN sojourn.snapshots t ON t.digest = s.tool_digest
LEFT JOIN sojourn.snapshots p ON p.digest = s.plugin_digest
WHERE s.session_id = %(session_id)s AND s.deleted_at IS NULL;

-- pieces: Where the pieces of the way from a node to the root begin, the oldest first: one ends
-- with so many nodes, or with so many bytes. A cycle or a gap ends the way.
WITH RECURSIVE path (seq, parent, size) AS (
    SELECT seq, parent, octet_length(body)::bigint FROM sojourn.nodes
    WHERE seq = %(leaf)s AND NOT tombstoned
    UNION ALL
    SELECT n.seq, n.parent, octet_length(n.body)::bigint
    FROM path JOIN sojourn.nodes n ON n.seq = path.parent
    WHERE n.seq < path.seq AND NOT n.tombstoned
), numbered (seq, piece) AS (
    SELECT
        seq,
        (row_number() OVER way - 1) / %(nodes)s + (sum(size) OVER way)::bigint / %(size_bytes)s
    FROM path WINDOW way AS (ORDER BY seq DESC)
)
SELECT max(seq) FROM numbered GROUP BY piece ORDER BY max(seq);

-- piece: The live nodes from one back to `stop`, or to the root, in order.
WITH RECURSIVE path (seq, parent) AS (
    SELECT seq, parent FROM sojourn.nodes WHERE seq = %(leaf)s AND NOT tombstoned
    UNION ALL
    SELECT n.seq, n.parent FROM path JOIN sojourn.nodes n ON n.seq = path.parent
    WHERE n.seq > %(stop)s AND n.seq < path.seq AND NOT n.tombstoned
)
SELECT
    n.node_id, (SELECT o.node_id FROM sojourn.nodes o WHERE o.seq = n.parent), n.kind, n.body,
    n.turn_id, n.created_at, n.seq, n.parent
FROM path JOIN sojourn.nodes n ON n.seq = path.seq ORDER BY n.seq;

-- own_page: The live nodes that a session appended after one and up to another, in order: so many,
-- and more than one only up to so many bytes.
WITH sized AS (
    SELECT n.seq, sum(octet_length(n.body)) OVER (ORDER BY n.seq) - octet_length(n.body) AS before
    FROM sojourn.nodes n
    WHERE n.seq > %(after)s AND n.seq <= %(until)s AND NOT n.tombstoned
    ORDER BY n.seq LIMIT %(nodes)s
)
SELECT
    n.node_id, (SELECT o.node_id FROM sojourn.nodes o WHERE o.seq = n.parent), n.kind, n.body,
    n.turn_id, n.created_at, n.seq, n.parent
FROM sized JOIN sojourn.nodes n USING (seq)
WHERE sized.before = 0 OR sized.before + octet_length(n.body) <= %(size_bytes)s
ORDER BY n.seq;
