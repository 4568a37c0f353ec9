-- What can be used: refined palettes with all that a site shows of them, and answers without the failures. And the
-- accounts once more: token sums as BIGINT (sum() of integers is HUGEINT, which Parquet and pandas read as doubles), and
-- dollars as everywhere. EXPORT DATABASE writes views by name, and IMPORT DATABASE makes them in that order: so a view
-- reads tables, and only such views whose names come before its own.

CREATE VIEW refined_palettes AS
WITH spent AS (
    SELECT r.seed, b.prompt_version, sum(r.cost_usd) AS cost_usd
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

CREATE VIEW usable_tags AS
SELECT seed, prompt_version, provider, model, analysis_index, custom_id, temperature, contrast, brightness, saturation,
       mood, style, dominant_colors, harmony, seasonal, associations, fate, notes, outside, answer_text, input_tokens,
       output_tokens, cost_usd, batch_id, created_at
FROM palette_tags WHERE error IS NULL;

CREATE OR REPLACE VIEW cost_by_batch AS
SELECT b.batch_id, b.purpose, b.provider, b.model, b.prompt_version, (b.intended_at AT TIME ZONE 'UTC')::DATE AS day,
       b.status, b.request_count AS requests, count(*) FILTER (r.cost_basis = 'unknown') AS unknown,
       b.estimated_usd, b.reserved_usd, b.cost_usd, sum(r.cache_saved_usd)::DECIMAL(18, 10) AS cache_saved_usd
FROM batches b JOIN batch_requests r USING (batch_id) GROUP BY ALL;

CREATE OR REPLACE VIEW cost_by_palette AS
SELECT r.seed, b.prompt_version, b.purpose, count(*) AS requests,
       count(*) FILTER (r.fate IN ('succeeded', 'repaired')) AS usable, sum(r.input_tokens)::BIGINT AS input_tokens,
       sum(r.output_tokens)::BIGINT AS output_tokens, sum(r.cost_usd)::DECIMAL(18, 10) AS cost_usd
FROM batch_requests r JOIN batches b USING (batch_id) WHERE b.status = 'collected' GROUP BY ALL;

CREATE OR REPLACE VIEW cost_by_model AS
SELECT b.provider, b.model, b.purpose, count(*) AS requests,
       count(*) FILTER (r.fate IN ('succeeded', 'repaired')) AS usable, sum(r.input_tokens)::BIGINT AS input_tokens,
       sum(r.cached_input_tokens)::BIGINT AS cached_input_tokens,
       sum(r.cache_write_tokens)::BIGINT AS cache_write_tokens, sum(r.output_tokens)::BIGINT AS output_tokens,
       sum(r.reasoning_tokens)::BIGINT AS reasoning_tokens, sum(r.cost_usd)::DECIMAL(18, 10) AS cost_usd,
       sum(r.cache_saved_usd)::DECIMAL(18, 10) AS cache_saved_usd,
       count(*) FILTER (r.cost_basis = 'estimated') AS estimated, count(*) FILTER (r.cost_basis = 'unknown') AS unknown
FROM batch_requests r JOIN batches b USING (batch_id) WHERE b.status = 'collected' GROUP BY ALL;

CREATE OR REPLACE VIEW cost_by_provider AS
SELECT provider, sum(requests)::BIGINT AS requests, sum(usable)::BIGINT AS usable,
       sum(cost_usd)::DECIMAL(18, 10) AS cost_usd, sum(cache_saved_usd)::DECIMAL(18, 10) AS cache_saved_usd,
       sum(estimated)::BIGINT AS estimated, sum(unknown)::BIGINT AS unknown
FROM cost_by_model GROUP BY ALL;

CREATE OR REPLACE VIEW cost_by_prompt_version AS
SELECT b.prompt_version, b.purpose, count(*) AS requests,
       count(*) FILTER (r.fate IN ('succeeded', 'repaired')) AS usable, sum(r.cost_usd)::DECIMAL(18, 10) AS cost_usd
FROM batch_requests r JOIN batches b USING (batch_id) WHERE b.status = 'collected' GROUP BY ALL;

CREATE OR REPLACE VIEW cost_by_day AS
SELECT (b.intended_at AT TIME ZONE 'UTC')::DATE AS day, b.provider, count(*) AS requests,
       sum(r.cost_usd)::DECIMAL(18, 10) AS cost_usd
FROM batch_requests r JOIN batches b USING (batch_id) WHERE b.status = 'collected' GROUP BY ALL;

CREATE OR REPLACE VIEW cost_by_wave AS
SELECT prompt_version, wave, count(*) AS requests, count(*) FILTER (fate IN ('succeeded', 'repaired')) AS usable,
       sum(cost_usd)::DECIMAL(18, 10) AS cost_usd
FROM cost_by_request_and_wave GROUP BY ALL;

CREATE OR REPLACE VIEW estimate_against_actual AS
SELECT b.provider, b.model, b.purpose, count(DISTINCT b.batch_id) AS batches, count(*) AS requests,
       sum(b.estimated_usd / b.request_count)::DECIMAL(18, 10) AS estimated_usd,
       sum(r.cost_usd)::DECIMAL(18, 10) AS actual_usd,
       sum(r.cost_usd)::DOUBLE / nullif(sum(b.estimated_usd / b.request_count), 0) AS ratio
FROM batches b JOIN batch_requests r USING (batch_id)
WHERE b.status = 'collected' AND b.estimated_usd IS NOT NULL AND r.cost_basis = 'reported'
GROUP BY ALL;
