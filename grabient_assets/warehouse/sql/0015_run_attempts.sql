-- How often sensors have asked for a run at the same work, and what is left alone after failures, until when and why.

CREATE TABLE run_attempts (
    work         VARCHAR PRIMARY KEY,
    role         VARCHAR NOT NULL,
    attempts     INTEGER NOT NULL,
    counted_from TIMESTAMPTZ,
    held_until   TIMESTAMPTZ,
    reason       VARCHAR
);
