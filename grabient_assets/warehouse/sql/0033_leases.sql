-- What machines that share a database have to know of each other. In a DuckDB file, which one machine has to itself,
-- both stay empty: there the locks are locks on files, and the calls stand in a journal beside the file.

CREATE TABLE leases (
    name   VARCHAR PRIMARY KEY,
    owner  VARCHAR NOT NULL,
    until  TIMESTAMPTZ NOT NULL
);

CREATE TABLE direct_calls (
    batch_id     VARCHAR NOT NULL,
    custom_id    VARCHAR NOT NULL,
    began_at     TIMESTAMPTZ NOT NULL,
    answered_at  TIMESTAMPTZ,
    line         VARCHAR,
    PRIMARY KEY (batch_id, custom_id)
);
