-- identity: Whose file it is, at which schema, and whether anything is in it.
SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)
FROM pragma_application_id, pragma_user_version;

-- session: The row of a session, deleted or not.
SELECT * FROM sessions WHERE session_id = ?;

-- ground: What a commit stands on: session, newest node, its leaf's frame if live, whether its turn
-- wrote attachments, its receipt.
SELECT
    s.*, max((SELECT coalesce(max(seq), 0) FROM nodes), (SELECT seq FROM spent)),
    (SELECT coalesce(frame, 0) FROM nodes WHERE seq = s.leaf_seq AND NOT tombstoned),
    EXISTS (
        SELECT 1 FROM attachments a INDEXED BY attachments_pending
        WHERE a.sid = s.sid AND a.turn_id = :operation_id AND a.committed_at IS NULL
    ),
    r.content_hash, r.head_revision, r.leaf, r.result
FROM sessions s LEFT JOIN receipts r ON r.sid = s.sid AND r.operation_id = :operation_id
WHERE s.session_id = :session_id;

-- insert_session: Make the row of a new session.
INSERT INTO sessions (session_id, family, created_at)
VALUES (?, (SELECT coalesce(max(sid), 0) + 1 FROM sessions), ?);

-- insert_fork: Make the row of a session that stands on a node of another one.
INSERT INTO sessions (
    session_id, family, origin, created_at, head_revision, leaf, leaf_seq,
    tool_digest, tool_generation, plugin_digest, plugin_generation
)
SELECT
    :session_id, family, :seq, :now, 1, :leaf, :seq,
    tool_digest, tool_generation, plugin_digest, plugin_generation
FROM sessions WHERE sid = :sid;

-- insert_source: Note which session owns the node that a fork was made at.
INSERT INTO forks (sid, source) SELECT ?, sid FROM nodes WHERE seq = ?;

-- insert_config: Keep the configuration of a new session.
INSERT INTO configs (sid, body) VALUES (?, ?);

-- copy_config: Give a fork the configuration of its source.
INSERT INTO configs (sid, body)
SELECT ?, body FROM configs WHERE sid = ?;

-- save_config: Replace a session's configuration.
UPDATE configs SET body = ? WHERE sid = ?;

-- head: A live session's row, its configuration, and its tokens in all.
SELECT
    s.*, c.body, total(u.input_tokens), total(u.output_tokens), total(u.cache_read_tokens),
    total(u.cache_write_tokens), total(u.reasoning_tokens)
FROM sessions s JOIN configs c USING (sid) LEFT JOIN usage u USING (sid)
WHERE s.session_id = ? AND s.deleted_at IS NULL
GROUP BY s.session_id;

-- heads: As `head`, one page in order of the sessions' ids.
SELECT
    s.*, c.body, total(u.input_tokens), total(u.output_tokens), total(u.cache_read_tokens),
    total(u.cache_write_tokens), total(u.reasoning_tokens)
FROM sessions s JOIN configs c USING (sid) LEFT JOIN usage u USING (sid)
WHERE s.session_id > ? AND s.deleted_at IS NULL
GROUP BY s.session_id ORDER BY s.session_id LIMIT ?;

-- save_lease: Replace a session's lease.
UPDATE sessions
SET owner_id = ?, incarnation_id = ?, executor_id = ?, fencing_token = ?, claimed_at = ?,
    expires_at = ?, released = ?
WHERE sid = ?;

-- receipt: The stored outcome of an operation.
SELECT content_hash, head_revision, leaf, result
FROM receipts WHERE sid = ? AND operation_id = ?;

-- insert_receipt: Keep the outcome of an operation.
INSERT INTO receipts (
    sid, operation_id, content_hash, head_revision, leaf, result, committed_at
) VALUES (?, ?, ?, ?, ?, ?, ?);

-- save_position: Note the newest journal position of a session.
UPDATE sessions SET last_position = ? WHERE sid = ?;

-- effect: One row of a journal.
SELECT position, effect_key, kind, status, attempt_id, payload, facts
FROM effects WHERE sid = ? AND turn_id = ? AND effect_key = ?;

-- effects: The rows of a turn's journal after a position.
SELECT position, effect_key, kind, status, attempt_id, payload, facts
FROM effects WHERE sid = ? AND turn_id = ? AND position > ? ORDER BY position;

-- has_effect: Whether a journal has a key.
SELECT 1 FROM effects WHERE sid = ? AND turn_id = ? AND effect_key = ?;

