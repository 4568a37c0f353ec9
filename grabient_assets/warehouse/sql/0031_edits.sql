-- Image edits: what was asked, what was sent of the pictures, what came, and how it was measured.

-- `message` is the whole text that the editor is sent; `size` is the size of what it is sent.
CREATE TABLE edit_requests (
    edit_id          VARCHAR PRIMARY KEY,
    run_id           VARCHAR,
    root_image       VARCHAR NOT NULL,
    parent_image     VARCHAR NOT NULL,
    parent_edit      VARCHAR,
    generation_index INTEGER NOT NULL,
    depth            INTEGER NOT NULL,
    label            VARCHAR NOT NULL,
    kind             VARCHAR NOT NULL,
    prompt           VARCHAR,
    instructions     VARCHAR,
    creativity       INTEGER NOT NULL,
    message          VARCHAR NOT NULL,
    mask_key         VARCHAR,
    reference_image  VARCHAR,
    provider         VARCHAR NOT NULL,
    model            VARCHAR NOT NULL,
    prompt_version   VARCHAR NOT NULL,
    prompt_digest    VARCHAR NOT NULL,
    size             VARCHAR NOT NULL,
    quality          VARCHAR,
    size_policy      VARCHAR NOT NULL,
    delivery         VARCHAR NOT NULL,
    cap_id           VARCHAR,
    estimated_usd    DECIMAL(18, 10),
    replay_of        VARCHAR,
    requested_at     TIMESTAMPTZ NOT NULL,
    cancel_asked_at  TIMESTAMPTZ
);

-- `pad` is left, top, right, bottom in pixels of what is sent; `mask_box` is left, top, width, height in the parent.
CREATE TABLE edit_inputs (
    edit_id     VARCHAR PRIMARY KEY,
    sent_width  INTEGER NOT NULL,
    sent_height INTEGER NOT NULL,
    scale       DOUBLE NOT NULL,
    pad         INTEGER[] NOT NULL,
    mask_pixels BIGINT,
    mask_box    INTEGER[],
    feather     INTEGER,
    changes     VARCHAR[] NOT NULL
);

-- `recipe` is the prompt version under which the editor was asked: the prompt, and the size and quality asked for.
CREATE TABLE edited_images (
    edit_id       VARCHAR PRIMARY KEY,
    recipe        VARCHAR NOT NULL,
    provider      VARCHAR NOT NULL,
    model         VARCHAR NOT NULL,
    custom_id     VARCHAR NOT NULL,
    fate          VARCHAR NOT NULL,
    error         VARCHAR,
    error_kind    VARCHAR,
    refused_at    VARCHAR,
    refused_for   VARCHAR[],
    image_id      VARCHAR,
    changes       VARCHAR[],
    input_tokens  INTEGER,
    output_tokens INTEGER,
    cost_usd      DECIMAL(18, 10),
    seconds       DOUBLE,
    batch_id      VARCHAR,
    created_at    TIMESTAMPTZ NOT NULL
);

CREATE TABLE edit_measures (
    edit_id       VARCHAR PRIMARY KEY,
    leak_raw      DOUBLE,
    leak_final    DOUBLE,
    inside_change DOUBLE,
    seam          DOUBLE,
    noise         DOUBLE,
    drift         DOUBLE
);

