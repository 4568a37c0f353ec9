-- The accounts by wave, with every column named: DuckDB refuses a view of `*` once what it reads has another column.

CREATE OR REPLACE VIEW cost_by_request_and_wave AS
WITH request_waves AS (
    SELECT r.batch_id, r.custom_id, min(m.wave) AS wave
    FROM batch_requests r JOIN batches b USING (batch_id)
    JOIN tagging_waves w ON w.seed = r.seed AND w.prompt_version = b.prompt_version AND w.asked_at <= b.intended_at
    JOIN wave_members m ON m.plan_id = w.plan_id AND m.wave <= w.wave AND m.provider = b.provider
        AND m.model = b.model AND m.analyses > r.analysis_index
    WHERE b.purpose = 'tagging' GROUP BY ALL
)
SELECT c.batch_id, c.custom_id, c.seed, c.analysis_index, c.purpose, c.provider, c.model, c.prompt_version, c.day,
       c.fate, c.input_tokens, c.cached_input_tokens, c.cache_write_tokens, c.output_tokens, c.reasoning_tokens,
       c.cost_usd, c.cost_basis, c.cache_saved_usd,
       CASE WHEN c.purpose <> 'tagging' THEN c.purpose WHEN w.wave IS NULL THEN 'full'
            ELSE 'wave ' || w.wave END AS wave
FROM cost_by_request c LEFT JOIN request_waves w USING (batch_id, custom_id);