-- save_effect: Write a row of a journal in the place of an older one of its key.
INSERT OR REPLACE INTO effects (
    sid, turn_id, effect_key, position, kind, status, attempt_id, head_revision, recorded_at,
    facts, payload
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- settle_journal: Remove the journal of an operation that was committed.
DELETE FROM effects WHERE sid = ? AND turn_id = ?;

-- places: Where nodes stand, by their ids (a JSON list).
SELECT node_id, seq, sid, frame, tombstoned
FROM nodes WHERE node_id IN (SELECT value FROM json_each(?));

-- insert_node: Append a node.
INSERT INTO nodes (seq, sid, parent, frame, created_at, kind, node_id, turn_id, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);

-- advance_head: Move the head by one commit.
UPDATE sessions
SET head_revision = head_revision + 1, leaf = :leaf, leaf_seq = :leaf_seq,
    turn_count = turn_count + :turns, released = max(released, :release),
    tool_digest = coalesce(:tool_digest, tool_digest),
    tool_generation = coalesce(:tool_generation, tool_generation),
    plugin_digest = coalesce(:plugin_digest, plugin_digest),
    plugin_generation = coalesce(:plugin_generation, plugin_generation)
WHERE sid = :sid;

-- has_snapshot: Whether a state body is stored.
SELECT 1 FROM snapshots WHERE digest = ?;

-- insert_snapshot: Store a state body unless it is there; then it is needed.
INSERT INTO snapshots (digest, body) VALUES (?, ?)
ON CONFLICT (digest) DO UPDATE SET doomed = 0 WHERE doomed;

-- need_snapshot: Note that a stored state body is needed.
UPDATE snapshots SET doomed = 0 WHERE digest = ? AND doomed;

-- snapshot: A state body.
SELECT body FROM snapshots WHERE digest = ?;

-- add_usage: Add tokens to a session's ledger.
INSERT INTO usage VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (sid, source, model) DO UPDATE SET
    input_tokens = input_tokens + excluded.input_tokens,
    output_tokens = output_tokens + excluded.output_tokens,
    cache_read_tokens = cache_read_tokens + excluded.cache_read_tokens,
    cache_write_tokens = cache_write_tokens + excluded.cache_write_tokens,
    reasoning_tokens = reasoning_tokens + excluded.reasoning_tokens;

-- usage: A session's ledger.
SELECT
    source, model, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,
    reasoning_tokens
FROM usage WHERE sid = ? ORDER BY source, model;

-- node: One live node by its id, with its seq and the session that owns it.
SELECT
    n.node_id, (SELECT p.node_id FROM nodes p WHERE p.seq = n.parent), n.kind, n.body, n.turn_id,
    n.created_at, n.seq, n.parent, n.sid, n.frame
FROM nodes n WHERE n.node_id = ? AND NOT n.tombstoned;

-- own_nodes: The live nodes that a session appended, in order.
SELECT
    n.node_id, (SELECT p.node_id FROM nodes p WHERE p.seq = n.parent), n.kind, n.body, n.turn_id,
    n.created_at, n.seq, n.parent, n.sid, n.frame
FROM nodes n WHERE n.sid = ? AND NOT n.tombstoned ORDER BY n.seq;

-- path: The live nodes from one back to `stop`, or to the root; a cycle or a gap ends it early.
WITH RECURSIVE path (seq, parent) AS (
    SELECT seq, parent FROM nodes WHERE seq = :leaf AND NOT tombstoned
    UNION ALL
    SELECT n.seq, n.parent FROM path CROSS JOIN nodes n ON n.seq = path.parent
    WHERE path.seq > :stop AND n.seq < path.seq AND NOT n.tombstoned
)
SELECT
    n.node_id, (SELECT p.node_id FROM nodes p WHERE p.seq = n.parent), n.kind, n.body, n.turn_id,
    n.created_at, n.seq, n.parent, n.sid, n.frame
FROM path CROSS JOIN nodes n ON n.seq = path.seq;

-- newest_message: The newest live message of a session, or else on the way to where it was forked.
SELECT coalesce(
    (
        SELECT n.node_id FROM nodes n
        WHERE n.sid = s.sid AND n.kind = 'message' AND NOT n.tombstoned ORDER BY n.seq DESC LIMIT 1
    ),
    (
        WITH RECURSIVE up (seq, parent, kind, node_id) AS (
            SELECT seq, parent, kind, node_id FROM nodes WHERE seq = s.origin AND NOT tombstoned
            UNION ALL
            SELECT n.seq, n.parent, n.kind, n.node_id
            FROM up CROSS JOIN nodes n ON n.seq = up.parent
            WHERE up.kind <> 'message' AND n.seq < up.seq AND NOT n.tombstoned
        )
        SELECT node_id FROM up WHERE kind = 'message'
    )
)
FROM sessions s WHERE s.session_id = ? AND s.deleted_at IS NULL;

-- frame: The nearest frame of a node.
SELECT coalesce(frame, 0) FROM nodes WHERE seq = ?;

-- is_ancestor: Whether a node stands on the way from another one to the root.
WITH RECURSIVE up (seq) AS (
    SELECT :origin
    UNION
    SELECT n.parent FROM up CROSS JOIN nodes n ON n.seq = up.seq WHERE n.parent >= :seq
)
SELECT 1 FROM up WHERE seq = :seq;

-- stats: How many rows the store holds, and how long the file is.
SELECT
    (SELECT count(*) FROM sessions WHERE deleted_at IS NULL),
    (SELECT count(*) FROM nodes) - (SELECT count(*) FROM nodes WHERE tombstoned),
    (SELECT count(*) FROM nodes WHERE tombstoned),
    (SELECT count(*) FROM effects),
    (SELECT count(*) FROM receipts),
    (SELECT count(*) FROM snapshots),
    (SELECT count(*) FROM attachments),
    (SELECT count(*) FROM attachments WHERE committed_at IS NULL),
    (SELECT page_count FROM pragma_page_count) * (SELECT page_size FROM pragma_page_size);
