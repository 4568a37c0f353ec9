-- What models said in the fields with a closed list that stands in none. Null in older rows until `grabient reparse`.

ALTER TABLE palette_tags ADD COLUMN outside VARCHAR[];
