"""The index `knowledge`: what it should hold, the table entry_embeddings that links entries to vectors, its upkeep.

An entry that two workflows have is one embedding and two vectors, because a vector has one namespace: its workflow.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from grabient_assets.groups.embedding.embeddings import DOCUMENT_VECTORS, content_in_sql, not_empty_in_sql
from grabient_assets.groups.embedding.linked_texts import LinkedTexts, embed_linked, to_embed
from grabient_assets.groups.indexes import keeping
from grabient_assets.groups.indexes.keeping import KeptIndex
from grabient_assets.groups.indexes.sync import sync_is_due
from grabient_assets.groups.indexes.versions import Build, Index
from grabient_assets.registry.model import Model

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MOST_CONTENT_BYTES = 9_600
"""Of a content in JSON. Cloudflare takes 10 KiB of metadata; the ids and names beside it need some 300 bytes."""

ENTRY_TEXTS = LinkedTexts(
    "entry_embeddings",
    ("entry_id",),
    f"""
    SELECT k.entry_id, k.content AS text, k.created_at,
           CASE WHEN NOT {not_empty_in_sql("k.content")} THEN 'Its content is empty.'
                WHEN strlen(to_json(k.content)::VARCHAR) > {MOST_CONTENT_BYTES}
                THEN 'Its content has ' || strlen(to_json(k.content)::VARCHAR) || ' bytes; an index takes '
                     || '{MOST_CONTENT_BYTES}.' END AS flaw
    FROM knowledge_entries k SEMI JOIN workflow_entries w USING (entry_id)
    """,
    str,
)
"""The contents of the entries that a workflow holds."""

KNOWLEDGE = Index(
    "knowledge",
    f"""
    SELECT vector_id, subject, namespace, content_sha256, metadata FROM (
        SELECT w.vector_id, w.source_id AS subject, w.workflow_id AS namespace, e.content_sha256,
               json_object('workflowId', w.workflow_id, 'sourceId', w.source_id, 'focusArea', w.focus_area,
                           'entryType', w.type, 'content', w.content,
                           'timestamp', CASE WHEN isfinite(w.t_start) THEN w.t_start END) AS metadata,
               row_number() OVER (PARTITION BY w.vector_id ORDER BY w.created_at, w.entry_id, w.source_id) AS place
        FROM workflow_entries w
        JOIN entry_embeddings e ON e.entry_id = w.entry_id AND e.embedder = $embedder AND e.error IS NULL
        JOIN ({DOCUMENT_VECTORS}) v ON v.content_sha256 = e.content_sha256 AND v.embedder = $embedder
        WHERE v.dimensions = $dimensions
          AND CASE WHEN e.content_sha256 = sha256(w.content) THEN true
                   ELSE e.content_sha256 = {content_in_sql("w.content")} END
    ) WHERE place = 1
    """,
    ENTRY_TEXTS.waiting,
    {"focusArea": "number", "entryType": "string"},
    staying=f"""
    SELECT i.vector_id FROM index_entries i SEMI JOIN (
        SELECT workflow_id, source_id FROM workflow_entries SEMI JOIN ({ENTRY_TEXTS.waiting}) USING (entry_id)
    ) w ON w.workflow_id = i.namespace AND w.source_id = i.subject
    WHERE i.index_name = $index AND i.version = $version
    """,
    may_be_empty=True,
)
"""One vector for each workflow, area, type and content: of two sources or two models, the oldest entry gives it. The
entries of a source that changed stay until all of its new ones have their vectors; those of a deleted workflow leave.
"""

_LATE = f"""
    SELECT w.vector_id, false AS held FROM workflow_entries w SEMI JOIN ({ENTRY_TEXTS.waiting}) USING (entry_id)
    ANTI JOIN (SELECT vector_id FROM index_entries WHERE index_name = $index AND version = $version) i USING (vector_id)
"""

KEPT_KNOWLEDGE = KeptIndex(
    KNOWLEDGE,
    ENTRY_TEXTS,
    lambda settings: settings.vectorize.knowledge_index if settings.vectorize else None,
    _LATE,
    "No entry of a workflow has a vector of the chosen embedder yet, so no version is begun.",
    "They are sent with the next batch of texts; in Dagster a sensor sends them and goes on.",
)
embed_entries = partial(embed_linked, ENTRY_TEXTS)
sync_knowledge = partial(keeping.sync, KEPT_KNOWLEDGE)
keep_knowledge = partial(keeping.keep, KEPT_KNOWLEDGE)
knowledge_differences = partial(keeping.index_differences, KEPT_KNOWLEDGE)
embedder_and_build = partial(keeping.embedder_and_build, KEPT_KNOWLEDGE)


def index_is_due(connection: DuckDBPyConnection, model: Model, build: Build) -> bool:
    """Whether a sync would change the index. Not while entries are about to be embedded: it follows them."""
    return not to_embed(connection, ENTRY_TEXTS, model.id) and sync_is_due(connection, KNOWLEDGE, build)


def knowledge_state(connection: DuckDBPyConnection) -> str:
    """A digest of all that decides what the index should hold, and of its versions: while it is the same, nothing has
    changed."""
    row = connection.execute(
        """
        SELECT (SELECT bit_xor(hash(k)) FROM (
                    SELECT entry_id, focus_area, type, content, t_start, state, custom_id FROM knowledge_entries) k),
               (SELECT bit_xor(hash(x)) FROM (
                    SELECT subject, prompt_version, provider, model, custom_id, error IS NULL FROM extractions) x),
               (SELECT bit_xor(hash(c)) FROM (
                    SELECT workflow_id, source_id, focus_area, prompt_version, parts, state FROM workflow_cells) c),
               (SELECT bit_xor(hash(e)) FROM (
                    SELECT entry_id, embedder, content_sha256, error FROM entry_embeddings) e),
               (SELECT bit_xor(hash(v)) FROM (
                    SELECT version, state, wanted, present, built_at, error FROM index_versions
                    WHERE index_name = 'knowledge') v)
        """
    ).fetchone()
    return repr(row)
