-- has_receipt: Whether a session has the receipt of an operation.
SELECT 1 FROM receipts r JOIN sessions s USING (sid) WHERE s.session_id = ? AND r.operation_id = ?;

-- adopt_node: Say which operation once wrote a node, and when.
UPDATE nodes SET turn_id = ?, created_at = coalesce(?, created_at) WHERE node_id = ?;

-- adopt_receipt: Keep the receipt that an operation once got, at a revision before the newest.
INSERT INTO receipts (sid, operation_id, content_hash, head_revision, leaf, result, committed_at)
SELECT sid, ?, '', head_revision + ?, ?, ?, ? FROM sessions WHERE session_id = ?;

-- adopt_session: Count what a session once was, and move its head over that.
UPDATE sessions
SET head_revision = head_revision + :revisions, turn_count = turn_count + :turns,
    created_at = coalesce(:created_at, created_at)
WHERE session_id = :session_id
RETURNING head_revision;

-- move_receipt: Put a receipt at another revision.
UPDATE receipts SET head_revision = ?
WHERE sid = (SELECT sid FROM sessions WHERE session_id = ?) AND operation_id = ?;

-- newest_own: The seq of the newest node that a session appended.
SELECT coalesce(max(seq), 0) FROM nodes WHERE sid = ?;

-- way: The live nodes from one to the root, newest first, with their sizes; a cycle or a gap ends it.
WITH RECURSIVE path (seq, parent, size) AS (
    SELECT seq, parent, length(body) FROM nodes WHERE seq = :leaf AND NOT tombstoned
    UNION ALL
    SELECT n.seq, n.parent, length(n.body) FROM path CROSS JOIN nodes n ON n.seq = path.parent
    WHERE n.seq < path.seq AND NOT n.tombstoned
)
SELECT seq, size FROM path;

-- own_page: The live nodes that a session appended after one and up to another, in order.
SELECT
    n.node_id, (SELECT p.node_id FROM nodes p WHERE p.seq = n.parent), n.kind, n.body, n.turn_id,
    n.created_at, n.seq, n.parent, n.sid, n.frame
FROM nodes n
WHERE n.sid = :sid AND n.seq > :after AND n.seq <= :until AND NOT n.tombstoned
ORDER BY n.seq LIMIT :limit;
