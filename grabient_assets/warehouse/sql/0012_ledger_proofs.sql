-- How a create call whose end nobody saw is looked for: from when on, and since when in vain. And results with fewer
-- lines than the provider counts: when they came first, and their digest.

ALTER TABLE batches ADD COLUMN sent_after TIMESTAMPTZ;
ALTER TABLE batches ADD COLUMN missed_at TIMESTAMPTZ;
ALTER TABLE batches ADD COLUMN short_at TIMESTAMPTZ;
ALTER TABLE batches ADD COLUMN short_sha256 VARCHAR;
