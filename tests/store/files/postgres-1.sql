-- All names are qualified: behind a pooler in transaction mode there is no search path to rely on.
CREATE SCHEMA IF NOT EXISTS sojourn;

-- One row: which schema this is.
CREATE TABLE sojourn.schema_version (
    only_row   boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
    version    integer     NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now()
);

-- A session: its head and its lease. The row outlives deletion, so that ids are used once.
CREATE TABLE sojourn.sessions (
    sid               bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY CHECK (sid < 1 << 30),
    session_id        text        COLLATE "C" NOT NULL UNIQUE,
    family            bigint      NOT NULL,  -- the sid that its forks and its origins share
    origin            bigint,                -- the node it was forked at: held as long as it lives
    created_at        timestamptz NOT NULL,
    deleted_at        timestamptz,
    head_revision     bigint      NOT NULL DEFAULT 0,
    leaf              text,
    leaf_seq          bigint,
    last_seq          bigint      NOT NULL DEFAULT 0,  -- of its newest node
    turn_count        bigint      NOT NULL DEFAULT 0,
    tool_digest       text,
    tool_generation   bigint,
    plugin_digest     text,
    plugin_generation bigint,
    last_position     bigint      NOT NULL DEFAULT 0,
    fencing_token     bigint      NOT NULL DEFAULT 0,
    owner_id          text,
    incarnation_id    text,
    executor_id       text,
    claimed_at        timestamptz,
    expires_at        timestamptz,
    released          boolean     NOT NULL DEFAULT false
) WITH (fillfactor = 70);
CREATE INDEX sessions_by_family ON sojourn.sessions (family);

-- A session's configuration, apart from the row that every commit rewrites.
CREATE TABLE sojourn.configs (
    sid  bigint PRIMARY KEY REFERENCES sojourn.sessions,
    body text   NOT NULL
);

-- The graphs of all sessions. `seq` is sid * 2^32 + a number that counts the session's nodes: it
-- needs no sequence, and a parent's is below its child's, in an older session too.
CREATE TABLE sojourn.nodes (
    seq        bigint      PRIMARY KEY,
    parent     bigint,
    frame      bigint,     -- the nearest frame node on the way to the root, or itself
    tombstoned boolean     NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL,
    kind       text        NOT NULL,
    node_id    text        NOT NULL UNIQUE,
    turn_id    text        NOT NULL,
    body       bytea       NOT NULL
);
CREATE INDEX nodes_tombstoned ON sojourn.nodes (seq) WHERE tombstoned;

-- State bodies by content address, shared by all sessions.
CREATE TABLE sojourn.snapshots (
    digest text  PRIMARY KEY,
    body   bytea NOT NULL
);

-- The first outcome of every operation.
CREATE TABLE sojourn.receipts (
    sid           bigint      NOT NULL REFERENCES sojourn.sessions,
    operation_id  text        NOT NULL,
    content_hash  text        NOT NULL,
    head_revision bigint      NOT NULL,
    leaf          text,
    result        text        NOT NULL,
    committed_at  timestamptz NOT NULL,
    PRIMARY KEY (sid, operation_id)
);
CREATE INDEX receipts_by_age ON sojourn.receipts USING brin (committed_at);

-- The journals of open turns.
CREATE TABLE sojourn.effects (
    sid           bigint      NOT NULL REFERENCES sojourn.sessions,
    turn_id       text        NOT NULL,
    effect_key    text        NOT NULL,
    position      bigint      NOT NULL,
    kind          text        NOT NULL,
    status        text        NOT NULL,
    attempt_id    text        NOT NULL,
    head_revision bigint      NOT NULL,  -- of the session when the row was first written
    recorded_at   timestamptz NOT NULL,
    facts         text        NOT NULL,
    payload       bytea       NOT NULL,
    PRIMARY KEY (sid, turn_id, effect_key)
);

-- Tokens by source and model, summed.
CREATE TABLE sojourn.usage (
    sid                bigint NOT NULL REFERENCES sojourn.sessions,
    source             text   NOT NULL,
    model              text   NOT NULL,
    input_tokens       bigint NOT NULL,
    output_tokens      bigint NOT NULL,
    cache_read_tokens  bigint NOT NULL,
    cache_write_tokens bigint NOT NULL,
    reasoning_tokens   bigint NOT NULL,
    PRIMARY KEY (sid, source, model)
) WITH (fillfactor = 70);

