-- Images by their content, and the chorus: several artists answer one prompt, one brush paints what they wrote.

CREATE TABLE images (
    image_id   VARCHAR PRIMARY KEY,
    object_key VARCHAR NOT NULL,
    media_type VARCHAR NOT NULL,
    bytes      BIGINT NOT NULL,
    width      INTEGER NOT NULL,
    height     INTEGER NOT NULL,
    made_by    VARCHAR NOT NULL,
    subject    VARCHAR NOT NULL,
    batch_id   VARCHAR,
    custom_id  VARCHAR,
    created_at TIMESTAMPTZ NOT NULL,
    removed_at TIMESTAMPTZ
);

CREATE TABLE chorus_groups (
    group_id       VARCHAR PRIMARY KEY,
    prompt_version VARCHAR NOT NULL,
    prompt_digest  VARCHAR NOT NULL,
    seed           VARCHAR,
    muse           JSON,
    brush_provider VARCHAR NOT NULL,
    brush          VARCHAR NOT NULL,
    size           VARCHAR NOT NULL,
    quality        VARCHAR,
    iterations     INTEGER NOT NULL,
    artists        JSON NOT NULL,
    delivery       VARCHAR NOT NULL,
    cap_id         VARCHAR,
    estimated_usd  DECIMAL(18, 10),
    made_at        TIMESTAMPTZ NOT NULL,
    cancelled_at   TIMESTAMPTZ
);

CREATE TABLE artist_statements (
    run_id         VARCHAR PRIMARY KEY,
    group_id       VARCHAR NOT NULL,
    prompt_version VARCHAR NOT NULL,
    provider       VARCHAR NOT NULL,
    model          VARCHAR NOT NULL,
    iteration      INTEGER NOT NULL,
    custom_id      VARCHAR NOT NULL,
    fate           VARCHAR NOT NULL,
    error          VARCHAR,
    statement      VARCHAR,
    image_prompt   VARCHAR,
    words          INTEGER,
    form           VARCHAR,
    notes          VARCHAR[],
    answer_text    VARCHAR,
    input_tokens   INTEGER,
    output_tokens  INTEGER,
    cost_usd       DECIMAL(18, 10),
    seconds        DOUBLE,
    batch_id       VARCHAR,
    created_at     TIMESTAMPTZ NOT NULL
);

-- `recipe` is the size and quality that the brush was asked for, which is the prompt version of these asks.
CREATE TABLE artworks (
    run_id        VARCHAR PRIMARY KEY,
    group_id      VARCHAR NOT NULL,
    recipe        VARCHAR NOT NULL,
    provider      VARCHAR NOT NULL,
    model         VARCHAR NOT NULL,
    custom_id     VARCHAR NOT NULL,
    fate          VARCHAR NOT NULL,
    error         VARCHAR,
    refused_at    VARCHAR,
    refused_for   VARCHAR[],
    image_id      VARCHAR,
    input_tokens  INTEGER,
    output_tokens INTEGER,
    cost_usd      DECIMAL(18, 10),
    seconds       DOUBLE,
    batch_id      VARCHAR,
    created_at    TIMESTAMPTZ NOT NULL
);

CREATE TABLE artwork_signals (
    run_id VARCHAR NOT NULL,
    metric VARCHAR NOT NULL,
    value  DOUBLE NOT NULL,
    method VARCHAR NOT NULL,
    PRIMARY KEY (run_id, metric)
);

CREATE TABLE artist_fingerprints (
    prompt_version VARCHAR NOT NULL,
    brush          VARCHAR NOT NULL,
    provider       VARCHAR NOT NULL,
    model          VARCHAR NOT NULL,
    metric         VARCHAR NOT NULL,
    n              INTEGER NOT NULL,
    mean           DOUBLE NOT NULL,
    sd             DOUBLE,
    low            DOUBLE,
    high           DOUBLE,
    PRIMARY KEY (prompt_version, brush, provider, model, metric)
);

CREATE TABLE artist_pairs (
    prompt_version VARCHAR NOT NULL,
    brush          VARCHAR NOT NULL,
    metric         VARCHAR NOT NULL,
    left_model     VARCHAR NOT NULL,
    right_model    VARCHAR NOT NULL,
    n_left         INTEGER NOT NULL,
    n_right        INTEGER NOT NULL,
    difference     DOUBLE NOT NULL,
    effect         DOUBLE,
    p              DOUBLE,
    p_adjusted     DOUBLE,
    needed         INTEGER,
    enough         BOOLEAN NOT NULL,
    PRIMARY KEY (prompt_version, brush, metric, left_model, right_model)
);

CREATE TABLE comparison_votes (
    vote_id   VARCHAR PRIMARY KEY,
    group_id  VARCHAR NOT NULL,
    left_run  VARCHAR NOT NULL,
    right_run VARCHAR NOT NULL,
    choice    VARCHAR NOT NULL,
    blind     BOOLEAN NOT NULL,
    rater     VARCHAR NOT NULL,
    voted_at  TIMESTAMPTZ NOT NULL
);

CREATE TABLE artist_ratings (
    prompt_version VARCHAR NOT NULL,
    brush          VARCHAR NOT NULL,
    provider       VARCHAR NOT NULL,
    model          VARCHAR NOT NULL,
    votes          INTEGER NOT NULL,
    rating         DOUBLE NOT NULL,
    low            DOUBLE,
    high           DOUBLE,
    rated_at       TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (prompt_version, brush, provider, model)
);

