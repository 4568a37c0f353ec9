-- How a create call whose end nobody saw is looked for: from when on, and since when in vain.

ALTER TABLE batches ADD COLUMN sent_after TIMESTAMPTZ;
ALTER TABLE batches ADD COLUMN missed_at TIMESTAMPTZ;
