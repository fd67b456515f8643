-- begin_read: Begin to read one state of the store; to compile such queries takes longer than to run
-- them.
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL jit = off;

-- begin_write: Begin to write; whoever waits for a lock gives up before the caller does.
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL lock_timeout = '5s';

-- begin_migration: Begin to change the schema, alone.
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
SET LOCAL lock_timeout = '60s';
SELECT pg_advisory_xact_lock(hashtext('sojourn'), hashtext('schema'));

-- server: What a database is, and whether it has a schema. The catalogue is read itself: what
-- `to_regclass` remembers may be older than a lock that was waited for.
SELECT
    current_setting('server_version_num')::int, current_setting('server_encoding'),
    EXISTS (
        SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'sojourn' AND c.relname = 'schema_version'
    );

-- version: Which schema a database has.
SELECT version FROM sojourn.schema_version;

-- save_version: Note which schema a database has from now on.
INSERT INTO sojourn.schema_version (version) VALUES (%(version)s)
ON CONFLICT (only_row) DO UPDATE SET version = excluded.version, changed_at = now();

-- backend: The number of the server's process that answers.
SELECT pg_backend_pid();

-- now: The server's time.
SELECT clock_timestamp();

-- session: The row of a session, deleted or not.
SELECT * FROM sojourn.sessions WHERE session_id = %(session_id)s;

-- locked_session: As `session`, kept from other writers until the transaction ends.
SELECT * FROM sojourn.sessions WHERE session_id = %(session_id)s FOR NO KEY UPDATE;

-- insert_session: Make the row of a new session, unless somebody was faster.
INSERT INTO sojourn.sessions (sid, session_id, family, created_at)
OVERRIDING SYSTEM VALUE
SELECT made.sid, %(session_id)s, made.sid, %(now)s
FROM (SELECT nextval('sojourn.sessions_sid_seq') AS sid) made
ON CONFLICT (session_id) DO NOTHING
RETURNING sid;

-- insert_config: Keep the configuration of a new session.
INSERT INTO sojourn.configs (sid, body) VALUES (%(sid)s, %(config)s);

-- head: A live session's row, its configuration, and its tokens in all.
SELECT * FROM sojourn.heads WHERE session_id = %(session_id)s;

-- heads: As `head`, one page in order of the sessions' ids.
SELECT * FROM sojourn.heads
WHERE session_id > %(after)s ORDER BY session_id LIMIT %(limit)s;

-- usage: A live session's ledger.
SELECT
    u.source, u.model, u.input_tokens, u.output_tokens, u.cache_read_tokens, u.cache_write_tokens,
    u.reasoning_tokens
FROM sojourn.sessions s JOIN sojourn.usage u USING (sid)
WHERE s.session_id = %(session_id)s AND s.deleted_at IS NULL
ORDER BY u.source COLLATE "C", u.model COLLATE "C";

-- save_lease: Replace a session's lease.
UPDATE sojourn.sessions
SET owner_id = %(owner_id)s, incarnation_id = %(incarnation_id)s, executor_id = %(executor_id)s,
    fencing_token = %(fencing_token)s, claimed_at = %(claimed_at)s, expires_at = %(expires_at)s,
    released = %(released)s
WHERE sid = %(sid)s;

-- renew: Move the expiry of a lease that is still held; no row if it is not.
SELECT * FROM sojourn.renew(%(session_id)s, %(token)s, %(ttl)s, %(now)s);

-- release: Give a lease back, unless it is stale.
SELECT sojourn.release(%(session_id)s, %(token)s);

-- try_open_turn: Begin a turn if nothing stands against it; no row if something does.
SELECT * FROM sojourn.try_open_turn(
    %(session_id)s, %(turn_id)s, %(owner_id)s, %(incarnation_id)s, %(executor_id)s, %(ttl)s,
    %(known_token)s, %(payload)s, %(facts)s, %(now)s
);

-- try_record: Write a row of a journal if nothing stands against it; NULL if something does.
SELECT sojourn.try_record(
    %(session_id)s, %(turn_id)s, %(effect_key)s, %(token)s, %(kind)s, %(status)s,
    %(attempt_id)s, %(facts)s, %(payload)s, %(now)s
);

-- save_effect: Write a row of a journal in the place of an older one of its key; its position.
SELECT sojourn.save_effect(
    %(sid)s, %(turn_id)s, %(effect_key)s, %(kind)s, %(status)s, %(attempt_id)s, %(facts)s,
    %(payload)s, %(now)s
);

-- journal: The rows of a turn's journal.
SELECT position, effect_key, kind, status, attempt_id, payload, facts
FROM sojourn.effects WHERE sid = %(sid)s AND turn_id = %(turn_id)s ORDER BY position;

-- effects: The rows of a journal of a live session after a position.
SELECT e.position, e.effect_key, e.kind, e.status, e.attempt_id, e.payload, e.facts
FROM sojourn.sessions s JOIN sojourn.effects e USING (sid)
WHERE s.session_id = %(session_id)s AND s.deleted_at IS NULL
    AND e.turn_id = %(turn_id)s AND e.position > %(after)s
ORDER BY e.position;

-- receipt: The stored outcome of an operation of a live session.
SELECT r.content_hash, r.head_revision, r.leaf, r.result
FROM sojourn.sessions s JOIN sojourn.receipts r USING (sid)
WHERE s.session_id = %(session_id)s AND s.deleted_at IS NULL
    AND r.operation_id = %(operation_id)s;

-- has_snapshot: Whether a state body is stored.
SELECT 1 FROM sojourn.snapshots WHERE digest = %(digest)s;

-- try_commit: Write a commit if nothing stands against it; NULL if something does.
SELECT sojourn.try_commit(
    %(session_id)s, %(operation_id)s, %(content_hash)s, %(token)s, %(revision)s, %(now)s,
    %(hangs_on)s, %(leaf)s, %(leaf_place)s, %(node_ids)s, %(parents)s, %(frames)s, %(kinds)s,
    %(bodies)s, %(config)s, %(tool_digest)s, %(tool_generation)s, %(tool_body)s,
    %(plugin_digest)s, %(plugin_generation)s, %(plugin_body)s, %(sources)s,
    %(models)s, %(tokens)s, %(attachment_ids)s, %(result)s, %(is_turn)s, %(release)s
);

-- lock_sessions: Lock the rows of some sessions without waiting; all of them, or it fails.
SELECT sojourn.lock_sessions(%(session_ids)s);
