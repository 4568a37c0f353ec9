-- How a create call whose end nobody saw is looked for: from when on, and since when in vain. And results with fewer
-- lines than the provider counts: when they came first, and their digest. And when a person here asked to stop a batch:
-- until now every cancelled one was taken for that.

ALTER TABLE batches ADD COLUMN sent_after TIMESTAMPTZ;
ALTER TABLE batches ADD COLUMN missed_at TIMESTAMPTZ;
ALTER TABLE batches ADD COLUMN short_at TIMESTAMPTZ;
ALTER TABLE batches ADD COLUMN short_sha256 VARCHAR;
ALTER TABLE batches ADD COLUMN cancel_asked_at TIMESTAMPTZ;
UPDATE batches SET cancel_asked_at = collected_at WHERE outcome = 'cancelled';
