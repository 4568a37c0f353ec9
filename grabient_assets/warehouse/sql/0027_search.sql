-- The vectors of refined palettes, and the indexes in which vectors are searched. One version of an index is live.

CREATE TABLE palette_embeddings (
    seed           VARCHAR NOT NULL,
    prompt_version VARCHAR NOT NULL,
    embedder       VARCHAR NOT NULL,
    content_sha256 VARCHAR NOT NULL,
    error          VARCHAR,
    created_at     TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (seed, prompt_version, embedder)
);

CREATE TABLE indexes (
    index_name   VARCHAR PRIMARY KEY,
    live_version INTEGER
);

CREATE TABLE index_versions (
    index_name  VARCHAR NOT NULL,
    version     INTEGER NOT NULL,
    embedder    VARCHAR NOT NULL,
    dimensions  INTEGER NOT NULL,
    metric      VARCHAR NOT NULL,
    backend     VARCHAR NOT NULL,
    remote_name VARCHAR,
    state       VARCHAR NOT NULL,
    wanted      INTEGER NOT NULL,
    present     INTEGER NOT NULL,
    built_at    TIMESTAMPTZ NOT NULL,
    live_at     TIMESTAMPTZ,
    error       VARCHAR,
    PRIMARY KEY (index_name, version)
);

CREATE TABLE index_entries (
    index_name     VARCHAR NOT NULL,
    version        INTEGER NOT NULL,
    vector_id      VARCHAR NOT NULL,
    subject        VARCHAR NOT NULL,
    namespace      VARCHAR,
    content_sha256 VARCHAR NOT NULL,
    metadata       JSON NOT NULL,
    state          VARCHAR NOT NULL,
    mutation_id    VARCHAR,
    PRIMARY KEY (index_name, version, vector_id)
);

CREATE TABLE index_mutations (
    seq         BIGINT PRIMARY KEY,
    index_name  VARCHAR NOT NULL,
    version     INTEGER NOT NULL,
    mutation_id VARCHAR NOT NULL,
    op          VARCHAR NOT NULL,
    vectors     INTEGER NOT NULL,
    sent_at     TIMESTAMPTZ NOT NULL,
    visible_at  TIMESTAMPTZ,
    error       VARCHAR
);

CREATE TABLE search_reports (
    index_name    VARCHAR NOT NULL,
    version       INTEGER NOT NULL,
    queries       INTEGER NOT NULL,
    ndcg_at_10    DOUBLE NOT NULL,
    recall_at_5   DOUBLE NOT NULL,
    mrr           DOUBLE NOT NULL,
    words_ndcg    DOUBLE NOT NULL,
    chance_ndcg   DOUBLE NOT NULL,
    by_kind       JSON NOT NULL,
    reported_at   TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (index_name, version)
);
