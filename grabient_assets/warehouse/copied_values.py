"""The values of a table as a copy reads, writes and compares them, as SQL of DuckDB.

DuckDB's extension writes a list of words to PostgreSQL without quotation marks around the word NULL, and the server
then reads a missing word. So a copy writes lists as texts in PostgreSQL's own notation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from grabient_assets.warehouse.migrations import SQL, migrations
from grabient_assets.warehouse.postgres_engine import INSTEAD_OF_NUL, literal

Columns = Sequence[tuple[str, str]]
"""Names and types of DuckDB."""
MIGRATIONS, LEASES = "schema_migrations", "leases"
"""No contents: each warehouse keeps its own list of migrations, and a lease says what a process does there."""
CLOCK = "ledger_clock"
"""It has its one row from the beginning, so it says nothing of whether a warehouse is empty."""

_NUL = "chr(0)"


@cache
def tables() -> Mapping[str, Columns]:
    """Every table of a copy with its columns, at the newest version."""
    import duckdb

    with duckdb.connect() as whole:
        for _, _, sql in migrations(SQL):
            whole.execute(sql)
        rows = whole.execute(
            "SELECT c.table_name, c.column_name, c.data_type FROM duckdb_columns() c JOIN duckdb_tables() "
            "USING (table_oid) ORDER BY 1, c.column_index"
        ).fetchall()
    found: dict[str, list[tuple[str, str]]] = {}
    for table, name, kind in rows:
        if table not in (MIGRATIONS, LEASES):
            found.setdefault(table, []).append((name, kind))
    return found


def has_lists(columns: Columns) -> bool:
    """Whether values of the table have to be written as texts."""
    return any(kind.endswith("]") for _, kind in columns)


def written_to_postgres(name: str, kind: str, *, from_postgres: bool) -> str:
    """The value as an INSERT gives it to PostgreSQL. Where it comes from there too, lists are texts already."""
    if from_postgres:
        return name
    if kind == "JSON":
        return _without_nul(f"{name}::VARCHAR")
    if kind == "VARCHAR":
        return _without_nul(name)
    if not kind.endswith("]"):
        return name
    if not kind.startswith("VARCHAR"):
        return f"replace(replace({name}::VARCHAR, '[', '{{'), ']', '}}')"
    word = _without_nul(r"""'"' || replace(replace(w, '\', '\\'), '"', '\"') || '"'""")
    words = f"list_transform({name}::VARCHAR[], lambda w: CASE WHEN w IS NULL THEN 'NULL' ELSE {word} END)"
    return f"CASE WHEN {name} IS NOT NULL THEN '{{' || array_to_string({words}, ',') || '}}' END"


def written_to_file(name: str, kind: str) -> str:
    """The value as an INSERT gives it to a DuckDB file: in the type that the column has there."""
    return f"{name}::{kind}"


def digest(table: str, columns: Columns, *, without_nul: bool) -> str:
    """A query for the number of rows, two sums over their fingerprints, and the number of texts with the character 0.

    The sums depend on every value and on no order. With `without_nul` they are those of what PostgreSQL can hold.
    """
    texts = [
        f"coalesce(strlen({text}) || ':' || {text}, '-')" for text in (_text(*one, without_nul) for one in columns)
    ]
    nul = " + ".join(f"coalesce({one}, 0)" for one in map(_count_nul, columns) if one) or "0"
    return (
        "SELECT count(*), coalesce(sum((n >> 64)::UBIGINT), 0), "
        "coalesce(sum((n & 18446744073709551615::UHUGEINT)::UBIGINT), 0), coalesce(sum(nul), 0) "
        f"FROM (SELECT md5_number({' || '.join(texts)}) AS n, {nul} AS nul FROM {table})"
    )


def _text(name: str, kind: str, without_nul: bool) -> str:
    """The text of a value of this type, exact and the same in every time zone."""
    value = f"{name}::{kind}"
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"CASE WHEN isfinite({value}) THEN epoch_us({value})::VARCHAR ELSE {value}::VARCHAR END"
    if kind.startswith("VARCHAR["):
        words = f"{value}::VARCHAR[]"
        if without_nul:
            words = f"list_transform({words}, lambda w: {_without_nul('w')})"
        return f"to_json({words})::VARCHAR"  # as JSON the word NULL and a missing one differ
    text = f"{value}::VARCHAR"
    return _without_nul(text) if without_nul and kind in ("VARCHAR", "JSON") else text


def _count_nul(column: tuple[str, str]) -> str | None:
    name, kind = column
    if kind in ("VARCHAR", "JSON"):
        return f"contains({name}::VARCHAR, {_NUL})::INTEGER"
    if kind.startswith("VARCHAR["):
        return f"len(list_filter({name}::VARCHAR[], lambda w: contains(w, {_NUL})))"
    return None


def _without_nul(text: str) -> str:
    return f"replace({text}, {_NUL}, {literal(INSTEAD_OF_NUL)})"
