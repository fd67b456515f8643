-- Rows get an age, from which upkeep tells what nobody can need: what was there counts from now.
CREATE TABLE effects_2 (
    sid           INTEGER NOT NULL REFERENCES sessions,
    turn_id       TEXT    NOT NULL,
    effect_key    TEXT    NOT NULL,
    position      INTEGER NOT NULL,
    kind          TEXT    NOT NULL,
    status        TEXT    NOT NULL,
    attempt_id    TEXT    NOT NULL,
    head_revision INTEGER NOT NULL,
    recorded_at   INTEGER NOT NULL,
    facts         TEXT    NOT NULL,
    payload       BLOB    NOT NULL,
    PRIMARY KEY (sid, turn_id, effect_key)
) WITHOUT ROWID;
INSERT INTO effects_2
SELECT
    e.sid, e.turn_id, e.effect_key, e.position, e.kind, e.status, e.attempt_id,
    coalesce(s.head_revision, 0), :now, e.facts, e.payload
FROM effects e LEFT JOIN sessions s USING (sid);
DROP TABLE effects;
ALTER TABLE effects_2 RENAME TO effects;

CREATE TABLE receipts_2 (
    sid           INTEGER NOT NULL REFERENCES sessions,
    operation_id  TEXT    NOT NULL,
    content_hash  TEXT    NOT NULL,
    head_revision INTEGER NOT NULL,
    leaf          TEXT,
    result        TEXT    NOT NULL,
    committed_at  INTEGER NOT NULL,
    PRIMARY KEY (sid, operation_id)
) WITHOUT ROWID;
INSERT INTO receipts_2
SELECT sid, operation_id, content_hash, head_revision, leaf, result, :now FROM receipts;
DROP TABLE receipts;
ALTER TABLE receipts_2 RENAME TO receipts;

ALTER TABLE snapshots ADD COLUMN doomed INTEGER NOT NULL DEFAULT 0;

-- Whose attachments a fork sees. Version 1 forgot where a deleted fork was made, and had none.
CREATE TABLE forks (
    sid    INTEGER PRIMARY KEY REFERENCES sessions,
    source INTEGER NOT NULL REFERENCES sessions
);
INSERT INTO forks SELECT s.sid, n.sid FROM sessions s JOIN nodes n ON n.seq = s.origin;

-- Version 1 had the table and never wrote to it.
DROP TABLE attachments;
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

CREATE TABLE graves (
    sid    INTEGER PRIMARY KEY REFERENCES sessions,
    family INTEGER NOT NULL,
    closed INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX graves_by_family ON graves (family);

CREATE TABLE spent (
    seq INTEGER NOT NULL
);
INSERT INTO spent VALUES (0);
