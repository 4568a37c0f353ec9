"""Cells: one source x one focus area, and how each stands, from the view knowledge_coverage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

CellState = Literal["ok", "empty", "skipped", "failed", "waiting"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One row of `knowledge_coverage`. `empty`: the model says that the source has nothing on the area. `skipped`: it
    was not asked, because no word of the area stands in the text."""

    source_id: str
    focus_area: int
    prompt_version: str
    state: CellState
    error: str | None
    entries: int

    @property
    def covered(self) -> bool:
        """Whether it is known what the source says on the area."""
        return self.state in ("ok", "empty", "skipped")


def cells_of(connection: DuckDBPyConnection) -> list[Cell]:
    """Every cell that a workflow wants, by source and area; of several prompt versions the newest."""
    if not connection.execute("SELECT 1 FROM workflows LIMIT 1").fetchone():
        return []
    rows = connection.execute(
        f"""
        SELECT {", ".join(Cell.__dataclass_fields__)} FROM knowledge_coverage
        QUALIFY row_number() OVER (PARTITION BY source_id, focus_area ORDER BY prompt_version DESC) = 1
        ORDER BY source_id, focus_area
        """
    ).fetchall()
    return [Cell(*row) for row in rows]
