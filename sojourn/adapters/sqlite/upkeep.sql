-- anchors: Where the live sessions of a family stand, and where they were forked.
SELECT leaf_seq, origin FROM sessions WHERE family = ? AND deleted_at IS NULL;

-- up: The way from a node to the root; a cycle or a gap ends it early.
WITH RECURSIVE up (seq) AS (
    SELECT ?
    UNION ALL
    SELECT n.parent FROM up CROSS JOIN nodes n ON n.seq = up.seq
    WHERE n.parent < up.seq AND NOT n.tombstoned
)
SELECT seq FROM up;

-- is_root: Whether a node is a live root: a way that ends elsewhere is cut.
SELECT 1 FROM nodes WHERE seq = ? AND parent IS NULL AND NOT tombstoned;

-- last_seq: The newest node there is.
SELECT coalesce(max(seq), 0) FROM nodes;

-- own_places: Where the live nodes of a session stand from one on, in order.
SELECT node_id, seq, parent FROM nodes
WHERE sid = ? AND seq >= ? AND NOT tombstoned ORDER BY seq;

-- own_ages: As `own_places`, from one backwards, with when they were committed; a page.
SELECT seq, parent, created_at FROM nodes
WHERE sid = ? AND seq < ? AND NOT tombstoned ORDER BY seq DESC LIMIT ?;

-- own_parents: What the nodes of a session that came after one hang on.
SELECT parent FROM nodes WHERE sid = ? AND seq > ? AND NOT tombstoned;

-- tombstone: Mark a node deleted.
UPDATE nodes SET tombstoned = 1 WHERE seq = ? AND NOT tombstoned;

-- mark_deleted: Leave of a session what refuses its id for ever.
UPDATE sessions
SET deleted_at = ?, leaf = NULL, leaf_seq = NULL, origin = NULL, tool_digest = NULL,
    tool_generation = NULL, plugin_digest = NULL, plugin_generation = NULL
WHERE sid = ?;

-- delete_config: Remove a session's configuration.
DELETE FROM configs WHERE sid = ?;

-- delete_usage: Remove a session's ledger.
DELETE FROM usage WHERE sid = ?;

-- dig_grave: Note that vacuum has something to remove of a deleted session.
INSERT INTO graves (sid, family) VALUES (?, ?);

-- old_journals: Turns whose journals were given up, as far as there are some.
SELECT e.sid, e.turn_id
FROM effects e JOIN sessions s USING (sid)
WHERE s.deleted_at IS NULL
GROUP BY e.sid, e.turn_id
HAVING
    max(e.recorded_at) < :before
    AND s.head_revision > max(e.head_revision) FILTER (WHERE e.effect_key = 'input')
    AND NOT coalesce(s.executor_id = e.turn_id AND NOT s.released AND s.expires_at > :now, 0)
LIMIT :limit;

-- is_given_up: Whether a journal is still one of `old_journals`.
SELECT 1
FROM effects e JOIN sessions s USING (sid)
WHERE e.sid = :sid AND e.turn_id = :turn_id
GROUP BY e.sid, e.turn_id
HAVING
    max(e.recorded_at) < :before
    AND s.head_revision > max(e.head_revision) FILTER (WHERE e.effect_key = 'input')
    AND NOT coalesce(s.executor_id = e.turn_id AND NOT s.released AND s.expires_at > :now, 0);

-- receipt_ages: Receipts after one, and whether each is old and not its session's newest; a page.
SELECT r.sid, r.operation_id, r.committed_at < ? AND r.head_revision < s.head_revision
FROM receipts r CROSS JOIN sessions s USING (sid)
WHERE (r.sid, r.operation_id) > (?, ?) ORDER BY r.sid, r.operation_id LIMIT ?;

-- forget_receipt: Remove a receipt.
DELETE FROM receipts WHERE sid = ? AND operation_id = ?;

-- grave_family: A family with graves, and whether any session of it lives.
SELECT g.family, EXISTS (
    SELECT 1 FROM sessions s WHERE s.family = g.family AND s.deleted_at IS NULL
)
FROM graves g ORDER BY g.family LIMIT 1;

-- graves: The deleted sessions of a family of which something may be left, and if that is marked.
SELECT sid, closed FROM graves WHERE family = ?;

-- buried_receipts: Receipts of a family's deleted sessions.
SELECT r.sid, r.operation_id FROM graves g CROSS JOIN receipts r USING (sid)
WHERE g.family = ? LIMIT ?;

-- buried_journals: Turns of a family's deleted sessions that have a journal.
SELECT DISTINCT e.sid, e.turn_id FROM graves g CROSS JOIN effects e USING (sid)
WHERE g.family = ? LIMIT ?;

-- alive: The live sessions of a family.
SELECT sid FROM sessions WHERE family = ? AND deleted_at IS NULL;

-- newest_session: The newest session there is, deleted or not.
SELECT max(sid) FROM sessions;

-- ownerless: Nodes of a family's deleted sessions before one, but not of some (a JSON list) that
-- were alive; children before parents, a page.
SELECT n.sid, n.seq
FROM sessions s CROSS JOIN nodes n USING (sid)
WHERE s.family = :family AND s.deleted_at IS NOT NULL AND s.sid <= :sid
    AND (s.sid < :sid OR n.seq < :seq) AND s.sid NOT IN (SELECT value FROM json_each(:alive))
ORDER BY s.sid DESC, n.seq DESC LIMIT :limit;

-- family_nodes: Nodes of a family, children before parents, and the sizes of their bodies.
SELECT n.seq, length(n.body)
FROM sessions s CROSS JOIN nodes n USING (sid)
WHERE s.family = ? ORDER BY s.sid DESC, n.seq DESC LIMIT ?;

-- tombstoned: Nodes that are marked deleted, children before parents, and their bodies' sizes.
SELECT seq, length(body) FROM nodes WHERE tombstoned ORDER BY seq DESC LIMIT ?;

-- delete_node: Remove a node.
DELETE FROM nodes WHERE seq = ?;

-- spend: Give no seq again up to the highest that was removed.
UPDATE spent SET seq = max(seq, ?);

-- close_grave: Note that what is left of a deleted session is held, or tombstoned.
UPDATE graves SET closed = 1 WHERE sid = ?;

-- level_grave: Note that vacuum has nothing to remove of a deleted session any more.
DELETE FROM graves WHERE sid = ?;

-- unused_snapshots: State bodies that no session stands on, and their sizes.
SELECT digest, length(body) FROM snapshots WHERE digest NOT IN (
    SELECT tool_digest FROM sessions WHERE tool_digest IS NOT NULL
    UNION ALL
    SELECT plugin_digest FROM sessions WHERE plugin_digest IS NOT NULL
)
LIMIT ?;

-- used_snapshots: Those of some state bodies (a JSON list) that sessions stand on.
SELECT tool_digest FROM sessions WHERE tool_digest IN (SELECT value FROM json_each(:digests))
UNION
SELECT plugin_digest FROM sessions WHERE plugin_digest IN (SELECT value FROM json_each(:digests));

-- doom_snapshot: Mark a state body that no session stands on, in the place of another's mark.
UPDATE snapshots SET doomed = ? WHERE digest = ?;

-- delete_snapshot: Remove a state body with a mark, unless a commit has needed it since.
DELETE FROM snapshots WHERE doomed = ? AND digest = ?;

-- pages: How many pages the file has, how many of them are free, their size, and the mode.
SELECT page_count, freelist_count, page_size, auto_vacuum
FROM pragma_page_count, pragma_freelist_count, pragma_page_size, pragma_auto_vacuum;