CREATE VIEW chorus_runs AS
WITH planned AS (
    SELECT g.group_id || '-' || replace(lower(a.artist.model), '/', '-') || '-' || printf('%02d', i.iteration) AS run_id,
           g.group_id, a.artist.model AS artist, a.artist.provider AS provider, g.brush, g.brush_provider, i.iteration,
           g.prompt_version, g.made_at, g.cancelled_at
    FROM chorus_groups g,
         LATERAL (SELECT unnest(from_json(g.artists, '[{"provider": "VARCHAR", "model": "VARCHAR"}]')) AS artist) a,
         LATERAL (SELECT unnest(range(g.iterations))::INTEGER AS iteration) i
),
requests AS (
    SELECT r.*, b.purpose, b.provider, b.model, b.status, b.reserved_usd, b.request_count
    FROM batches b JOIN batch_requests r USING (batch_id) WHERE b.purpose IN ('statement', 'artwork')
),
per_run AS (
    SELECT coalesce(p.run_id, r.subject) AS run_id, r.purpose,
           bool_or(r.fate IS NULL AND r.status IN ('intended', 'submitted')) AS under_way,
           sum(r.cost_usd) AS cost_usd,
           coalesce(sum(r.reserved_usd / r.request_count) FILTER (r.cost_basis = 'unknown'), 0) AS possible_usd
    FROM requests r LEFT JOIN planned p ON r.purpose = 'statement' AND p.group_id = r.subject AND p.artist = r.model
        AND p.provider = r.provider AND p.iteration = r.analysis_index
    GROUP BY ALL
),
asked AS (
    SELECT p.run_id, a.purpose, a.state, a.reason, a.retry_from FROM planned p
    JOIN asks a ON a.purpose = 'statement' AND a.subject = p.group_id AND a.provider = p.provider AND a.model = p.artist
    UNION ALL
    SELECT subject, purpose, state, reason, retry_from FROM asks WHERE purpose = 'artwork'
),
stages AS (
    SELECT p.*, s.error IS NULL AND s.run_id IS NOT NULL AS written, s.statement, s.image_prompt, w.image_id,
           w.error IS NULL AND w.run_id IS NOT NULL AS painted, s.seconds AS artist_seconds, w.seconds AS brush_seconds,
           s.created_at AS statement_at, w.created_at AS artwork_at, s.fate AS artist_fate, w.fate AS brush_fate,
           s.error AS artist_error, w.error AS brush_error
    FROM planned p LEFT JOIN artist_statements s USING (run_id) LEFT JOIN artworks w USING (run_id)
),
current AS (
    SELECT t.*, CASE WHEN t.written THEN 'brush' ELSE 'artist' END AS stage,
           CASE WHEN t.written THEN t.brush_error ELSE t.artist_error END AS stage_error,
           CASE WHEN t.written THEN t.brush_fate ELSE t.artist_fate END AS stage_fate,
           CASE WHEN t.written THEN t.artwork_at ELSE t.statement_at END AS stage_at,
           coalesce(m.cost_usd, 0) + coalesce(n.cost_usd, 0) AS cost_usd, m.cost_usd AS artist_usd,
           n.cost_usd AS brush_usd, coalesce(m.possible_usd, 0) + coalesce(n.possible_usd, 0) AS possible_usd,
           CASE WHEN t.written THEN n.under_way ELSE m.under_way END AS under_way
    FROM stages t LEFT JOIN per_run m ON m.run_id = t.run_id AND m.purpose = 'statement'
    LEFT JOIN per_run n ON n.run_id = t.run_id AND n.purpose = 'artwork'
)
SELECT c.run_id, c.group_id, c.artist, c.provider, c.brush, c.iteration, c.prompt_version,
       CASE WHEN c.painted THEN 'done'
            WHEN c.under_way THEN 'generating'
            WHEN c.stage_error IS NOT NULL AND (a.state IS DISTINCT FROM 'open' OR a.retry_from IS NULL
                OR c.stage_at >= a.retry_from) THEN if(c.stage_fate = 'cancelled', 'cancelled', 'failed')
            WHEN c.cancelled_at IS NOT NULL THEN 'cancelled'
            WHEN a.state = 'stopped' OR (c.written AND a.run_id IS NULL) THEN 'failed'
            ELSE 'queued' END AS status,
       c.stage,
       CASE WHEN c.painted OR c.under_way THEN NULL
            WHEN c.stage_error IS NOT NULL THEN c.stage_error
            WHEN a.state = 'stopped' THEN a.reason
            WHEN c.written AND a.run_id IS NULL AND c.cancelled_at IS NULL
                THEN 'Its artwork was never asked for; `grabient chorus retry` asks, or says why not.' END AS error,
       c.statement, c.image_prompt, c.image_id, c.cost_usd::DECIMAL(18, 10) AS cost_usd,
       c.artist_usd::DECIMAL(18, 10) AS artist_usd, c.brush_usd::DECIMAL(18, 10) AS brush_usd,
       c.possible_usd::DECIMAL(18, 10) AS possible_usd, c.artist_seconds + coalesce(c.brush_seconds, 0) AS seconds,
       c.made_at AS created_at
FROM current c LEFT JOIN asked a ON a.run_id = c.run_id
    AND a.purpose = CASE WHEN c.written THEN 'artwork' ELSE 'statement' END;
