-- Batches that a person closed without all of their results; and until when a provider asked not to be asked.

ALTER TABLE batches ADD COLUMN given_up_at TIMESTAMPTZ;

CREATE TABLE provider_pauses (
    provider VARCHAR PRIMARY KEY,
    until    TIMESTAMPTZ NOT NULL
);
