"""Coverage: what every source says in every focus area, as far as it was read, and figures of the entries."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from grabient_assets.groups.knowledge.areas import AREAS

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

CellState = Literal["ok", "empty", "skipped", "failed", "waiting"]
STATES: tuple[CellState, ...] = get_args(CellState)


@dataclass(frozen=True, slots=True)
class Cell:
    """One source x one focus area. `title` is the source's, or its address; `entries` are distinct ones. `empty`: the
    model says that the source has nothing on the area; `skipped`: no word of the area stands in it, so none was asked.
    """

    source_id: str
    title: str
    focus_area: int
    state: CellState
    entries: int
    error: str | None

    @property
    def covered(self) -> bool:
        """Whether it is known what the source says on the area."""
        return self.state in ("ok", "empty", "skipped")


@dataclass(frozen=True, slots=True)
class Coverage:
    """The cells, source by source as they were added; how many entries models gave, of how many the quote stands in
    the text, how many were kept, and how many different contents these have."""

    cells: tuple[Cell, ...]
    given: int
    grounded: int
    kept: int
    distinct: int

    @property
    def rows(self) -> dict[tuple[str, str], dict[int, Cell]]:
        """Source and title -> area -> cell."""
        found: dict[tuple[str, str], dict[int, Cell]] = {}
        for cell in self.cells:
            found.setdefault((cell.source_id, cell.title), {})[cell.focus_area] = cell
        return found

    @property
    def figures(self) -> dict[str, Any]:
        """Shares from 0 to 1, None where there is nothing to divide by; the yield is entries per ok cell."""
        states, entries = Counter(cell.state for cell in self.cells), dict.fromkeys(range(1, len(AREAS) + 1), 0)
        for cell in self.cells:
            entries[cell.focus_area] += cell.entries if cell.state == "ok" else 0
        covered = sum(cell.covered for cell in self.cells)  # that nothing is said is an answer
        return {
            "cells": len(self.cells),
            "by_state": {state: states[state] for state in STATES},
            "entries_by_area": entries,
            "coverage": covered / len(self.cells) if self.cells else None,
            "yield": sum(entries.values()) / states["ok"] if states["ok"] else None,
            "grounded": self.grounded / self.given if self.given else None,
            "quarantined": self.given - self.kept,
            "duplicates": self.kept - self.distinct,
        }

    def document(self) -> dict[str, Any]:
        """The figures with the cells, as JSON."""
        return {**self.figures, "sources": len(self.rows), "list": [asdict(cell) for cell in self.cells]}


def read_coverage(connection: DuckDBPyConnection, workflow_id: str | None = None) -> Coverage:
    """The coverage of a workflow, or of all: then each source under the newest prompt version that read it."""
    cells = connection.execute(
        """SELECT c.source_id, coalesce(s.title, s.locator), c.focus_area, c.state, c.entries, c.error
        FROM workflow_cells c JOIN sources s USING (source_id) JOIN workflow_sources m USING (workflow_id, source_id)
        WHERE $1::VARCHAR IS NULL OR c.workflow_id = $1
        QUALIFY row_number() OVER (PARTITION BY c.source_id, c.focus_area ORDER BY length(c.prompt_version) DESC,
            c.prompt_version DESC, c.workflow_id) = 1
        ORDER BY m.added_at, m.position, c.source_id, c.focus_area""",
        [workflow_id],
    ).fetchall()
    entries = connection.execute(
        """SELECT count(*), count(quote_start), count(*) FILTER (state = 'ok'),
               count(DISTINCT content_sha256) FILTER (state = 'ok')
        FROM knowledge_entries WHERE custom_id IN (SELECT custom_id FROM extractions JOIN cell_readings USING
            (source_id, focus_area, prompt_version, provider, model) WHERE $1::VARCHAR IS NULL OR workflow_id = $1)""",
        [workflow_id],
    ).fetchall()[0]
    return Coverage(tuple(Cell(*row) for row in cells), *entries)