-- Attachments: the intent comes before the bytes, the mark with the turn's commit.
CREATE TABLE sojourn.attachments (
    sid           bigint      NOT NULL REFERENCES sojourn.sessions,
    attachment_id text        NOT NULL,
    blob_key      text        NOT NULL,
    media_type    text        NOT NULL,
    size_bytes    bigint      NOT NULL,
    turn_id       text        NOT NULL,
    intent_at     timestamptz NOT NULL,
    committed_at  timestamptz,
    PRIMARY KEY (sid, attachment_id)
);
CREATE INDEX attachments_by_digest ON sojourn.attachments (attachment_id);
CREATE INDEX attachments_by_key ON sojourn.attachments (blob_key);
CREATE INDEX attachments_of_turn ON sojourn.attachments (sid, turn_id) WHERE committed_at IS NULL;
CREATE INDEX attachments_pending ON sojourn.attachments (intent_at) WHERE committed_at IS NULL;

-- Deleted sessions, until vacuum has removed what nobody holds of them.
CREATE TABLE sojourn.graves (
    sid bigint PRIMARY KEY REFERENCES sojourn.sessions
);

-- What is written often is written by functions: one round trip each, and their plans are kept by
-- the server, so that no client prepares anything. A function whose name begins with `try_` does
-- the common case alone: it writes all, or else nothing and says so, and the rules are asked why.
-- A plan that is made while a table is small is kept while it grows: it never scans a whole one.
--
-- A session's row is locked before anything of it is read: what is read next is not older.

-- The sums of a session's ledger.
CREATE OR REPLACE FUNCTION sojourn.spent(of_sid bigint) RETURNS TABLE (
    input_tokens bigint, output_tokens bigint, cache_read_tokens bigint, cache_write_tokens bigint,
    reasoning_tokens bigint
) LANGUAGE sql STABLE AS $$
    SELECT
        coalesce(sum(input_tokens), 0)::bigint, coalesce(sum(output_tokens), 0)::bigint,
        coalesce(sum(cache_read_tokens), 0)::bigint, coalesce(sum(cache_write_tokens), 0)::bigint,
        coalesce(sum(reasoning_tokens), 0)::bigint
    FROM sojourn.usage WHERE sid = of_sid
$$;

-- Live sessions with their configurations and the sums of their ledgers. New columns come last.
CREATE OR REPLACE VIEW sojourn.heads AS
SELECT
    s.sid, s.session_id, s.family, s.origin, s.created_at, s.deleted_at, s.head_revision, s.leaf,
    s.leaf_seq, s.last_seq, s.turn_count, s.tool_digest, s.tool_generation, s.plugin_digest,
    s.plugin_generation, s.last_position, s.fencing_token, s.owner_id, s.incarnation_id,
    s.executor_id, s.claimed_at, s.expires_at, s.released,
    c.body, u.input_tokens, u.output_tokens, u.cache_read_tokens, u.cache_write_tokens,
    u.reasoning_tokens
FROM sojourn.sessions s JOIN sojourn.configs c USING (sid), LATERAL sojourn.spent(s.sid) u
WHERE s.deleted_at IS NULL;

-- Move the expiry of a lease that is still held.
CREATE OR REPLACE FUNCTION sojourn.renew(
    of_session_id text, with_token bigint, ttl interval, given_now timestamptz
) RETURNS SETOF sojourn.sessions LANGUAGE plpgsql
SET lock_timeout = '5s' SET enable_seqscan = off AS $$
BEGIN
    RETURN QUERY
    UPDATE sojourn.sessions
    SET expires_at = greatest(expires_at, coalesce(given_now, clock_timestamp()) + ttl)
    WHERE session_id = of_session_id AND fencing_token = with_token AND owner_id IS NOT NULL
        AND NOT released AND deleted_at IS NULL
    RETURNING *;
END $$;

