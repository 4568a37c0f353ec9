"""DuckDB's plans of the statements that a function runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class Explained:
    """A connection that keeps the plan of each statement, as JSON: the boxes of a plain plan cut long names."""

    def __init__(self, connection: DuckDBPyConnection) -> None:
        self._connection = connection
        self.plans: list[str] = []

    def execute(self, query: str, *parameters: Any) -> DuckDBPyConnection:
        """Note the plan, then run the statement."""
        [(_, plan)] = self._connection.execute(f"EXPLAIN (FORMAT json) {query}", *parameters).fetchall()
        self.plans.append(plan)
        return self._connection.execute(query, *parameters)

    @property
    def connection(self) -> DuckDBPyConnection:
        """What functions take it for."""
        return cast("DuckDBPyConnection", self)
