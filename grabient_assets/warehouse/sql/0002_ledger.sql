-- Which kind of error a batch met last; and the time of the ledger, which never goes back.

ALTER TABLE batches ADD COLUMN error_kind VARCHAR;

CREATE TABLE ledger_clock (latest TIMESTAMPTZ NOT NULL);

INSERT INTO ledger_clock
SELECT greatest(
    TIMESTAMPTZ '1970-01-01 00:00:00+00',
    (SELECT max(asked_at) FROM asks), (SELECT max(retry_from) FROM asks),
    (SELECT max(intended_at) FROM batches), (SELECT max(collected_at) FROM batches),
    (SELECT max(created_at) FROM palette_tags), (SELECT max(created_at) FROM tag_consensus)
);
