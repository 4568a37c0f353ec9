"""What the recordings call the tables and columns of today, and what no recording can hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from grabient_assets_tests.recordings.tables import Table

RENAMED_TABLES: Mapping[str, str] = {}
"""Name today -> name in the recordings."""

RENAMED: Mapping[tuple[str, str], str] = {
    ("asks", "subject"): "seed",
    ("batch_requests", "subject"): "seed",
    ("cost_by_request", "subject"): "seed",
    ("cost_by_request_and_wave", "subject"): "seed",
}
"""(table, column), by their names today -> the name of the column in the recordings."""

ADDED: frozenset[str | tuple[str, str]] = frozenset(
    {
        "cost_by_purpose",
        "embeddings",
        "imported_requests",
        "imports",
        *("leases", "direct_calls"),
        "prompt_votes",
        "texts",
        *("palette_embeddings", "indexes", "index_versions", "index_entries", "index_mutations", "search_reports"),
        *("images", "chorus_groups", "chorus_runs", "artist_statements", "artworks", "artwork_signals"),
        *("edit_requests", "edit_inputs", "edited_images", "edit_measures", "edits", "image_chains"),
        *("artist_fingerprints", "artist_pairs", "comparison_votes", "artist_ratings"),
        *("workflows", "sources", "workflow_sources", "source_queue", "chunks", "source_windows", "extractions"),
        *("knowledge_entries", "entry_embeddings", "chunk_embeddings", "fetch_states", "cell_readings"),
        *("workflow_cells", "knowledge_coverage", "workflow_entries", "workflow_status"),
        ("palettes", "place"),
        ("request_sizes", "delivery"),
        *(("asks", name) for name in ("delivery", "subject_key", "rests_on", "basis", "stem")),
        *(("batches", name) for name in ("delivery", "kind")),
        *(
            ("batch_requests", name)
            for name in ("input_image_tokens", "output_image_tokens", "began_at", "answered_at")
        ),
        *(("cost_by_request", name) for name in ("delivery", "input_image_tokens", "output_image_tokens")),
        ("cost_by_request_and_wave", "delivery"),
    }
)
"""Tables, and (table, column), by their names today, that the recordings do not know."""

LEFT_OUT: Mapping[str | tuple[str, str], str] = {
    "schema_migrations": "every change of the schema adds a row, with the time of the wall clock",
    ("palette_images", "sha256"): "that of the PNG, whose compression differs between versions of the cairo library",
    ("palette_images", "bytes"): "the same",
    ("exported_palettes", "row_sha256"): "that of a text with times in the time zone of the machine",
    ("palette_exports", "sha256"): "its rows are sorted now; before, their order depended on the threads of DuckDB",
    ("palette_exports", "bytes"): "the same",
    ("batches", "bodies_sha256"): "that of request lines with PNGs in them; the lines are compared without these",
}
"""Tables, and (table, column), by their names in the recordings, that are not compared, and why."""


@dataclass(frozen=True, slots=True)
class Names:
    """The names of today beside those of the recordings."""

    renamed_tables: Mapping[str, str] = field(default_factory=lambda: RENAMED_TABLES)
    renamed: Mapping[tuple[str, str], str] = field(default_factory=lambda: RENAMED)
    added: frozenset[str | tuple[str, str]] = ADDED
    left_out: Mapping[str | tuple[str, str], str] = field(default_factory=lambda: LEFT_OUT)

    def recorded(self, tables: Mapping[str, Table]) -> dict[str, Table]:
        """The tables under their recorded names, without what is added or left out."""
        found: dict[str, Table] = {}
        for name, table in tables.items():
            recorded = self.renamed_tables.get(name, name)
            if name in self.added or recorded in self.left_out:
                continue
            columns = {
                column: self.renamed.get((name, column), column)
                for column in table.columns
                if (name, column) not in self.added
                and (recorded, self.renamed.get((name, column), column)) not in self.left_out
            }
            found[recorded] = Table(
                tuple(columns[column] for column in table.key if column in columns),
                {columns[column]: values for column, values in table.columns.items() if column in columns},
            )
        return found

    def unknown(self, tables: Mapping[str, Table]) -> list[str]:
        """Entries about tables and columns that do not exist."""
        today = {*tables, *((name, column) for name, table in tables.items() for column in table.columns)}
        recorded = {self.renamed_tables.get(name, name) for name in tables}
        recorded |= {
            (self.renamed_tables.get(name, name), self.renamed.get((name, column), column))
            for name, table in tables.items()
            for column in table.columns
        }
        of_today = [*self.renamed_tables, *self.renamed, *self.added]
        wrong = [one for one in of_today if one not in today] + [one for one in self.left_out if one not in recorded]
        return [".".join([one] if isinstance(one, str) else one) for one in wrong]