-- Give a lease back; a stale one changes nothing.
CREATE OR REPLACE FUNCTION sojourn.release(of_session_id text, with_token bigint)
RETURNS void LANGUAGE plpgsql
SET lock_timeout = '5s' SET enable_seqscan = off AS $$
BEGIN
    UPDATE sojourn.sessions SET released = true
    WHERE session_id = of_session_id AND fencing_token = with_token AND owner_id IS NOT NULL
        AND NOT released AND deleted_at IS NULL;
END $$;

-- Write a row of a journal, in the place of an older one of its key; return its position. The
-- session's row is locked already.
CREATE OR REPLACE FUNCTION sojourn.save_effect(
    of_sid bigint, of_turn_id text, of_effect_key text, of_kind text, of_status text,
    of_attempt_id text, of_facts text, of_payload bytea, given_now timestamptz
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    s sojourn.sessions;
BEGIN
    UPDATE sojourn.sessions SET last_position = last_position + 1 WHERE sid = of_sid
    RETURNING * INTO s;
    INSERT INTO sojourn.effects (
        sid, turn_id, effect_key, position, kind, status, attempt_id, head_revision, recorded_at,
        facts, payload
    ) VALUES (
        of_sid, of_turn_id, of_effect_key, s.last_position, of_kind, of_status, of_attempt_id,
        s.head_revision, coalesce(given_now, clock_timestamp()), of_facts, of_payload
    )
    ON CONFLICT (sid, turn_id, effect_key) DO UPDATE
    SET position = excluded.position, kind = excluded.kind, status = excluded.status,
        attempt_id = excluded.attempt_id, recorded_at = excluded.recorded_at,
        facts = excluded.facts, payload = excluded.payload;
    RETURN s.last_position;
END $$;

-- Begin a turn: of a session that is there, with a lease that is free or that the same owner's
-- earlier executor holds, and without a receipt or a journal of the turn.
CREATE OR REPLACE FUNCTION sojourn.try_open_turn(
    of_session_id text, of_turn_id text, by_owner_id text, by_incarnation_id text,
    by_executor_id text, ttl interval, known_token bigint, of_payload bytea, of_facts text,
    given_now timestamptz
) RETURNS SETOF sojourn.heads LANGUAGE plpgsql
SET lock_timeout = '5s' SET enable_seqscan = off AS $$
DECLARE
    s sojourn.sessions;
    is_ours boolean;
    at timestamptz;
BEGIN
    SELECT * INTO s FROM sojourn.sessions
    WHERE session_id = of_session_id AND deleted_at IS NULL FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    is_ours := s.owner_id IS NOT DISTINCT FROM by_owner_id
        AND s.incarnation_id IS NOT DISTINCT FROM by_incarnation_id;
    IF is_ours AND s.fencing_token > known_token
        OR NOT (s.owner_id IS NULL OR s.released OR is_ours AND s.executor_id <> by_executor_id)
        OR EXISTS (
            SELECT FROM sojourn.receipts r WHERE r.sid = s.sid AND r.operation_id = of_turn_id
        ) OR EXISTS (
            SELECT FROM sojourn.effects e WHERE e.sid = s.sid AND e.turn_id = of_turn_id
        ) THEN
        RETURN;
    END IF;

    at := coalesce(given_now, clock_timestamp());
    UPDATE sojourn.sessions
    SET owner_id = by_owner_id, incarnation_id = by_incarnation_id, executor_id = by_executor_id,
        fencing_token = s.fencing_token + 1, claimed_at = at, expires_at = at + ttl,
        released = false
    WHERE sid = s.sid;
    PERFORM sojourn.save_effect(
        s.sid, of_turn_id, 'input', 'input', 'done', by_executor_id, of_facts, of_payload, at
    );
    RETURN QUERY SELECT * FROM sojourn.heads h WHERE h.sid = s.sid;
END $$;

-- Write a row of an open turn's journal, new or in the place of one that was started; return its
-- position.
CREATE OR REPLACE FUNCTION sojourn.try_record(
    of_session_id text, of_turn_id text, of_effect_key text, with_token bigint, of_kind text,
    of_status text, of_attempt_id text, of_facts text, of_payload bytea, given_now timestamptz
) RETURNS bigint LANGUAGE plpgsql
SET lock_timeout = '5s' SET enable_seqscan = off AS $$
DECLARE
    s sojourn.sessions;
BEGIN
    SELECT * INTO s FROM sojourn.sessions
    WHERE session_id = of_session_id AND fencing_token = with_token AND owner_id IS NOT NULL
        AND deleted_at IS NULL
    FOR NO KEY UPDATE;
    IF NOT FOUND OR NOT EXISTS (
        SELECT FROM sojourn.effects e
        WHERE e.sid = s.sid AND e.turn_id = of_turn_id AND e.effect_key = 'input'
    ) OR EXISTS (
        SELECT FROM sojourn.effects e
        WHERE e.sid = s.sid AND e.turn_id = of_turn_id AND e.effect_key = of_effect_key
            AND (e.status <> 'started' OR of_status = 'started')
    ) THEN
        RETURN NULL;
    END IF;
    RETURN sojourn.save_effect(
        s.sid, of_turn_id, of_effect_key, of_kind, of_status, of_attempt_id, of_facts, of_payload,
        given_now
    );
END $$;

-- Tell whether a state's body is there or comes along. It is kept from being removed until the
-- transaction ends: whoever removes bodies takes the same lock, alone.
CREATE OR REPLACE FUNCTION sojourn.has_snapshot(of_digest text, of_body bytea)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF of_digest IS NULL THEN
        RETURN true;
    END IF;
    PERFORM pg_advisory_xact_lock_shared(hashtext('sojourn'), hashtext('snapshots'));
    RETURN of_body IS NOT NULL
        OR EXISTS (SELECT FROM sojourn.snapshots WHERE digest = of_digest);
END $$;

-- Write a commit, and return the head's new revision. Places are given as the seq of a stored
-- node, as 0 for the node that the session stands on (which must be `hangs_on`), or as -n for the
-- n-th new node; a frame's as 0 is the frame of the node that the session stands on.
CREATE OR REPLACE FUNCTION sojourn.try_commit(
    of_session_id text, of_operation_id text, of_content_hash text, with_token bigint,
    on_revision bigint, given_now timestamptz, hangs_on text, new_leaf text, leaf_place bigint,
    node_ids text[], parents bigint[], frames bigint[], kinds text[], bodies bytea[],
    new_config text, new_tool_digest text, new_tool_generation bigint, tool_body bytea,
    new_plugin_digest text, new_plugin_generation bigint, plugin_body bytea, spent json,
    attachment_ids text[], of_result text, is_turn boolean, with_release boolean
) RETURNS bigint LANGUAGE plpgsql
SET lock_timeout = '5s' SET enable_seqscan = off AS $$
DECLARE
    s sojourn.sessions;
    base bigint;
    leaf_frame bigint;
    at timestamptz;
BEGIN
    SELECT * INTO s FROM sojourn.sessions
    WHERE session_id = of_session_id AND fencing_token = with_token AND owner_id IS NOT NULL
        AND head_revision = on_revision AND deleted_at IS NULL
    FOR NO KEY UPDATE;
    IF NOT FOUND OR hangs_on IS NOT NULL AND s.leaf IS DISTINCT FROM hangs_on THEN
        RETURN NULL;
    END IF;
    IF hangs_on IS NOT NULL THEN
        SELECT frame INTO leaf_frame FROM sojourn.nodes WHERE seq = s.leaf_seq AND NOT tombstoned;
        IF NOT FOUND THEN
            RETURN NULL;
        END IF;
    END IF;
    IF EXISTS (SELECT FROM sojourn.nodes n WHERE n.node_id = ANY(node_ids))
        OR EXISTS (
            SELECT FROM sojourn.receipts r
            WHERE r.sid = s.sid AND r.operation_id = of_operation_id
        )
        OR NOT sojourn.has_snapshot(new_tool_digest, tool_body)
        OR NOT sojourn.has_snapshot(new_plugin_digest, plugin_body) THEN
        RETURN NULL;
    END IF;

    at := coalesce(given_now, clock_timestamp());
    base := greatest(s.last_seq, s.sid << 32);
    INSERT INTO sojourn.nodes (seq, parent, frame, created_at, kind, node_id, turn_id, body)
    SELECT
        base + n.number,
        CASE WHEN n.parent < 0 THEN base - n.parent WHEN n.parent = 0 THEN s.leaf_seq
            ELSE n.parent END,
        CASE WHEN n.frame < 0 THEN base - n.frame WHEN n.frame = 0 THEN leaf_frame
            ELSE n.frame END,
        at, n.kind, n.node_id, of_operation_id, n.body
    FROM unnest(node_ids, parents, frames, kinds, bodies)
        WITH ORDINALITY AS n (node_id, parent, frame, kind, body, number);
    UPDATE sojourn.sessions
    SET head_revision = s.head_revision + 1,
        leaf = new_leaf,
        leaf_seq = CASE WHEN leaf_place < 0 THEN base - leaf_place
            WHEN leaf_place = 0 THEN s.leaf_seq ELSE leaf_place END,
        last_seq = CASE WHEN cardinality(node_ids) > 0 THEN base + cardinality(node_ids)
            ELSE s.last_seq END,
        turn_count = s.turn_count + is_turn::int,
        tool_digest = coalesce(new_tool_digest, s.tool_digest),
        tool_generation = coalesce(new_tool_generation, s.tool_generation),
        plugin_digest = coalesce(new_plugin_digest, s.plugin_digest),
        plugin_generation = coalesce(new_plugin_generation, s.plugin_generation),
        released = s.released OR with_release
    WHERE sid = s.sid;
    INSERT INTO sojourn.snapshots (digest, body)
    SELECT n.digest, n.body
    FROM (VALUES (new_tool_digest, tool_body), (new_plugin_digest, plugin_body)) n (digest, body)
    WHERE n.body IS NOT NULL
    ON CONFLICT (digest) DO NOTHING;
    INSERT INTO sojourn.receipts (
        sid, operation_id, content_hash, head_revision, leaf, result, committed_at
    ) VALUES (
        s.sid, of_operation_id, of_content_hash, s.head_revision + 1, new_leaf, of_result, at
    );
    IF new_config IS NOT NULL THEN
        UPDATE sojourn.configs SET body = new_config WHERE sid = s.sid;
    END IF;
    IF spent IS NOT NULL THEN
        PERFORM sojourn.account(s.sid, spent);
    END IF;
    UPDATE sojourn.attachments a SET turn_id = of_operation_id, committed_at = at
    WHERE a.sid = s.sid AND a.attachment_id = ANY(attachment_ids);
    IF is_turn THEN
        UPDATE sojourn.attachments a SET committed_at = at
        WHERE a.sid = s.sid AND a.turn_id = of_operation_id AND a.committed_at IS NULL;
        DELETE FROM sojourn.effects e WHERE e.sid = s.sid AND e.turn_id = of_operation_id;
    END IF;
    RETURN s.head_revision + 1;
END $$;

-- Add tokens to a session's ledger.
CREATE OR REPLACE FUNCTION sojourn.account(of_sid bigint, spent json)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO sojourn.usage AS u
    SELECT
        of_sid, n.source, n.model, sum(n.input_tokens), sum(n.output_tokens),
        sum(n.cache_read_tokens), sum(n.cache_write_tokens), sum(n.reasoning_tokens)
    FROM json_to_recordset(spent) AS n (
        source text, model text, input_tokens bigint, output_tokens bigint,
        cache_read_tokens bigint, cache_write_tokens bigint, reasoning_tokens bigint
    )
    GROUP BY n.source, n.model
    ON CONFLICT (sid, source, model) DO UPDATE
    SET input_tokens = u.input_tokens + excluded.input_tokens,
        output_tokens = u.output_tokens + excluded.output_tokens,
        cache_read_tokens = u.cache_read_tokens + excluded.cache_read_tokens,
        cache_write_tokens = u.cache_write_tokens + excluded.cache_write_tokens,
        reasoning_tokens = u.reasoning_tokens + excluded.reasoning_tokens;
END $$;

INSERT INTO sojourn.schema_version (only_row, version, changed_at) VALUES ('true', '1', '2026-11-28 18:14:25.345231+00');
INSERT INTO sojourn.sessions (sid, session_id, family, origin, created_at, deleted_at, head_revision, leaf, leaf_seq, last_seq, turn_count, tool_digest, tool_generation, plugin_digest, plugin_generation, last_position, fencing_token, owner_id, incarnation_id, executor_id, claimed_at, expires_at, released) OVERRIDING SYSTEM VALUE VALUES ('1', 's', '1', NULL, '2026-01-01 00:00:00+00', NULL, '2', 'c', '4294967299', '4294967299', '2', 'fe2f3b4ef49492d81cb350fb689bf9f9', '1', NULL, NULL, '3', '3', 'temporal/default/session/s', 'run-1', 't3', '2026-01-01 00:00:00+00', '2026-01-01 00:00:30+00', 'false');
INSERT INTO sojourn.sessions (sid, session_id, family, origin, created_at, deleted_at, head_revision, leaf, leaf_seq, last_seq, turn_count, tool_digest, tool_generation, plugin_digest, plugin_generation, last_position, fencing_token, owner_id, incarnation_id, executor_id, claimed_at, expires_at, released) OVERRIDING SYSTEM VALUE VALUES ('2', 'f', '1', '4294967298', '2026-01-01 00:00:00+00', NULL, '1', 'b', '4294967298', '0', '0', 'fe2f3b4ef49492d81cb350fb689bf9f9', '1', NULL, NULL, '0', '0', NULL, NULL, NULL, NULL, NULL, 'false');
INSERT INTO sojourn.configs (sid, body) VALUES ('1', '{"agent":"clerk"}');
INSERT INTO sojourn.configs (sid, body) VALUES ('2', '{"agent":"clerk"}');
INSERT INTO sojourn.nodes (seq, parent, frame, tombstoned, created_at, kind, node_id, turn_id, body) VALUES ('4294967297', NULL, NULL, 'false', '2026-01-01 00:00:00+00', 'message', 'a', 't1', E'\\x7b2276223a312c22726f6c65223a2275736572222c227061727473223a5b7b2274797065223a2274657874222c22636f6e74656e74223a2268656c6c6f227d5d7d');
INSERT INTO sojourn.nodes (seq, parent, frame, tombstoned, created_at, kind, node_id, turn_id, body) VALUES ('4294967298', '4294967297', NULL, 'false', '2026-01-01 00:00:00+00', 'message', 'b', 't1', E'\\x7b2276223a312c22726f6c65223a2275736572222c227061727473223a5b7b2274797065223a2274657874222c22636f6e74656e74223a2268656c6c6f227d5d7d');
INSERT INTO sojourn.nodes (seq, parent, frame, tombstoned, created_at, kind, node_id, turn_id, body) VALUES ('4294967299', '4294967298', NULL, 'false', '2026-01-01 00:00:00+00', 'message', 'c', 't2', E'\\x7b2276223a312c22726f6c65223a2275736572222c227061727473223a5b7b2274797065223a2274657874222c22636f6e74656e74223a2268656c6c6f227d5d7d');
INSERT INTO sojourn.snapshots (digest, body) VALUES ('fe2f3b4ef49492d81cb350fb689bf9f9', E'\\x7b22746f6f6c73223a5b5d7d');
INSERT INTO sojourn.receipts (sid, operation_id, content_hash, head_revision, leaf, result, committed_at) VALUES ('1', 't1', 'c77c91c923a2b6ed7bc9e5eaed204cb4', '1', 'b', '{"status":"completed"}', '2026-01-01 00:00:00+00');
INSERT INTO sojourn.receipts (sid, operation_id, content_hash, head_revision, leaf, result, committed_at) VALUES ('1', 't2', '1398aad53cee8780f3c92c2a053c9e27', '2', 'c', '{"status":"completed"}', '2026-01-01 00:00:00+00');
INSERT INTO sojourn.effects (sid, turn_id, effect_key, position, kind, status, attempt_id, head_revision, recorded_at, facts, payload) VALUES ('1', 't3', 'input', '3', 'input', 'done', 't3', '2', '2026-01-01 00:00:00+00', '{"digest":"2cf24dba5fb0a30e26e83b2ac5b9e29e"}', E'\\x7b2276223a312c22726f6c65223a2275736572222c227061727473223a5b7b2274797065223a2274657874222c22636f6e74656e74223a2268656c6c6f227d5d7d');
INSERT INTO sojourn.usage (sid, source, model, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens) VALUES ('1', 'agent', 'scripted', '1', '0', '0', '0', '0');
SELECT setval('sojourn.sessions_sid_seq', 2);
