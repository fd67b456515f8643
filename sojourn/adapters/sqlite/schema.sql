-- A session: its head and its lease. The row outlives deletion, so that ids are used once.
CREATE TABLE sessions (
    sid               INTEGER PRIMARY KEY,
    session_id        TEXT    NOT NULL UNIQUE,
    family            INTEGER NOT NULL,  -- the sid that its forks and its origins share
    origin            INTEGER,           -- the node it was forked at: held as long as it lives
    created_at        INTEGER NOT NULL,
    deleted_at        INTEGER,
    head_revision     INTEGER NOT NULL DEFAULT 0,
    leaf              TEXT,
    leaf_seq          INTEGER,
    turn_count        INTEGER NOT NULL DEFAULT 0,
    tool_digest       TEXT,
    tool_generation   INTEGER,
    plugin_digest     TEXT,
    plugin_generation INTEGER,
    last_position     INTEGER NOT NULL DEFAULT 0,
    fencing_token     INTEGER NOT NULL DEFAULT 0,
    owner_id          TEXT,
    incarnation_id    TEXT,
    executor_id       TEXT,
    claimed_at        INTEGER,
    expires_at        INTEGER,
    released          INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX sessions_by_family ON sessions (family);

-- Of each fork the session that owns the node it was made at, for as long as ids are refused.
CREATE TABLE forks (
    sid    INTEGER PRIMARY KEY REFERENCES sessions,
    source INTEGER NOT NULL REFERENCES sessions
);

-- A session's configuration, apart from the row that every commit rewrites.
CREATE TABLE configs (
    sid  INTEGER PRIMARY KEY REFERENCES sessions,
    body TEXT    NOT NULL
);

-- The graphs of all sessions in append order: a parent's seq is below its child's.
CREATE TABLE nodes (
    seq        INTEGER PRIMARY KEY,
    sid        INTEGER NOT NULL REFERENCES sessions,
    parent     INTEGER,
    frame      INTEGER,                  -- the nearest frame node on the way to the root, or itself
    tombstoned INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    kind       TEXT    NOT NULL,
    node_id    TEXT    NOT NULL UNIQUE,
    turn_id    TEXT    NOT NULL,
    body       BLOB    NOT NULL
);
CREATE INDEX nodes_by_session ON nodes (sid);
CREATE INDEX nodes_tombstoned ON nodes (seq) WHERE tombstoned;

-- State bodies by content address, shared by all sessions.
CREATE TABLE snapshots (
    digest TEXT    PRIMARY KEY,
    body   BLOB    NOT NULL,
    doomed INTEGER NOT NULL DEFAULT 0  -- by which vacuum, until a commit stands on it again
);

-- The first outcome of every operation.
CREATE TABLE receipts (
    sid           INTEGER NOT NULL REFERENCES sessions,
    operation_id  TEXT    NOT NULL,
    content_hash  TEXT    NOT NULL,
    head_revision INTEGER NOT NULL,
    leaf          TEXT,
    result        TEXT    NOT NULL,
    committed_at  INTEGER NOT NULL,
    PRIMARY KEY (sid, operation_id)
) WITHOUT ROWID;

-- The journals of open turns.
CREATE TABLE effects (
    sid           INTEGER NOT NULL REFERENCES sessions,
    turn_id       TEXT    NOT NULL,
    effect_key    TEXT    NOT NULL,
    position      INTEGER NOT NULL,
    kind          TEXT    NOT NULL,
    status        TEXT    NOT NULL,
    attempt_id    TEXT    NOT NULL,
    head_revision INTEGER NOT NULL,  -- of the session when the row was written
    recorded_at   INTEGER NOT NULL,
    facts         TEXT    NOT NULL,
    payload       BLOB    NOT NULL,
    PRIMARY KEY (sid, turn_id, effect_key)
) WITHOUT ROWID;

-- Tokens by source and model, summed.
CREATE TABLE usage (
    sid                INTEGER NOT NULL REFERENCES sessions,
    source             TEXT    NOT NULL,
    model              TEXT    NOT NULL,
    input_tokens       INTEGER NOT NULL,
    output_tokens      INTEGER NOT NULL,
    cache_read_tokens  INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL,
    reasoning_tokens   INTEGER NOT NULL,
    PRIMARY KEY (sid, source, model)
) WITHOUT ROWID;

-- Attachments: the intent comes before the bytes, the mark with the turn's commit.
CREATE TABLE attachments (
    sid           INTEGER NOT NULL REFERENCES sessions,
    attachment_id TEXT    NOT NULL,
    blob_key      TEXT    NOT NULL,
    media_type    TEXT    NOT NULL,
    size_bytes    INTEGER NOT NULL,
    turn_id       TEXT    NOT NULL,
    intent_at     INTEGER NOT NULL,
    committed_at  INTEGER,
    PRIMARY KEY (sid, attachment_id)
) WITHOUT ROWID;
CREATE INDEX attachments_by_digest ON attachments (attachment_id);
CREATE INDEX attachments_by_key ON attachments (blob_key);
CREATE INDEX attachments_pending ON attachments (sid, turn_id, intent_at)
WHERE committed_at IS NULL;

-- Deleted sessions, until vacuum has removed what nobody holds of them.
CREATE TABLE graves (
    sid    INTEGER PRIMARY KEY REFERENCES sessions,
    family INTEGER NOT NULL,
    closed INTEGER NOT NULL DEFAULT 0  -- what no live session holds of it is tombstoned
);
CREATE INDEX graves_by_family ON graves (family);

-- The highest seq that vacuum has removed: none is given twice.
CREATE TABLE spent (
    seq INTEGER NOT NULL
);
INSERT INTO spent VALUES (0);
