-- What a held request is made of, so that its cost can be estimated again. What was held back before is tried once more.

DROP TABLE budget_holds;

-- Without a key: cap_id may be null.
CREATE TABLE budget_holds (
    purpose           VARCHAR NOT NULL,
    provider          VARCHAR NOT NULL,
    model             VARCHAR NOT NULL,
    prompt_version    VARCHAR NOT NULL,
    cap_id            VARCHAR,
    requests          INTEGER NOT NULL,
    prompt_digest     VARCHAR NOT NULL,
    text_bytes        INTEGER NOT NULL,
    pictures          INTEGER NOT NULL,
    max_output_tokens INTEGER NOT NULL,
    thinking_budget   INTEGER,
    effort            VARCHAR,
    request_usd       DECIMAL(18, 10),
    needed_usd        DECIMAL(18, 10),
    reason            VARCHAR NOT NULL,
    held_at           TIMESTAMPTZ NOT NULL
);

-- Every wording that was ever asked, also of drafts that were edited since and of versions whose answers are all shared.
CREATE TABLE prompt_texts (
    purpose        VARCHAR NOT NULL,
    digest         VARCHAR NOT NULL,
    prompt_version VARCHAR NOT NULL,
    text           VARCHAR NOT NULL,
    message        VARCHAR NOT NULL,
    recorded_at    TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (purpose, digest)
);

INSERT INTO prompt_texts BY NAME SELECT * FROM prompt_versions ORDER BY recorded_at ON CONFLICT DO NOTHING;
