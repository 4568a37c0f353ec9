-- Texts and their vectors, each text once whoever wants it. What a request costs depends on how it is sent.

CREATE TABLE texts (
    content_sha256 VARCHAR PRIMARY KEY,
    text           VARCHAR NOT NULL,
    created_at     TIMESTAMPTZ NOT NULL
);

CREATE TABLE embeddings (
    content_sha256 VARCHAR NOT NULL,
    embedder       VARCHAR NOT NULL,
    task           VARCHAR NOT NULL,
    subject        VARCHAR NOT NULL,
    provider       VARCHAR NOT NULL,
    custom_id      VARCHAR NOT NULL,
    fate           VARCHAR NOT NULL,
    error          VARCHAR,
    dimensions     INTEGER,
    vector         FLOAT[],
    norm           DOUBLE,
    input_tokens   INTEGER,
    cost_usd       DECIMAL(18, 10),
    batch_id       VARCHAR,
    created_at     TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (subject, embedder, task)
);

ALTER TABLE request_sizes ADD COLUMN delivery VARCHAR DEFAULT 'batch';
