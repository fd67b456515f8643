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
