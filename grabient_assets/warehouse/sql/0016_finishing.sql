-- What one request is made of, by model and prompt version, so that the ledger knows what a palette costs to its end
-- before the last of its requests is written.
CREATE TABLE request_sizes (
    purpose           VARCHAR NOT NULL,
    provider          VARCHAR NOT NULL,
    model             VARCHAR NOT NULL,
    prompt_version    VARCHAR NOT NULL,
    prompt_digest     VARCHAR NOT NULL,
    text_bytes        INTEGER NOT NULL,
    pictures          INTEGER NOT NULL,
    max_output_tokens INTEGER NOT NULL,
    thinking_budget   INTEGER,
    effort            VARCHAR,
    follows           VARCHAR[] NOT NULL,
    PRIMARY KEY (purpose, provider, model, prompt_version)
);

-- Which part of the palettes in a wave is expected to go on to the next one.
CREATE TABLE wave_shares (
    prompt_version VARCHAR NOT NULL,
    wave           INTEGER NOT NULL,
    share          DOUBLE NOT NULL,
    PRIMARY KEY (prompt_version, wave)
);

-- What was held back says no more what its requests are made of: request_sizes does. It is tried once more.
DROP TABLE budget_holds;

-- Without a key: cap_id may be null.
CREATE TABLE budget_holds (
    purpose        VARCHAR NOT NULL,
    provider       VARCHAR NOT NULL,
    model          VARCHAR NOT NULL,
    prompt_version VARCHAR NOT NULL,
    cap_id         VARCHAR,
    requests       INTEGER NOT NULL,
    request_usd    DECIMAL(18, 10),
    needed_usd     DECIMAL(18, 10),
    reason         VARCHAR NOT NULL,
    held_at        TIMESTAMPTZ NOT NULL
);
