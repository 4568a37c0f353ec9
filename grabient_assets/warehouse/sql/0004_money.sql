-- Money: what a batch was expected to cost and at which rates, what each answer did cost, and who may spend how much.
-- The views at the end are the accounts: every one of them adds up cost_by_request.

ALTER TABLE asks ADD COLUMN cap_id VARCHAR;

ALTER TABLE batches ADD COLUMN cap_id VARCHAR;
ALTER TABLE batches ADD COLUMN prices JSON;
ALTER TABLE batches ADD COLUMN max_output_tokens INTEGER;
ALTER TABLE batches ADD COLUMN estimated_usd DECIMAL(18, 10);
ALTER TABLE batches ADD COLUMN reserved_usd DECIMAL(18, 10);

ALTER TABLE batch_requests ADD COLUMN cached_input_tokens INTEGER;
ALTER TABLE batch_requests ADD COLUMN cache_write_tokens INTEGER;
ALTER TABLE batch_requests ADD COLUMN reasoning_tokens INTEGER;
ALTER TABLE batch_requests ADD COLUMN cost_basis VARCHAR;
ALTER TABLE batch_requests ADD COLUMN cache_saved_usd DECIMAL(18, 10);

UPDATE batch_requests SET cost_basis = CASE WHEN cost_usd IS NULL THEN 'unknown' ELSE 'reported' END
WHERE cost_usd IS NOT NULL
   OR fate IN ('succeeded', 'repaired', 'invalid', 'refused', 'truncated', 'mismatched', 'missing');

CREATE TABLE spending_caps (
    cap_id  VARCHAR PRIMARY KEY,
    usd     DECIMAL(18, 10) NOT NULL,
    made_at TIMESTAMPTZ NOT NULL
);

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

CREATE VIEW cost_by_request AS
SELECT r.batch_id, r.custom_id, r.seed, r.analysis_index, b.purpose, b.provider, b.model, b.prompt_version,
       (b.intended_at AT TIME ZONE 'UTC')::DATE AS day, r.fate, r.input_tokens, r.cached_input_tokens,
       r.cache_write_tokens, r.output_tokens, r.reasoning_tokens, r.cost_usd, r.cost_basis, r.cache_saved_usd
FROM batch_requests r JOIN batches b USING (batch_id) WHERE b.status = 'collected';

CREATE VIEW cost_by_batch AS
SELECT b.batch_id, b.purpose, b.provider, b.model, b.prompt_version, (b.intended_at AT TIME ZONE 'UTC')::DATE AS day,
       b.status, b.request_count AS requests, count(*) FILTER (r.cost_basis = 'unknown') AS unknown,
       b.estimated_usd, b.reserved_usd, b.cost_usd, sum(r.cache_saved_usd) AS cache_saved_usd
FROM batches b JOIN batch_requests r USING (batch_id) GROUP BY ALL;

CREATE VIEW cost_by_palette AS
SELECT seed, prompt_version, purpose, count(*) AS requests, count(*) FILTER (fate IN ('succeeded', 'repaired')) AS usable,
       sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens, sum(cost_usd) AS cost_usd
FROM cost_by_request GROUP BY ALL;

CREATE VIEW cost_by_model AS
SELECT provider, model, purpose, count(*) AS requests, count(*) FILTER (fate IN ('succeeded', 'repaired')) AS usable,
       sum(input_tokens) AS input_tokens, sum(cached_input_tokens) AS cached_input_tokens,
       sum(cache_write_tokens) AS cache_write_tokens, sum(output_tokens) AS output_tokens,
       sum(reasoning_tokens) AS reasoning_tokens, sum(cost_usd) AS cost_usd, sum(cache_saved_usd) AS cache_saved_usd,
       count(*) FILTER (cost_basis = 'estimated') AS estimated, count(*) FILTER (cost_basis = 'unknown') AS unknown
FROM cost_by_request GROUP BY ALL;

CREATE VIEW cost_by_provider AS
SELECT provider, sum(requests)::BIGINT AS requests, sum(usable)::BIGINT AS usable, sum(cost_usd) AS cost_usd,
       sum(cache_saved_usd) AS cache_saved_usd, sum(estimated)::BIGINT AS estimated, sum(unknown)::BIGINT AS unknown
FROM cost_by_model GROUP BY ALL;

CREATE VIEW cost_by_prompt_version AS
SELECT prompt_version, purpose, count(*) AS requests,
       count(*) FILTER (fate IN ('succeeded', 'repaired')) AS usable, sum(cost_usd) AS cost_usd
FROM cost_by_request GROUP BY ALL;

CREATE VIEW cost_by_day AS
SELECT day, provider, count(*) AS requests, sum(cost_usd) AS cost_usd FROM cost_by_request GROUP BY ALL;

-- Only answers whose tokens were reported, and their share of what their batch was expected to cost.
CREATE VIEW estimate_against_actual AS
SELECT provider, model, purpose, count(DISTINCT batch_id) AS batches, count(*) AS requests,
       sum(b.estimated_usd / b.request_count)::DECIMAL(18, 10) AS estimated_usd, sum(r.cost_usd) AS actual_usd,
       sum(r.cost_usd)::DOUBLE / nullif(sum(b.estimated_usd / b.request_count), 0) AS ratio
FROM batches b JOIN batch_requests r USING (batch_id)
WHERE b.status = 'collected' AND b.estimated_usd IS NOT NULL AND r.cost_basis = 'reported'
GROUP BY ALL;
