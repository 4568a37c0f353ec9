-- Adaptive tagging: who is asked in which wave, how far each palette is, and what each wave cost.

CREATE TABLE wave_plans (
    plan_id        VARCHAR PRIMARY KEY,
    prompt_version VARCHAR NOT NULL,
    panel_id       VARCHAR NOT NULL,
    analyses       INTEGER NOT NULL,
    waves          INTEGER NOT NULL,
    basis          VARCHAR NOT NULL,
    made_at        TIMESTAMPTZ NOT NULL
);

CREATE TABLE wave_members (
    plan_id        VARCHAR NOT NULL,
    wave           INTEGER NOT NULL,
    provider       VARCHAR NOT NULL,
    model          VARCHAR NOT NULL,
    request_digest VARCHAR NOT NULL,
    analyses       INTEGER NOT NULL,
    PRIMARY KEY (plan_id, wave, provider, model)
);

CREATE TABLE tagging_waves (
    seed           VARCHAR NOT NULL,
    prompt_version VARCHAR NOT NULL,
    plan_id        VARCHAR NOT NULL,
    wave           INTEGER NOT NULL,
    providers      VARCHAR[] NOT NULL,
    chained        BOOLEAN NOT NULL,
    allow_unpriced BOOLEAN NOT NULL,
    cap_id         VARCHAR,
    state          VARCHAR NOT NULL,
    reason         VARCHAR,
    asked_at       TIMESTAMPTZ NOT NULL,
    wave_at        TIMESTAMPTZ NOT NULL,
    settled_at     TIMESTAMPTZ,
    PRIMARY KEY (seed, prompt_version)
);

-- The accounts with the wave of each request: the first whose analyses cover it, as far as its palette got. What was
-- sent before the palette was tagged adaptively, or beyond its waves, is 'full'.
CREATE VIEW cost_by_request_and_wave AS
WITH request_waves AS (
    SELECT r.batch_id, r.custom_id, min(m.wave) AS wave
    FROM batch_requests r JOIN batches b USING (batch_id)
    JOIN tagging_waves w ON w.seed = r.seed AND w.prompt_version = b.prompt_version AND w.asked_at <= b.intended_at
    JOIN wave_members m ON m.plan_id = w.plan_id AND m.wave <= w.wave AND m.provider = b.provider
        AND m.model = b.model AND m.analyses > r.analysis_index
    WHERE b.purpose = 'tagging' GROUP BY ALL
)
SELECT c.*, CASE WHEN c.purpose <> 'tagging' THEN c.purpose WHEN w.wave IS NULL THEN 'full'
                 ELSE 'wave ' || w.wave END AS wave
FROM cost_by_request c LEFT JOIN request_waves w USING (batch_id, custom_id);

CREATE VIEW cost_by_wave AS
SELECT prompt_version, wave, count(*) AS requests, count(*) FILTER (fate IN ('succeeded', 'repaired')) AS usable,
       sum(cost_usd) AS cost_usd
FROM cost_by_request_and_wave GROUP BY ALL;
