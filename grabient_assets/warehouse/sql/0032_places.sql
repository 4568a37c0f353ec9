-- The order in which palettes arrived, which only a DuckDB file keeps by itself.

ALTER TABLE palettes ADD COLUMN place BIGINT;

UPDATE palettes SET place = arrived.place
FROM (SELECT seed, row_number() OVER (ORDER BY created_at, rowid) AS place FROM palettes) AS arrived
WHERE palettes.seed = arrived.seed;
