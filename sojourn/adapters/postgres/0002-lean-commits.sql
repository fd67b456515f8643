-- A session's row outlives its receipts, and whoever writes one has that row locked: to look it up
-- once more for each costs a commit a tenth of its time.
ALTER TABLE sojourn.receipts DROP CONSTRAINT receipts_sid_fkey;

-- Ids are compared as bytes, whatever language the database speaks.
ALTER TABLE sojourn.nodes ALTER COLUMN node_id TYPE text COLLATE "C";
ALTER TABLE sojourn.receipts ALTER COLUMN operation_id TYPE text COLLATE "C";
ALTER TABLE sojourn.usage
    ALTER COLUMN source TYPE text COLLATE "C", ALTER COLUMN model TYPE text COLLATE "C";
