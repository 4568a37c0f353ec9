-- Knowledge: sources are fetched, cut and read by a model; its entries are grounded, embedded and indexed by workflow.

CREATE TABLE workflows (
    workflow_id    VARCHAR PRIMARY KEY,
    name           VARCHAR NOT NULL,
    type           VARCHAR NOT NULL,
    prompt_version VARCHAR NOT NULL,
    areas          INTEGER[] NOT NULL,
    extractors     JSON NOT NULL,
    chunk_size     INTEGER NOT NULL,
    overlap        INTEGER NOT NULL,
    embedder       VARCHAR NOT NULL,
    store          VARCHAR NOT NULL,
    skip_hopeless  BOOLEAN NOT NULL,
    cap_id         VARCHAR,
    made_at        TIMESTAMPTZ NOT NULL,
    completed_at   TIMESTAMPTZ,
    deleted_at     TIMESTAMPTZ
);

CREATE TABLE sources (
    source_id      VARCHAR PRIMARY KEY,
    kind           VARCHAR NOT NULL,
    locator        VARCHAR NOT NULL,
    title          VARCHAR,
    object_key     VARCHAR,
    media_type     VARCHAR,
    content_sha256 VARCHAR,
    language       VARCHAR,
    generated      BOOLEAN,
    quality        DOUBLE,
    seconds        DOUBLE,
    characters     INTEGER,
    etag           VARCHAR,
    last_modified  VARCHAR,
    fetched_at     TIMESTAMPTZ,
    error          VARCHAR,
    error_class    VARCHAR,
    made_at        TIMESTAMPTZ NOT NULL
);

CREATE TABLE workflow_sources (
    workflow_id VARCHAR NOT NULL,
    source_id   VARCHAR NOT NULL,
    position    INTEGER NOT NULL,
    priority    INTEGER NOT NULL,
    added_at    TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (workflow_id, source_id)
);

-- Fetching. `object_key` holds the bytes that could not be read, so that another reading can be tried without the network.
CREATE TABLE source_queue (
    item_id       VARCHAR PRIMARY KEY,
    source_id     VARCHAR NOT NULL,
    status        VARCHAR NOT NULL,
    attempts      INTEGER NOT NULL,
    last_error    VARCHAR,
    error_class   VARCHAR,
    scheduled_for TIMESTAMPTZ NOT NULL,
    leased_until  TIMESTAMPTZ,
    lease         VARCHAR,
    queued_at     TIMESTAMPTZ NOT NULL,
    completed_at  TIMESTAMPTZ,
    redriven_from VARCHAR,
    object_key    VARCHAR,
    media_type    VARCHAR
);

CREATE TABLE chunks (
    chunk_id       VARCHAR PRIMARY KEY,
    source_id      VARCHAR NOT NULL,
    position       INTEGER NOT NULL,
    char_start     INTEGER NOT NULL,
    char_end       INTEGER NOT NULL,
    t_start        DOUBLE,
    t_end          DOUBLE,
    tokens         INTEGER NOT NULL,
    text           VARCHAR NOT NULL,
    content_sha256 VARCHAR NOT NULL,
    chunker        VARCHAR NOT NULL
);

-- What a model reads at once. A window of an earlier text of its source stays, so that stored answers can be read anew.
CREATE TABLE source_windows (
    source_id      VARCHAR NOT NULL,
    content_sha256 VARCHAR NOT NULL,
    part           INTEGER NOT NULL,
    window_sha256  VARCHAR NOT NULL,
    title          VARCHAR NOT NULL,
    char_start     INTEGER NOT NULL,
    char_end       INTEGER NOT NULL,
    segments       JSON NOT NULL,
    PRIMARY KEY (source_id, content_sha256, part)
);

-- `found` holds the entries as they were read; knowledge_entries are made of it.
CREATE TABLE extractions (
    subject        VARCHAR NOT NULL,
    source_id      VARCHAR NOT NULL,
    focus_area     INTEGER NOT NULL,
    part           INTEGER NOT NULL,
    prompt_version VARCHAR NOT NULL,
    provider       VARCHAR NOT NULL,
    model          VARCHAR NOT NULL,
    custom_id      VARCHAR NOT NULL,
    fate           VARCHAR NOT NULL,
    error          VARCHAR,
    entries        INTEGER NOT NULL DEFAULT 0,
    skipped        BOOLEAN NOT NULL DEFAULT false,
    found          JSON,
    input_tokens   INTEGER,
    output_tokens  INTEGER,
    cost_usd       DECIMAL(18, 10),
    batch_id       VARCHAR,
    created_at     TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (subject, prompt_version, provider, model)
);

