-- A line of a palette file may hold several entries, and each is rejected for a reason of its own.

CREATE TABLE rejected_entries (
    source       VARCHAR NOT NULL,
    line         INTEGER NOT NULL,
    entry        INTEGER NOT NULL,
    text         VARCHAR NOT NULL,
    reason       VARCHAR NOT NULL,
    rejected_at  TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (source, line, entry)
);

INSERT INTO rejected_entries BY NAME SELECT *, 1 AS entry FROM rejected_palettes;

DROP TABLE rejected_palettes;

ALTER TABLE rejected_entries RENAME TO rejected_palettes;
