-- When what a batch brought was reported to Dagster: a process that is killed between storing and reporting leaves none.

ALTER TABLE batches ADD COLUMN reported_at TIMESTAMPTZ;
UPDATE batches SET reported_at = collected_at;