CREATE TABLE knowledge_entries (
    entry_id            VARCHAR PRIMARY KEY,
    source_id           VARCHAR NOT NULL,
    focus_area          INTEGER NOT NULL,
    part                INTEGER NOT NULL,
    prompt_version      VARCHAR NOT NULL,
    provider            VARCHAR NOT NULL,
    model               VARCHAR NOT NULL,
    type                VARCHAR NOT NULL,
    content             VARCHAR NOT NULL,
    content_sha256      VARCHAR NOT NULL,
    speaker_perspective VARCHAR NOT NULL,
    notes               VARCHAR NOT NULL,
    quote               VARCHAR NOT NULL,
    quote_start         INTEGER,
    quote_end           INTEGER,
    t_start             DOUBLE,
    state               VARCHAR NOT NULL,
    reason              VARCHAR,
    custom_id           VARCHAR NOT NULL,
    batch_id            VARCHAR,
    created_at          TIMESTAMPTZ NOT NULL
);

CREATE TABLE chunk_embeddings (
    chunk_id       VARCHAR NOT NULL,
    embedder       VARCHAR NOT NULL,
    content_sha256 VARCHAR NOT NULL,
    error          VARCHAR,
    created_at     TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (chunk_id, embedder)
);

CREATE TABLE entry_embeddings (
    entry_id       VARCHAR NOT NULL,
    embedder       VARCHAR NOT NULL,
    content_sha256 VARCHAR NOT NULL,
    error          VARCHAR,
    created_at     TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (entry_id, embedder)
);

-- The newest item of each source in the queue decides how its fetching stands.
CREATE VIEW fetch_states AS
SELECT s.source_id, q.item_id, q.status, q.attempts, q.last_error, q.error_class, q.scheduled_for, q.leased_until,
       s.object_key IS NOT NULL AS has_text, coalesce(q.died, false) AS died
FROM sources s LEFT JOIN (
    SELECT *, row_number() OVER (PARTITION BY source_id ORDER BY queued_at DESC, item_id DESC) AS place,
           bool_or(status = 'dead') OVER (PARTITION BY source_id) AS died
    FROM source_queue
) q ON q.source_id = s.source_id AND q.place = 1;

-- Every reading that a workflow wants: one source x one focus area by one model.
CREATE VIEW cell_readings AS
SELECT w.workflow_id, w.prompt_version, s.source_id, a.focus_area, e.extractor.provider AS provider,
       e.extractor.model AS model
FROM workflows w JOIN workflow_sources s USING (workflow_id),
     LATERAL (SELECT unnest(w.areas) AS focus_area) a,
     LATERAL (SELECT unnest(from_json(w.extractors, '[{"provider": "VARCHAR", "model": "VARCHAR"}]')) AS extractor) e
WHERE w.deleted_at IS NULL;

-- How every cell stands that a workflow wants: one source x one focus area. Of several extractors one whole reading
-- suffices. Views read only views whose names come before theirs (0019_views.sql).
CREATE VIEW knowledge_coverage AS
WITH parts AS (
    SELECT r.*, x.part, coalesce(t.skipped, false) AS skipped, t.custom_id,
           t.custom_id IS NOT NULL AND (t.skipped OR starts_with(t.custom_id,
               left(sha256('fa' || r.focus_area || '|' || x.window_sha256), 24))) AS answered,
           t.error, k.state = 'open' AND t.error IS NOT NULL AND k.retry_from > t.created_at AS again,
           k.state AS ask_state, k.reason
    FROM (SELECT DISTINCT * EXCLUDE (workflow_id) FROM cell_readings) r
    JOIN sources s USING (source_id)
    JOIN source_windows x ON x.source_id = r.source_id AND x.content_sha256 = s.content_sha256
    LEFT JOIN extractions t ON t.subject = r.source_id || '|fa' || r.focus_area || '|w' || printf('%02d', x.part)
        AND t.prompt_version = r.prompt_version AND t.provider = r.provider AND t.model = r.model
    LEFT JOIN asks k ON k.purpose = 'extraction' AND k.subject = r.source_id || '|fa' || r.focus_area || '|w'
        || printf('%02d', x.part) AND k.prompt_version = r.prompt_version AND k.provider = r.provider
        AND k.model = r.model
),
per_model AS (
    SELECT prompt_version, source_id, focus_area, provider, model, count(*) AS parts,
           bool_and(answered AND error IS NULL) AS whole, bool_and(skipped) AS skipped,
           bool_or(again IS TRUE OR (NOT answered AND ask_state IS DISTINCT FROM 'stopped')) AS waiting,
           max(coalesce(error, reason)) FILTER (NOT answered OR error IS NOT NULL) AS error,
           bool_or(custom_id IS NOT NULL) AS tried
    FROM parts GROUP BY ALL
),
per_cell AS (
    SELECT prompt_version, source_id, focus_area, bool_or(whole) AS whole, bool_and(skipped) AS skipped,
           bool_or(waiting) AS waiting, bool_or(tried) AS tried, max(error) AS error, max(parts) AS parts
    FROM per_model GROUP BY ALL
),
found AS (
    SELECT prompt_version, source_id, focus_area, count(*) AS entries FROM (
        SELECT DISTINCT p.prompt_version, p.source_id, p.focus_area, e.type, e.content
        FROM parts p JOIN knowledge_entries e ON e.custom_id = p.custom_id
        WHERE e.state = 'ok' AND p.error IS NULL AND NOT p.skipped
    ) GROUP BY ALL
)
SELECT w.source_id, w.focus_area, w.prompt_version,
       CASE WHEN c.skipped THEN 'skipped'
            WHEN c.waiting AND NOT c.whole THEN 'waiting'
            WHEN c.whole THEN if(coalesce(f.entries, 0) > 0, 'ok', 'empty')
            WHEN c.source_id IS NOT NULL OR q.status = 'dead' THEN 'failed'
            ELSE 'waiting' END AS state,
       CASE WHEN c.skipped OR c.whole OR c.waiting THEN NULL
            WHEN c.source_id IS NOT NULL THEN c.error
            WHEN q.status = 'dead' THEN q.last_error END AS error,
       coalesce(f.entries, 0) AS entries, c.parts, coalesce(c.tried, false) OR coalesce(q.died, false) AS tried
