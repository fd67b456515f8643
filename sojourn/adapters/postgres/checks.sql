-- check_heads: Each live session's row, with what is stored of what it names; a page.
SELECT
    s.session_id, s.session_id, s.head_revision, s.turn_count, s.leaf, s.leaf_seq, l.node_id,
    l.tombstoned, lo.family, s.family,
    EXISTS (SELECT FROM sojourn.sessions f WHERE f.sid = s.family), s.origin, oo.family, c.body,
    s.tool_digest, t.digest, s.plugin_digest, p.digest
FROM sojourn.sessions s
LEFT JOIN sojourn.nodes l ON l.seq = s.leaf_seq
LEFT JOIN sojourn.sessions lo ON lo.sid = l.seq >> 32
LEFT JOIN sojourn.nodes o ON o.seq = s.origin AND NOT o.tombstoned
LEFT JOIN sojourn.sessions oo ON oo.sid = o.seq >> 32
LEFT JOIN sojourn.configs c ON c.sid = s.sid
LEFT JOIN sojourn.snapshots t ON t.digest = s.tool_digest
LEFT JOIN sojourn.snapshots p ON p.digest = s.plugin_digest
WHERE s.session_id > %s AND s.deleted_at IS NULL ORDER BY s.session_id LIMIT %s;

-- check_nodes: Each node, what is stored of its parent and its session, and whether it is vacuum's;
-- a page.
SELECT
    n.seq, coalesce(s.session_id, '#' || (n.seq >> 32)), n.node_id, n.kind, n.body, n.turn_id,
    n.tombstoned, n.parent, n.frame, o.seq, o.tombstoned, o.frame, os.family, s.family,
    s.deleted_at IS NOT NULL,
    EXISTS (SELECT FROM sojourn.nodes t WHERE t.node_id = n.node_id AND t.seq < n.seq), g.sid
FROM sojourn.nodes n
LEFT JOIN sojourn.nodes o ON o.seq = n.parent
LEFT JOIN sojourn.sessions os ON os.sid = o.seq >> 32
LEFT JOIN sojourn.sessions s ON s.sid = n.seq >> 32
LEFT JOIN sojourn.graves g ON g.sid = n.seq >> 32
WHERE n.seq > %s ORDER BY n.seq LIMIT %s;

-- is_held: Whether a live session of a family holds a node by where it was forked.
WITH RECURSIVE up (seq) AS (
    SELECT origin FROM sojourn.sessions
    WHERE family = %(family)s AND deleted_at IS NULL AND origin >= %(seq)s
    UNION
    SELECT n.parent FROM up JOIN sojourn.nodes n ON n.seq = up.seq
    WHERE n.parent >= %(seq)s AND n.parent < n.seq
)
SELECT FROM up WHERE seq = %(seq)s;

-- check_journals: Turns with a journal that is not vacuum's; a page.
SELECT
    e.sid, e.turn_id, coalesce(s.session_id, '#' || e.sid), e.turn_id,
    s.sid IS NOT NULL AND s.deleted_at IS NULL, bool_or(e.effect_key = 'input'),
    EXISTS (SELECT FROM sojourn.receipts r WHERE r.sid = e.sid AND r.operation_id = e.turn_id),
    min(e.position) < 1 OR coalesce(max(e.position) > s.last_position, false),
    count(*) FILTER (WHERE e.kind <> ALL (%s) OR e.status <> ALL (%s)),
    string_agg(e.facts, chr(10))
FROM sojourn.effects e
LEFT JOIN sojourn.sessions s ON s.sid = e.sid
LEFT JOIN sojourn.graves g ON g.sid = e.sid
WHERE (e.sid, e.turn_id) > (%s, %s) AND g.sid IS NULL
GROUP BY e.sid, e.turn_id, s.sid ORDER BY e.sid, e.turn_id LIMIT %s;

-- check_receipts: Receipts that are not vacuum's, and where their sessions stand; a page.
SELECT
    r.sid, r.operation_id, coalesce(s.session_id, '#' || r.sid), r.operation_id,
    s.sid IS NOT NULL AND s.deleted_at IS NULL, r.head_revision, r.leaf, r.result, s.head_revision,
    s.leaf
FROM sojourn.receipts r
LEFT JOIN sojourn.sessions s ON s.sid = r.sid
LEFT JOIN sojourn.graves g ON g.sid = r.sid
WHERE (r.sid, r.operation_id) > (%s, %s) AND g.sid IS NULL
ORDER BY r.sid, r.operation_id LIMIT %s;

-- check_ledgers: Each row of a ledger, and the least of its counts; a page.
SELECT
    u.sid, u.source, u.model, coalesce(s.session_id, '#' || u.sid), u.source, u.model,
    s.sid IS NOT NULL AND s.deleted_at IS NULL,
    least(
        u.input_tokens, u.output_tokens, u.cache_read_tokens, u.cache_write_tokens,
        u.reasoning_tokens
    )
FROM sojourn.usage u LEFT JOIN sojourn.sessions s ON s.sid = u.sid
WHERE (u.sid, u.source, u.model) > (%s, %s, %s) ORDER BY u.sid, u.source, u.model LIMIT %s;

-- check_snapshots: State bodies; a page.
SELECT digest, body FROM sojourn.snapshots WHERE digest > %s ORDER BY digest LIMIT %s;

-- check_users: Sessions that stand on some state bodies, as far as there are that many.
SELECT session_id, unnest(array[tool_digest, plugin_digest]) FROM sojourn.sessions
WHERE tool_digest = ANY (%s) OR plugin_digest = ANY (%s) ORDER BY session_id LIMIT %s;

-- check_attachments: Each attachment's row. A turn that has committed one has a receipt, unless it
-- was forgotten; as many receipts as commits are not forgotten, nor is one as new. A page.
WITH page AS (
    SELECT
        a.*, NOT EXISTS (
            SELECT FROM sojourn.receipts r WHERE r.sid = a.sid AND r.operation_id = a.turn_id
        ) AS is_bare
    FROM sojourn.attachments a
    WHERE (a.sid, a.attachment_id) > (%s, %s) ORDER BY a.sid, a.attachment_id LIMIT %s
), kept AS (
    SELECT r.sid, count(*) AS receipts, max(r.committed_at) AS newest
    FROM sojourn.receipts r WHERE r.sid IN (SELECT sid FROM page WHERE is_bare) GROUP BY r.sid
)
SELECT
    a.sid, a.attachment_id, coalesce(s.session_id, '#' || a.sid), a.attachment_id, a.turn_id,
    a.size_bytes, a.committed_at IS NOT NULL, s.sid IS NOT NULL,
    EXISTS (SELECT FROM sojourn.effects e WHERE e.sid = a.sid AND e.turn_id = a.turn_id),
    s.deleted_at IS NULL AND a.is_bare AND (
        coalesce(k.receipts, 0) = s.head_revision - (s.origin IS NOT NULL)::int
        OR a.committed_at > k.newest
    )
FROM page a LEFT JOIN sojourn.sessions s ON s.sid = a.sid LEFT JOIN kept k ON k.sid = a.sid
ORDER BY a.sid, a.attachment_id;
