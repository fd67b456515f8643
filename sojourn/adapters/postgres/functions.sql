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
    new_plugin_digest text, new_plugin_generation bigint, plugin_body bytea,
    sources text[], models text[], tokens bigint[], attachment_ids text[], of_result text, is_turn boolean, with_release boolean
) RETURNS bigint LANGUAGE plpgsql
SET lock_timeout = '5s' SET enable_seqscan = off AS $$
DECLARE
    my_sid bigint;
    base bigint;
    trunk bigint;
    trunk_frame bigint;
    at timestamptz;
BEGIN
    IF new_tool_digest IS NOT NULL AND NOT sojourn.has_snapshot(new_tool_digest, tool_body)
        OR new_plugin_digest IS NOT NULL
        AND NOT sojourn.has_snapshot(new_plugin_digest, plugin_body) THEN
        RETURN NULL;
    END IF;

    -- The head moves first: its row is locked then. What it was is read from `old`, which is not
    -- older than the row itself: every commit counts the revision up.
    UPDATE sojourn.sessions s
    SET head_revision = on_revision + 1,
        leaf = new_leaf,
        leaf_seq = CASE WHEN leaf_place < 0 THEN greatest(s.last_seq, s.sid << 32) - leaf_place
            WHEN leaf_place = 0 THEN s.leaf_seq ELSE leaf_place END,
        last_seq = CASE WHEN cardinality(node_ids) > 0
            THEN greatest(s.last_seq, s.sid << 32) + cardinality(node_ids) ELSE s.last_seq END,
        turn_count = s.turn_count + is_turn::int,
        tool_digest = coalesce(new_tool_digest, s.tool_digest),
        tool_generation = coalesce(new_tool_generation, s.tool_generation),
        plugin_digest = coalesce(new_plugin_digest, s.plugin_digest),
        plugin_generation = coalesce(new_plugin_generation, s.plugin_generation),
        released = s.released OR with_release
    FROM sojourn.sessions old LEFT JOIN sojourn.nodes n ON n.seq = old.leaf_seq AND NOT n.tombstoned
    WHERE s.session_id = of_session_id AND s.fencing_token = with_token
        AND s.owner_id IS NOT NULL AND s.head_revision = on_revision AND s.deleted_at IS NULL
        AND (hangs_on IS NULL OR s.leaf = hangs_on AND n.seq IS NOT NULL)
        AND old.sid = s.sid AND old.head_revision = on_revision
    RETURNING s.sid, greatest(old.last_seq, old.sid << 32), old.leaf_seq, n.frame
    INTO my_sid, base, trunk, trunk_frame;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;

    -- An id that is taken, of a node or of the operation, fails all of it here.
    at := coalesce(given_now, clock_timestamp());
    INSERT INTO sojourn.nodes (seq, parent, frame, created_at, kind, node_id, turn_id, body)
    SELECT
        base + n.number,
        CASE WHEN n.parent < 0 THEN base - n.parent WHEN n.parent = 0 THEN trunk
            ELSE n.parent END,
        CASE WHEN n.frame < 0 THEN base - n.frame WHEN n.frame = 0 THEN trunk_frame
            ELSE n.frame END,
        at, n.kind, n.node_id, of_operation_id, n.body
    FROM unnest(node_ids, parents, frames, kinds, bodies)
        WITH ORDINALITY AS n (node_id, parent, frame, kind, body, number);
    INSERT INTO sojourn.receipts (
        sid, operation_id, content_hash, head_revision, leaf, result, committed_at
    ) VALUES (
        my_sid, of_operation_id, of_content_hash, on_revision + 1, new_leaf, of_result, at
    );
    IF tool_body IS NOT NULL OR plugin_body IS NOT NULL THEN
        INSERT INTO sojourn.snapshots (digest, body)
        SELECT n.digest, n.body
        FROM (
            VALUES (new_tool_digest, tool_body), (new_plugin_digest, plugin_body)
        ) n (digest, body)
        WHERE n.body IS NOT NULL
        ON CONFLICT (digest) DO NOTHING;
    END IF;
    IF new_config IS NOT NULL THEN
        UPDATE sojourn.configs SET body = new_config WHERE sid = my_sid;
    END IF;
    IF cardinality(sources) > 0 THEN
        INSERT INTO sojourn.usage AS u
        SELECT
            my_sid, n.source, n.model, tokens[5 * n.number - 4], tokens[5 * n.number - 3],
            tokens[5 * n.number - 2], tokens[5 * n.number - 1], tokens[5 * n.number]
        FROM unnest(sources, models) WITH ORDINALITY AS n (source, model, number)
        ON CONFLICT (sid, source, model) DO UPDATE
        SET input_tokens = u.input_tokens + excluded.input_tokens,
            output_tokens = u.output_tokens + excluded.output_tokens,
            cache_read_tokens = u.cache_read_tokens + excluded.cache_read_tokens,
            cache_write_tokens = u.cache_write_tokens + excluded.cache_write_tokens,
            reasoning_tokens = u.reasoning_tokens + excluded.reasoning_tokens;
    END IF;
    IF cardinality(attachment_ids) > 0 THEN
        UPDATE sojourn.attachments a SET turn_id = of_operation_id, committed_at = at
        WHERE a.sid = my_sid AND a.attachment_id = ANY(attachment_ids);
    END IF;
    IF is_turn THEN
        IF EXISTS (
            SELECT FROM sojourn.attachments a
            WHERE a.sid = my_sid AND a.turn_id = of_operation_id AND a.committed_at IS NULL
        ) THEN
            UPDATE sojourn.attachments a SET committed_at = at
            WHERE a.sid = my_sid AND a.turn_id = of_operation_id AND a.committed_at IS NULL;
        END IF;
    END IF;
    DELETE FROM sojourn.effects e WHERE e.sid = my_sid AND e.turn_id = of_operation_id;
    RETURN on_revision + 1;
END $$;

-- Lock the rows of sessions for a group of commits, without waiting for any: who waits while it
-- has locked others makes a circle with whoever does the same.
CREATE OR REPLACE FUNCTION sojourn.lock_sessions(session_ids text[]) RETURNS void LANGUAGE plpgsql
SET enable_seqscan = off AS $$
DECLARE
    locked bigint;
BEGIN
    SELECT count(*) INTO locked FROM (
        SELECT FROM sojourn.sessions WHERE session_id = ANY(session_ids)
        FOR NO KEY UPDATE SKIP LOCKED
    ) free;
    IF locked < cardinality(session_ids) THEN
        RAISE lock_not_available;
    END IF;
END $$;