FROM (SELECT DISTINCT source_id, focus_area, prompt_version FROM cell_readings) w
LEFT JOIN per_cell c USING (prompt_version, source_id, focus_area)
LEFT JOIN found f USING (prompt_version, source_id, focus_area)
LEFT JOIN fetch_states q USING (source_id);

CREATE VIEW workflow_cells AS
SELECT w.workflow_id, c.source_id, c.focus_area, c.prompt_version, c.state, c.error, c.entries, c.parts, c.tried
FROM (SELECT DISTINCT workflow_id, source_id, focus_area, prompt_version FROM cell_readings) w
JOIN knowledge_coverage c USING (source_id, focus_area, prompt_version);

-- What the index should hold of each workflow: an entry that two sources or two models have is one vector. Entries belong
-- to a request; sources with equal windows share it. An earlier text's entries stand until the new one is read.
CREATE VIEW workflow_entries AS
SELECT r.workflow_id, e.entry_id, x.source_id, e.focus_area, e.part, e.prompt_version, e.provider, e.model, e.type,
       e.content, e.content_sha256, e.speaker_perspective, e.notes, e.quote, e.quote_start, e.quote_end, e.t_start,
       e.state, e.reason, e.custom_id, e.batch_id, e.created_at,
       sha256(r.workflow_id || chr(10) || e.focus_area || chr(10) || e.type || chr(10) || e.content) AS vector_id
FROM cell_readings r
JOIN extractions x USING (source_id, focus_area, prompt_version, provider, model)
JOIN workflow_cells c USING (workflow_id, source_id, focus_area, prompt_version)
JOIN knowledge_entries e ON e.custom_id = x.custom_id
WHERE e.state = 'ok' AND x.error IS NULL AND (x.part < c.parts OR c.state = 'waiting');

