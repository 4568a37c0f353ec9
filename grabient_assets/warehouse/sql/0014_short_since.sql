-- Since when results come with fewer lines than the provider counts: those that are others at each look are not waited for
-- without end.

ALTER TABLE batches ADD COLUMN short_since TIMESTAMPTZ;