-- An edit as it stands. A cancelled one stays cancelled, whatever its call brings.
CREATE VIEW edits AS
WITH calls AS (
    SELECT r.subject AS edit_id,
           bool_or(r.fate IS NULL AND b.status IN ('intended', 'submitted')) AS under_way,
           min(b.intended_at) FILTER (r.fate IS NULL AND b.status IN ('intended', 'submitted')) AS sent_at,
           sum(r.cost_usd) AS cost_usd,
           coalesce(sum(b.reserved_usd / b.request_count)
               FILTER (r.cost_basis = 'unknown' OR (r.fate IS NULL AND b.status IN ('intended', 'submitted'))), 0)
               AS possible_usd,
           min(coalesce(r.began_at, b.submitted_at, b.intended_at)) AS began_at,
           max(b.batch_id) FILTER (r.fate IS NULL AND b.status IN ('intended', 'submitted')) AS open_batch,
           arg_max(b.error_kind, b.intended_at) AS batch_error_kind
    FROM batches b JOIN batch_requests r USING (batch_id) WHERE b.purpose = 'edit' GROUP BY ALL
),
standing AS (
    SELECT q.*, a.state, a.reason, i.fate, i.refused_at, i.image_id, i.batch_id AS answer_batch, i.created_at AS answered_at,
           i.error AS answer_error, i.error_kind AS answer_error_kind, c.cost_usd, c.possible_usd, c.began_at, c.sent_at,
           c.open_batch, c.batch_error_kind, coalesce(c.under_way, false) AS under_way, p.removed_at AS parent_removed_at,
           CASE WHEN i.edit_id IS NOT NULL AND i.error IS NULL THEN 'done'
                WHEN q.cancel_asked_at IS NOT NULL THEN 'cancelled'
                WHEN coalesce(c.under_way, false) THEN 'sent'
                WHEN i.edit_id IS NOT NULL AND (a.state IS DISTINCT FROM 'open' OR a.retry_from IS NULL
                    OR i.created_at >= a.retry_from) THEN if(i.fate = 'refused', 'rejected', 'failed')
                WHEN a.state IS NULL OR a.state = 'stopped' THEN 'failed'
                ELSE 'requested' END AS status
    FROM edit_requests q LEFT JOIN asks a ON a.purpose = 'edit' AND a.subject = q.edit_id
    LEFT JOIN edited_images i USING (edit_id) LEFT JOIN calls c USING (edit_id)
    LEFT JOIN images p ON p.image_id = q.parent_image
),
explained AS (
    SELECT s.*,
           CASE WHEN s.status IN ('done', 'requested', 'sent') THEN NULL
                WHEN s.status = 'cancelled' AND s.possible_usd > 0
                    THEN 'Cancelled. The call was under way, so it was possibly billed.'
                WHEN s.status = 'cancelled' THEN 'Cancelled.'
                ELSE coalesce(s.answer_error, s.reason) END AS error,
           CASE WHEN s.status IN ('done', 'requested', 'sent') THEN NULL
                WHEN s.status = 'cancelled' THEN 'cancelled'
                WHEN s.answer_error IS NOT NULL THEN s.answer_error_kind
                WHEN s.parent_removed_at IS NOT NULL THEN 'parent_removed'
                WHEN s.batch_error_kind = 'CredentialsError' THEN 'auth_error'
                ELSE 'unexpected_error' END AS error_kind
    FROM standing s
)
SELECT e.edit_id, e.run_id, e.root_image, e.parent_image, e.parent_edit,
       if(e.parent_edit IS NULL, 'original', 'refinement') AS parent_type, e.generation_index, e.depth, e.label, e.kind,
       e.prompt, e.instructions, e.mask_key, e.reference_image, e.provider, e.model, e.prompt_version, e.prompt_digest,
       e.quality, e.size_policy, e.delivery, e.status,
       CASE e.status WHEN 'requested' THEN 'prepare' WHEN 'sent' THEN 'send' WHEN 'done' THEN 'save'
           ELSE CASE WHEN e.error_kind = 'invalid_image_data' THEN 'stitch'
                     WHEN e.began_at IS NULL THEN 'prepare' ELSE 'send' END END AS stage,
       CASE e.status WHEN 'requested' THEN 0 WHEN 'sent' THEN 20 ELSE 100 END AS percent,
       e.error, e.error_kind,
       coalesce(e.error_kind IN ('api_no_response', 'api_empty_data', 'invalid_image_data', 'rate_limit',
           'connection_error', 'timeout', 'cancelled', 'auth_error')
           OR (e.error_kind = 'refused' AND e.refused_at IS NOT DISTINCT FROM 'output'), false) AS retryable,
       if(e.status = 'done', e.image_id, NULL) AS image_id,
       e.kind || ': ' || if(length(coalesce(e.prompt, e.instructions)) > 80,
           left(coalesce(e.prompt, e.instructions), 79) || '…', coalesce(e.prompt, e.instructions)) AS summary,
       coalesce(e.cost_usd, 0)::DECIMAL(18, 10) AS cost_usd,
       coalesce(e.possible_usd, 0)::DECIMAL(18, 10) AS possible_usd,
       e.requested_at, e.began_at, if(e.status IN ('requested', 'sent'), NULL, coalesce(e.cancel_asked_at, e.answered_at))
           AS done_at,
       e.cancel_asked_at, coalesce(e.open_batch, e.answer_batch) AS batch_id, e.creativity, e.size, e.replay_of,
       e.estimated_usd, e.cap_id
FROM explained e;

-- Every image of a chain: the roots, and what edits made of them. Dollars are those of all edits on the way to it.
CREATE VIEW image_chains AS
WITH RECURSIVE chains AS (
    SELECT DISTINCT e.root_image AS image_id, e.root_image, NULL::VARCHAR AS parent_image, NULL::VARCHAR AS edit_id,
           0 AS depth, 'v1' AS label, [e.root_image] AS path, 0::DECIMAL(18, 10) AS cost_usd
    FROM edit_requests e
    UNION ALL
    SELECT e.image_id, e.root_image, e.parent_image, e.edit_id, e.depth, e.label, list_append(c.path, e.image_id),
           (c.cost_usd + e.cost_usd)::DECIMAL(18, 10)
    FROM chains c JOIN edits e ON e.parent_image = c.image_id AND e.root_image = c.root_image
    WHERE e.status = 'done'
)
SELECT c.*, i.removed_at IS NOT NULL AS removed
FROM chains c LEFT JOIN images i USING (image_id);