-- Status is computed, never stored. Progress: 30 for fetching, 50 for reading, 20 for cells whose entries search shows. What
-- was tried once stays counted while it is tried again, so that only new sources, and a re-drive after the end, lower it.
CREATE VIEW workflow_status AS
WITH fetching AS (
    SELECT m.workflow_id, count(*) AS total, count(*) FILTER (s.status = 'dead') AS dead,
           count(*) FILTER (s.status = 'leased') AS leased,
           count(*) FILTER (s.status IN ('queued', 'leased')) AS open,
           count(*) FILTER (s.has_text OR s.status = 'dead') AS settled,
           count(*) FILTER (s.has_text OR s.died) AS tried,
           count(*) FILTER (s.has_text) AS fetched
    FROM workflow_sources m LEFT JOIN fetch_states s USING (source_id) GROUP BY ALL
),
shown AS (
    SELECT i.vector_id, i.namespace FROM index_entries i JOIN index_versions v USING (index_name, version)
    WHERE i.index_name = 'knowledge' AND v.state = 'live' AND i.state = 'visible'
),
held AS MATERIALIZED (
    SELECT workflow_id, source_id, focus_area, vector_id, content_sha256, entry_id, created_at FROM workflow_entries
),
per_entry AS (
    SELECT w.workflow_id, w.source_id, w.focus_area, w.vector_id, w.content_sha256,
           bool_or(m.entry_id IS NOT NULL AND m.error IS NULL) AS embedded, bool_or(m.error IS NOT NULL) AS failed,
           bool_or(h.vector_id IS NOT NULL) AS visible
    FROM held w LEFT JOIN entry_embeddings m ON m.entry_id = w.entry_id
    LEFT JOIN shown h ON h.vector_id = w.vector_id
    GROUP BY ALL
),
entries AS (
    SELECT workflow_id, count(DISTINCT vector_id) AS entries,
           count(DISTINCT vector_id) FILTER (NOT embedded AND NOT failed) AS unembedded,
           count(DISTINCT vector_id) FILTER (embedded AND NOT visible) AS unseen,
           count(DISTINCT content_sha256) FILTER (embedded) AS embeddings
    FROM per_entry GROUP BY ALL
),
cells AS (
    SELECT c.workflow_id, count(*) AS total, count(*) FILTER (c.state <> 'waiting') AS settled,
           count(*) FILTER (c.state = 'failed') AS failed,
           count(*) FILTER (c.state IN ('ok', 'empty', 'skipped')) AS covered,
           count(*) FILTER (c.tried) AS tried,
           count(*) FILTER (c.state IN ('ok', 'empty', 'skipped') AND coalesce(p.seen, true) OR p.seen) AS seen
    FROM workflow_cells c LEFT JOIN (
        SELECT workflow_id, source_id, focus_area, bool_and(visible OR failed) AS seen FROM per_entry GROUP BY ALL
    ) p USING (workflow_id, source_id, focus_area)
    GROUP BY ALL
),
newest AS (
    SELECT workflow_id, to_json(list(entry ORDER BY created_at DESC, entry_id)[:5]) AS latest_entries FROM (
        SELECT h.workflow_id, h.entry_id, h.created_at,
               {'entry_id': h.entry_id, 'source_id': h.source_id, 'focus_area': h.focus_area, 'type': k.type,
                'content': k.content, 't_start': k.t_start} AS entry
        FROM (
            SELECT workflow_id, source_id, focus_area, entry_id, created_at FROM held
            QUALIFY row_number() OVER (PARTITION BY workflow_id ORDER BY created_at DESC, entry_id) <= 5
        ) h JOIN knowledge_entries k USING (entry_id)
    ) GROUP BY ALL
)
SELECT w.workflow_id, w.name, w.type,
       CASE WHEN coalesce(f.settled, 0) = 0 AND coalesce(f.leased, 0) = 0 THEN 'queued'
            WHEN f.open > 0 THEN 'scraping'
            WHEN c.settled < c.total THEN 'extracting'
            WHEN coalesce(e.unembedded, 0) > 0 THEN 'embedding'
            WHEN coalesce(e.unseen, 0) > 0 THEN 'indexing'
            WHEN c.covered = 0 THEN 'failed'
            WHEN w.completed_at IS NULL THEN 'validating'
            WHEN f.dead > 0 OR c.failed > 0 THEN 'completed_with_dead'
            ELSE 'completed' END AS status,
       CASE WHEN f.total IS NULL OR f.total = 0 OR c.total IS NULL THEN 0
            WHEN f.open = 0 AND c.settled = c.total AND (w.completed_at IS NOT NULL OR c.covered = 0) THEN 100
            ELSE least(floor(30 * f.tried / f.total + 50 * c.tried / c.total + 20 * c.seen / c.total), 99)::INTEGER
       END AS progress,
       coalesce(f.total, 0) AS total_content, coalesce(f.fetched, 0) AS content_processed,
       coalesce(e.embeddings, 0) AS embeddings,
       (SELECT count(*) FROM shown h WHERE h.namespace = w.workflow_id) AS index_size,
       date_diff('second', w.made_at, coalesce(w.completed_at, now())) AS processing_time,
       coalesce(e.entries, 0) AS entries, coalesce(f.dead, 0) AS dead, coalesce(c.failed, 0) AS failed_cells,
       coalesce(n.latest_entries, '[]'::JSON) AS latest_entries
FROM workflows w LEFT JOIN fetching f USING (workflow_id) LEFT JOIN cells c USING (workflow_id)
LEFT JOIN entries e USING (workflow_id) LEFT JOIN newest n USING (workflow_id)
WHERE w.deleted_at IS NULL;
