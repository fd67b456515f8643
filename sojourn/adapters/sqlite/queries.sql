-- identity: Whose file it is, at which schema, and whether anything is in it.
SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)
FROM pragma_application_id, pragma_user_version;

-- session: The row of a session, deleted or not.
SELECT * FROM sessions WHERE session_id = ?;

-- ground: What a commit stands on: session, newest node, its leaf's frame if live, its receipt.
SELECT
    s.*, (SELECT coalesce(max(seq), 0) FROM nodes),
    (SELECT coalesce(frame, 0) FROM nodes WHERE seq = s.leaf_seq AND NOT tombstoned),
    r.content_hash, r.head_revision, r.leaf, r.result
FROM sessions s LEFT JOIN receipts r ON r.sid = s.sid AND r.operation_id = ?
WHERE s.session_id = ?;

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

-- insert_receipt: Keep the outcome of an operation for ever.
INSERT INTO receipts (sid, operation_id, content_hash, head_revision, leaf, result)
VALUES (?, ?, ?, ?, ?, ?);

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
    sid, turn_id, effect_key, position, kind, status, attempt_id, facts, payload
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);

-- settle_journal: Remove the journal of a turn that was committed.
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

-- insert_snapshot: Store a state body unless it is there.
INSERT OR IGNORE INTO snapshots (digest, body) VALUES (?, ?);

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

-- mark_attachment: Make an attachment permanent.
UPDATE attachments SET turn_id = ?, committed_at = ? WHERE sid = ? AND attachment_id = ?;

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

-- frame: The nearest frame of a node.
SELECT coalesce(frame, 0) FROM nodes WHERE seq = ?;

-- is_ancestor: Whether a node stands on the way from another one to the root.
WITH RECURSIVE up (seq) AS (
    SELECT :origin
    UNION
    SELECT n.parent FROM up CROSS JOIN nodes n ON n.seq = up.seq WHERE n.parent >= :seq
)
SELECT 1 FROM up WHERE seq = :seq;

-- reached: The nodes that the live sessions of a family hold, by their leaves and their origins.
WITH RECURSIVE up (seq) AS (
    SELECT leaf_seq FROM sessions WHERE family = :family AND deleted_at IS NULL
    UNION
    SELECT origin FROM sessions WHERE family = :family AND deleted_at IS NULL
    UNION
    SELECT n.parent FROM up CROSS JOIN nodes n ON n.seq = up.seq
)
SELECT seq FROM up WHERE seq IS NOT NULL;

-- own_places: Where the live nodes of a session stand, in order.
SELECT node_id, seq, parent FROM nodes WHERE sid = ? AND NOT tombstoned ORDER BY seq;

-- tombstone: Mark a node deleted.
UPDATE nodes SET tombstoned = 1 WHERE seq = ?;

-- remove_tombstoned: Remove what is marked deleted.
DELETE FROM nodes WHERE tombstoned;

-- remove_snapshots: Remove state bodies that no live session stands on.
DELETE FROM snapshots WHERE digest NOT IN (
    SELECT tool_digest FROM sessions WHERE tool_digest IS NOT NULL
    UNION
    SELECT plugin_digest FROM sessions WHERE plugin_digest IS NOT NULL
);

-- mark_deleted: Leave of a session what refuses its id for ever.
UPDATE sessions
SET deleted_at = ?, leaf = NULL, leaf_seq = NULL, origin = NULL, tool_digest = NULL,
    tool_generation = NULL, plugin_digest = NULL, plugin_generation = NULL
WHERE sid = ?;

-- delete_config: Remove a session's configuration.
DELETE FROM configs WHERE sid = ?;

-- delete_receipts: Remove a session's receipts.
DELETE FROM receipts WHERE sid = ?;

-- delete_effects: Remove a session's journals.
DELETE FROM effects WHERE sid = ?;

-- delete_usage: Remove a session's ledger.
DELETE FROM usage WHERE sid = ?;

-- ownerless: The nodes of a family's deleted sessions.
SELECT n.seq FROM sessions s JOIN nodes n USING (sid)
WHERE s.family = ? AND s.deleted_at IS NOT NULL;

-- delete_node: Remove a node.
DELETE FROM nodes WHERE seq = ?;

-- delete_attachments: Remove the attachments of a family's deleted sessions that kept no node.
DELETE FROM attachments WHERE sid IN (
    SELECT s.sid FROM sessions s WHERE s.family = ? AND s.deleted_at IS NOT NULL
) AND NOT EXISTS (SELECT 1 FROM nodes n WHERE n.sid = attachments.sid);

-- check_heads: Each live session's leaf and states, with what is stored of them; a page.
SELECT
    s.session_id, s.leaf, l.seq, l.tombstoned, s.tool_digest, t.digest, s.plugin_digest, p.digest
FROM sessions s
LEFT JOIN nodes l ON l.seq = s.leaf_seq
LEFT JOIN snapshots t ON t.digest = s.tool_digest
LEFT JOIN snapshots p ON p.digest = s.plugin_digest
WHERE s.session_id > ? AND s.deleted_at IS NULL ORDER BY s.session_id LIMIT ?;

-- check_nodes: Each node and what is stored of its parent; a page.
SELECT n.seq, s.session_id, n.node_id, n.kind, n.body, n.parent, n.tombstoned, p.seq, p.tombstoned
FROM nodes n LEFT JOIN nodes p ON p.seq = n.parent LEFT JOIN sessions s ON s.sid = n.sid
WHERE n.seq > ? ORDER BY n.seq LIMIT ?;

-- check_journals: Turns with a journal whose session is unknown or deleted.
SELECT DISTINCT coalesce(s.session_id, '#' || e.sid), e.turn_id
FROM effects e LEFT JOIN sessions s USING (sid)
WHERE s.sid IS NULL OR s.deleted_at IS NOT NULL;

-- stats: How much the store holds.
SELECT
    (SELECT count(*) FROM sessions WHERE deleted_at IS NULL),
    (SELECT count(*) FROM nodes) - (SELECT count(*) FROM nodes WHERE tombstoned),
    (SELECT count(*) FROM effects),
    (SELECT count(*) FROM receipts),
    (SELECT page_count FROM pragma_page_count) * (SELECT page_size FROM pragma_page_size);
