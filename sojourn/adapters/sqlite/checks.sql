-- check_file: What SQLite finds wrong with the file, as far as there is that much.
PRAGMA integrity_check(100);

-- check_keys: Rows beside the sessions that belong to none, as far as there are that many.
SELECT "table", rowid FROM pragma_foreign_key_check
WHERE "table" IN ('configs', 'forks', 'graves') LIMIT 100;

-- check_heads: Each live session's row, with what is stored of what it names; a page.
SELECT
    s.session_id, s.session_id, s.head_revision, s.turn_count, s.leaf, s.leaf_seq, l.node_id, l.tombstoned,
    lo.family, s.family, EXISTS (SELECT 1 FROM sessions f WHERE f.sid = s.family), s.origin,
    oo.family, c.body, s.tool_digest, t.digest, s.plugin_digest, p.digest
FROM sessions s
LEFT JOIN nodes l ON l.seq = s.leaf_seq LEFT JOIN sessions lo ON lo.sid = l.sid
LEFT JOIN nodes o ON o.seq = s.origin AND NOT o.tombstoned LEFT JOIN sessions oo ON oo.sid = o.sid
LEFT JOIN configs c ON c.sid = s.sid
LEFT JOIN snapshots t ON t.digest = s.tool_digest
LEFT JOIN snapshots p ON p.digest = s.plugin_digest
WHERE s.session_id > ? AND s.deleted_at IS NULL ORDER BY s.session_id LIMIT ?;

-- check_forks: Live forks of which it is not known rightly whose node they were made at; a page.
SELECT s.session_id, s.session_id
FROM sessions s JOIN nodes o ON o.seq = s.origin LEFT JOIN forks f ON f.sid = s.sid
WHERE s.session_id > ? AND s.deleted_at IS NULL AND f.source IS NOT o.sid
ORDER BY s.session_id LIMIT ?;

-- check_nodes: Each node, what is stored of its parent and its session, and whether it is vacuum's;
-- a page.
SELECT
    n.seq, coalesce(s.session_id, '#' || n.sid), n.node_id, n.kind, n.body, n.turn_id, n.tombstoned,
    n.parent, n.frame, p.seq, p.tombstoned, p.frame, ps.family, s.family,
    s.deleted_at IS NOT NULL,
    EXISTS (SELECT 1 FROM nodes t WHERE t.node_id = n.node_id AND t.seq < n.seq),
    g.sid
FROM nodes n
LEFT JOIN nodes p ON p.seq = n.parent LEFT JOIN sessions ps ON ps.sid = p.sid
LEFT JOIN sessions s ON s.sid = n.sid
LEFT JOIN graves g ON g.sid = n.sid
WHERE n.seq > ? ORDER BY n.seq LIMIT ?;

-- is_held: Whether a live session of a family holds a node by where it was forked.
WITH RECURSIVE up (seq) AS (
    SELECT origin FROM sessions WHERE family = :family AND deleted_at IS NULL AND origin >= :seq
    UNION
    SELECT n.parent FROM up CROSS JOIN nodes n ON n.seq = up.seq
    WHERE n.parent >= :seq AND n.parent < n.seq
)
SELECT 1 FROM up WHERE seq = :seq;

-- check_journals: Turns with a journal that is not vacuum's; kinds and statuses are JSON lists; a
-- page.
SELECT
    e.sid, e.turn_id, coalesce(s.session_id, '#' || e.sid), e.turn_id,
    s.sid IS NOT NULL AND s.deleted_at IS NULL, max(e.effect_key = 'input'),
    EXISTS (SELECT 1 FROM receipts r WHERE r.sid = e.sid AND r.operation_id = e.turn_id),
    min(e.position) < 1 OR coalesce(max(e.position) > s.last_position, 0),
    sum(
        e.kind NOT IN (SELECT value FROM json_each(?))
        OR e.status NOT IN (SELECT value FROM json_each(?))
    ),
    group_concat(e.facts, char(10))
FROM effects e LEFT JOIN sessions s ON s.sid = e.sid LEFT JOIN graves g ON g.sid = e.sid
WHERE (e.sid, e.turn_id) > (?, ?) AND g.sid IS NULL
GROUP BY e.sid, e.turn_id ORDER BY e.sid, e.turn_id LIMIT ?;

-- check_receipts: Receipts that are not vacuum's, and where their sessions stand; a page.
SELECT
    r.sid, r.operation_id, coalesce(s.session_id, '#' || r.sid), r.operation_id,
    s.sid IS NOT NULL AND s.deleted_at IS NULL, r.head_revision, r.leaf, r.result, s.head_revision,
    s.leaf
FROM receipts r LEFT JOIN sessions s ON s.sid = r.sid LEFT JOIN graves g ON g.sid = r.sid
WHERE (r.sid, r.operation_id) > (?, ?) AND g.sid IS NULL
ORDER BY r.sid, r.operation_id LIMIT ?;

-- check_ledgers: Each row of a ledger, and the least of its counts; a page.
SELECT
    u.sid, u.source, u.model, coalesce(s.session_id, '#' || u.sid), u.source, u.model,
    s.sid IS NOT NULL AND s.deleted_at IS NULL,
    min(
        u.input_tokens, u.output_tokens, u.cache_read_tokens, u.cache_write_tokens,
        u.reasoning_tokens
    )
FROM usage u LEFT JOIN sessions s ON s.sid = u.sid
WHERE (u.sid, u.source, u.model) > (?, ?, ?) ORDER BY u.sid, u.source, u.model LIMIT ?;

-- check_snapshots: State bodies; a page.
SELECT digest, CAST(body AS BLOB) FROM snapshots WHERE digest > ? ORDER BY digest LIMIT ?;

-- check_users: Sessions that stand on a state body, as far as there are that many.
SELECT session_id FROM sessions WHERE ? IN (tool_digest, plugin_digest) ORDER BY session_id LIMIT ?;

-- check_attachments: Each attachment's row. A turn that has committed one has a receipt, unless it
-- was forgotten; as many receipts as commits are not forgotten, nor is one as new. A page.
WITH page AS (
    SELECT
        a.*, NOT EXISTS (
            SELECT 1 FROM receipts r WHERE r.sid = a.sid AND r.operation_id = a.turn_id
        ) AS is_bare
    FROM attachments a
    WHERE (a.sid, a.attachment_id) > (?, ?) ORDER BY a.sid, a.attachment_id LIMIT ?
), kept AS (
    SELECT r.sid, count(*) AS receipts, max(r.committed_at) AS newest
    FROM receipts r WHERE r.sid IN (SELECT sid FROM page WHERE is_bare) GROUP BY r.sid
)
SELECT
    a.sid, a.attachment_id, coalesce(s.session_id, '#' || a.sid), a.attachment_id, a.turn_id,
    a.size_bytes, a.committed_at IS NOT NULL, s.sid IS NOT NULL,
    EXISTS (SELECT 1 FROM effects e WHERE e.sid = a.sid AND e.turn_id = a.turn_id),
    s.deleted_at IS NULL AND a.is_bare AND (
        coalesce(k.receipts, 0) = s.head_revision - (s.origin IS NOT NULL)
        OR a.committed_at > k.newest
    )
FROM page a LEFT JOIN sessions s ON s.sid = a.sid LEFT JOIN kept k ON k.sid = a.sid
ORDER BY a.sid, a.attachment_id;
