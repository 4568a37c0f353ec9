-- What was exported where: by row, so that the next export can have what changed since; and the files in the object store.

CREATE TABLE exported_palettes (
    target         VARCHAR NOT NULL,
    seed           VARCHAR NOT NULL,
    prompt_version VARCHAR NOT NULL,
    row_sha256     VARCHAR NOT NULL,
    exported_at    TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (target, seed)
);

CREATE TABLE palette_exports (
    prompt_version VARCHAR PRIMARY KEY,
    object_key     VARCHAR NOT NULL,
    store          VARCHAR NOT NULL,
    content        VARCHAR NOT NULL,
    row_count      BIGINT NOT NULL,
    bytes          BIGINT NOT NULL,
    sha256         VARCHAR NOT NULL,
    exported_at    TIMESTAMPTZ NOT NULL
);
