-- Answers that an earlier system paid for. Their rows name an import where others name a batch, so that no account, no
-- budget and no invoice of the ledger counts them.

CREATE TABLE imports (
    import_id      VARCHAR PRIMARY KEY,
    purpose        VARCHAR NOT NULL,
    provider       VARCHAR NOT NULL,
    model          VARCHAR NOT NULL,
    prompt_version VARCHAR NOT NULL,
    named          VARCHAR,
    source         VARCHAR NOT NULL,
    imported_at    TIMESTAMPTZ NOT NULL
);

CREATE VIEW imported_requests AS
WITH answers AS (
    SELECT batch_id, custom_id, seed, analysis_index, created_at, fate, input_tokens, output_tokens, cost_usd
    FROM palette_tags
    UNION ALL
    SELECT batch_id, custom_id, seed, 0, created_at, fate, input_tokens, output_tokens, cost_usd
    FROM palette_tag_refined
)
SELECT i.import_id, a.custom_id, a.seed AS subject, a.analysis_index, i.purpose, i.provider, i.model, i.prompt_version,
       (a.created_at AT TIME ZONE 'UTC')::DATE AS day, a.fate, a.input_tokens, a.output_tokens, a.cost_usd,
       CASE WHEN a.cost_usd IS NOT NULL THEN 'imported' ELSE 'unknown' END AS cost_basis
FROM answers a JOIN imports i ON i.import_id = a.batch_id;
