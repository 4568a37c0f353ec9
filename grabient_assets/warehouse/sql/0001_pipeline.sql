-- Every column is described in docs/data.md.

CREATE TABLE schema_migrations (
    number     INTEGER PRIMARY KEY,
    name       VARCHAR NOT NULL,
    applied_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE palettes (
    seed         VARCHAR PRIMARY KEY,
    source_seed  VARCHAR NOT NULL,
    palette_key  VARCHAR NOT NULL,
    name         VARCHAR,
    style        VARCHAR NOT NULL,
    steps        INTEGER NOT NULL,
    angle        DOUBLE NOT NULL,
    coeffs       DOUBLE[3][4] NOT NULL,
    globals      DOUBLE[4] NOT NULL,
    hex          VARCHAR[11] NOT NULL,
    rgb          INTEGER[3][11] NOT NULL,
    hsl          INTEGER[3][11] NOT NULL,
    lch          INTEGER[3][11] NOT NULL,
    color_names  VARCHAR[] NOT NULL,
    harmonies    VARCHAR[] NOT NULL,
    temperature  VARCHAR NOT NULL,
    contrast     VARCHAR NOT NULL,
    brightness   VARCHAR NOT NULL,
    saturation   VARCHAR NOT NULL,
    clear_cut    VARCHAR[] NOT NULL,
    created_at   TIMESTAMPTZ NOT NULL
);

CREATE TABLE rejected_palettes (
    source       VARCHAR NOT NULL,
    line         INTEGER NOT NULL,
    text         VARCHAR NOT NULL,
    reason       VARCHAR NOT NULL,
    rejected_at  TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (source, line)
);

CREATE TABLE palette_images (
    seed        VARCHAR PRIMARY KEY,
    object_key  VARCHAR NOT NULL,
    url         VARCHAR,
    sha256      VARCHAR NOT NULL,
    width       INTEGER NOT NULL,
    height      INTEGER NOT NULL,
    bytes       INTEGER NOT NULL,
    svg_sha256  VARCHAR NOT NULL,
    store       VARCHAR NOT NULL,
    created_at  TIMESTAMPTZ NOT NULL
);

CREATE TABLE prompt_versions (
    prompt_version VARCHAR NOT NULL,
    purpose        VARCHAR NOT NULL,
    digest         VARCHAR NOT NULL,
    text           VARCHAR NOT NULL,
    message        VARCHAR NOT NULL,
    recorded_at    TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (prompt_version, purpose)
);

-- What is wanted: one row says "ask this model about this palette under this prompt version".
CREATE TABLE asks (
    purpose        VARCHAR NOT NULL,
    seed           VARCHAR NOT NULL,
    prompt_version VARCHAR NOT NULL,
    provider       VARCHAR NOT NULL,
    model          VARCHAR NOT NULL,
    request_digest VARCHAR NOT NULL,
    analyses       INTEGER NOT NULL,
    chained        BOOLEAN NOT NULL,
    state          VARCHAR NOT NULL,
    reason         VARCHAR,
    asked_at       TIMESTAMPTZ NOT NULL,
    retry_from     TIMESTAMPTZ,
    closed_at      TIMESTAMPTZ,
    PRIMARY KEY (purpose, seed, prompt_version, provider, model)
);

CREATE TABLE batches (
    batch_id          VARCHAR PRIMARY KEY,
    purpose           VARCHAR NOT NULL,
    provider          VARCHAR NOT NULL,
    model             VARCHAR NOT NULL,
    prompt_version    VARCHAR NOT NULL,
    prompt_digest     VARCHAR NOT NULL,
    provider_batch_id VARCHAR,
    input_file_id     VARCHAR,
    status            VARCHAR NOT NULL,
    outcome           VARCHAR,
    raw_status        VARCHAR,
    request_count     INTEGER NOT NULL,
    succeeded         INTEGER NOT NULL,
    failed            INTEGER NOT NULL,
    bodies_sha256     VARCHAR NOT NULL,
    account           VARCHAR NOT NULL,
    retry_at          TIMESTAMPTZ,
    intended_at       TIMESTAMPTZ NOT NULL,
    submitted_at      TIMESTAMPTZ,
    polled_at         TIMESTAMPTZ,
    ended_at          TIMESTAMPTZ,
    collected_at      TIMESTAMPTZ,
    collect_attempts  INTEGER NOT NULL,
    cost_usd          DECIMAL(18, 10),
    requests_key      VARCHAR,
    results_key       VARCHAR,
    submit_run_id     VARCHAR,
    collect_run_id    VARCHAR,
    error             VARCHAR
);

CREATE TABLE batch_requests (
    batch_id       VARCHAR NOT NULL,
    custom_id      VARCHAR NOT NULL,
    seed           VARCHAR NOT NULL,
    analysis_index INTEGER NOT NULL,
    fate           VARCHAR,
    error          VARCHAR,
    input_tokens   INTEGER,
    output_tokens  INTEGER,
    cost_usd       DECIMAL(18, 10),
    PRIMARY KEY (batch_id, custom_id)
);

CREATE TABLE palette_tags (
    seed            VARCHAR NOT NULL,
    prompt_version  VARCHAR NOT NULL,
    provider        VARCHAR NOT NULL,
    model           VARCHAR NOT NULL,
    analysis_index  INTEGER NOT NULL,
    custom_id       VARCHAR NOT NULL,
    temperature     VARCHAR,
    contrast        VARCHAR,
    brightness      VARCHAR,
    saturation      VARCHAR,
    mood            VARCHAR[],
    style           VARCHAR[],
    dominant_colors VARCHAR[],
    harmony         VARCHAR[],
    seasonal        VARCHAR[],
    associations    VARCHAR[],
    fate            VARCHAR NOT NULL,
    error           VARCHAR,
    notes           VARCHAR[],
    answer_text     VARCHAR,
    input_tokens    INTEGER,
    output_tokens   INTEGER,
    cost_usd        DECIMAL(18, 10),
    batch_id        VARCHAR,
    created_at      TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (seed, prompt_version, provider, model, analysis_index)
);

CREATE TABLE tag_consensus (
    seed           VARCHAR NOT NULL,
    prompt_version VARCHAR NOT NULL,
    models         INTEGER NOT NULL,
    answers        INTEGER NOT NULL,
    temperature    VARCHAR,
    contrast       VARCHAR,
    brightness     VARCHAR,
    saturation     VARCHAR,
    votes          JSON NOT NULL,
    facts          JSON NOT NULL,
    digest         VARCHAR NOT NULL,
    created_at     TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (seed, prompt_version)
);

CREATE TABLE palette_tag_refined (
    seed                  VARCHAR NOT NULL,
    prompt_version        VARCHAR NOT NULL,
    source_prompt_version VARCHAR NOT NULL,
    model                 VARCHAR NOT NULL,
    custom_id             VARCHAR NOT NULL,
    temperature           VARCHAR,
    contrast              VARCHAR,
    brightness            VARCHAR,
    saturation            VARCHAR,
    mood                  VARCHAR[],
    style                 VARCHAR[],
    dominant_colors       VARCHAR[],
    seasonal              VARCHAR[],
    associations          VARCHAR[],
    embed_text            VARCHAR,
    embed_text_repaired   BOOLEAN,
    fate                  VARCHAR NOT NULL,
    error                 VARCHAR,
    notes                 VARCHAR[],
    answer_text           VARCHAR,
    consensus_digest      VARCHAR NOT NULL,
    input_tokens          INTEGER,
    output_tokens         INTEGER,
    cost_usd              DECIMAL(18, 10),
    batch_id              VARCHAR,
    created_at            TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (seed, prompt_version)
);
