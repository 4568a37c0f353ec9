-- What an ask is about is its subject: a seed until now, later also a text, an image or a part of a document. The
-- identity of its request stands with the ask, and everything joins on it. See asks in docs/data.md.

CREATE TABLE asks_new (
    purpose        VARCHAR NOT NULL,
    subject        VARCHAR NOT NULL,
    prompt_version VARCHAR NOT NULL,
    provider       VARCHAR NOT NULL,
    model          VARCHAR NOT NULL,
    delivery       VARCHAR NOT NULL DEFAULT 'batch',
    subject_key    VARCHAR NOT NULL,
    request_digest VARCHAR NOT NULL,
    rests_on       VARCHAR,
    basis          VARCHAR,
    stem           VARCHAR,
    analyses       INTEGER NOT NULL,
    chained        BOOLEAN NOT NULL,
    allow_unpriced BOOLEAN DEFAULT false,
    despite_checks BOOLEAN DEFAULT false,
    cap_id         VARCHAR,
    state          VARCHAR NOT NULL,
    reason         VARCHAR,
    asked_at       TIMESTAMPTZ NOT NULL,
    retry_from     TIMESTAMPTZ,
    closed_at      TIMESTAMPTZ,
    PRIMARY KEY (purpose, subject, prompt_version, provider, model)
);
INSERT INTO asks_new BY NAME
SELECT a.* EXCLUDE (seed), a.seed AS subject, coalesce(p.palette_key, a.seed) AS subject_key,
       CASE WHEN a.purpose = 'refinement' THEN 'tag_consensus' END AS rests_on,
       CASE WHEN a.purpose = 'refinement' THEN c.digest END AS basis,
       coalesce(p.palette_key, a.seed) || '-' || CASE WHEN a.purpose = 'refinement'
           THEN substr(sha256(a.request_digest || c.digest), 1, 20) ELSE a.request_digest END AS stem
FROM asks a LEFT JOIN palettes p USING (seed) LEFT JOIN tag_consensus c USING (seed, prompt_version)
ORDER BY a.rowid;
DROP TABLE asks;
ALTER TABLE asks_new RENAME TO asks;

ALTER TABLE batches ADD COLUMN delivery VARCHAR DEFAULT 'batch';
ALTER TABLE batches ADD COLUMN kind VARCHAR DEFAULT 'text';

ALTER TABLE batch_requests RENAME COLUMN seed TO subject;
ALTER TABLE batch_requests ADD COLUMN input_image_tokens INTEGER;
ALTER TABLE batch_requests ADD COLUMN output_image_tokens INTEGER;
ALTER TABLE batch_requests ADD COLUMN began_at TIMESTAMPTZ;
ALTER TABLE batch_requests ADD COLUMN answered_at TIMESTAMPTZ;

CREATE OR REPLACE VIEW cost_by_request AS
SELECT r.batch_id, r.custom_id, r.subject, r.analysis_index, b.purpose, b.delivery, b.provider, b.model,
       b.prompt_version, (b.intended_at AT TIME ZONE 'UTC')::DATE AS day, r.fate, r.input_tokens,
       r.cached_input_tokens, r.cache_write_tokens, r.input_image_tokens, r.output_tokens, r.reasoning_tokens,
       r.output_image_tokens, r.cost_usd, r.cost_basis, r.cache_saved_usd
FROM batch_requests r JOIN batches b USING (batch_id) WHERE b.status = 'collected';

-- Only purposes whose subject is a seed are about a palette.
CREATE OR REPLACE VIEW cost_by_palette AS
SELECT r.subject AS seed, b.prompt_version, b.purpose, count(*) AS requests,
       count(*) FILTER (r.fate IN ('succeeded', 'repaired')) AS usable, sum(r.input_tokens)::BIGINT AS input_tokens,
       sum(r.output_tokens)::BIGINT AS output_tokens, sum(r.cost_usd)::DECIMAL(18, 10) AS cost_usd
FROM batch_requests r JOIN batches b USING (batch_id) SEMI JOIN palettes p ON p.seed = r.subject
WHERE b.status = 'collected' GROUP BY ALL;

CREATE VIEW cost_by_purpose AS
SELECT b.purpose, b.delivery, count(*) AS requests,
       count(*) FILTER (r.fate IN ('succeeded', 'repaired')) AS usable, sum(r.cost_usd)::DECIMAL(18, 10) AS cost_usd,
       count(*) FILTER (r.cost_basis = 'unknown') AS unknown
FROM batch_requests r JOIN batches b USING (batch_id) WHERE b.status = 'collected' GROUP BY ALL;

CREATE OR REPLACE VIEW cost_by_request_and_wave AS
WITH request_waves AS (
    SELECT r.batch_id, r.custom_id, min(m.wave) AS wave
    FROM batch_requests r JOIN batches b USING (batch_id)
    JOIN tagging_waves w ON w.seed = r.subject AND w.prompt_version = b.prompt_version AND w.asked_at <= b.intended_at
    JOIN wave_members m ON m.plan_id = w.plan_id AND m.wave <= w.wave AND m.provider = b.provider
        AND m.model = b.model AND m.analyses > r.analysis_index
    WHERE b.purpose = 'tagging' GROUP BY ALL
)
SELECT c.batch_id, c.custom_id, c.subject, c.analysis_index, c.purpose, c.delivery, c.provider, c.model,
       c.prompt_version, c.day, c.fate, c.input_tokens, c.cached_input_tokens, c.cache_write_tokens, c.output_tokens,
       c.reasoning_tokens, c.cost_usd, c.cost_basis, c.cache_saved_usd,
       CASE WHEN c.purpose <> 'tagging' THEN c.purpose WHEN w.wave IS NULL THEN 'full'
            ELSE 'wave ' || w.wave END AS wave
FROM cost_by_request c LEFT JOIN request_waves w USING (batch_id, custom_id);

CREATE OR REPLACE VIEW refined_palettes AS
WITH spent AS (
    SELECT r.subject AS seed, b.prompt_version, sum(r.cost_usd) AS cost_usd
    FROM batch_requests r JOIN batches b USING (batch_id) WHERE b.status = 'collected' GROUP BY ALL
),
said AS (
    SELECT *, flatten([mood, style, dominant_colors, seasonal, associations]) AS words
    FROM palette_tag_refined WHERE error IS NULL
)
SELECT r.seed, r.prompt_version, p.source_seed, p.palette_key, p.name, p.style AS display_style, p.steps, p.angle,
       p.hex::VARCHAR[] AS hex, r.temperature, r.contrast, r.brightness, r.saturation, r.mood, r.style,
       r.dominant_colors, r.seasonal, r.associations,
       list_transform(list_sort(list_distinct(list_transform(r.words, lambda word: list_position(r.words, word)))),
                      lambda place: r.words[place]) AS tags,
       r.embed_text, i.object_key AS image_key, i.url AS image_url, r.model, r.created_at AS refined_at,
       coalesce(s.cost_usd, 0)::DECIMAL(18, 10) AS cost_usd
FROM said r JOIN palettes p USING (seed) LEFT JOIN palette_images i USING (seed)
LEFT JOIN spent s USING (seed, prompt_version);
