"""A run beside its recording: what is left out, what has another name since, and what differs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from grabient_assets_tests.batching.house import House
from grabient_assets_tests.recordings.requests import SHORT, Lines, read_requests
from grabient_assets_tests.recordings.tables import Table, read_tables

LEFT_OUT: Mapping[tuple[str, str | None], str] = {
    ("schema_migrations", None): "every change of the schema adds a row, with the wall-clock time",
    ("palette_images", "sha256"): "the PNG: how it is compressed differs between versions of the cairo library",
    ("palette_images", "bytes"): "the same",
    ("batches", "bodies_sha256"): "request lines hold PNGs; the lines are compared themselves, without them",
}
"""Tables (column None) and columns by their recorded names that no recording can hold, and why."""

RENAMED_TABLES: Mapping[str, str] = {}
"""Name today -> name in the recordings."""

RENAMED: Mapping[tuple[str, str], str] = {}
"""(table, column) by their names today -> the column's name in the recordings."""

ADDED: frozenset[str | tuple[str, str]] = frozenset()
"""Tables, and (table, column), by their names today, that the recordings do not know."""


def recorded_run(house: House) -> tuple[dict[str, Lines], dict[str, Table]]:
    """The requests and tables of a run, under the names that the recordings use."""
    found: dict[str, Table] = {}
    for name, table in read_tables(house.warehouse, _is_left_out).items():
        columns = {
            RENAMED.get((name, column), column): values
            for column, values in table.columns.items()
            if (name, column) not in ADDED
        }
        key = tuple(RENAMED.get((name, column), column) for column in table.key if (name, column) not in ADDED)
        found[RENAMED_TABLES.get(name, name)] = Table(key, columns)
    return read_requests(house), found


def recording_of(requests: Mapping[str, Lines], tables: Mapping[str, Table]) -> dict[str, Any]:
    """The run as a JSON document."""
    return {
        "requests": {name: lines.document() for name, lines in requests.items()},
        "tables": {
            name: {"rows": table.rows, "key": list(table.key), "columns": table.digests(table.key)}
            for name, table in tables.items()
        },
    }


def differences(recording: Mapping[str, Any], requests: Mapping[str, Lines], tables: Mapping[str, Table]) -> list[str]:
    """A sentence for everything in which the run differs from its recording: requests first, they are often the cause."""
    found = _names("Requests", recording["requests"], requests)
    for name, lines in requests.items():
        if name in recording["requests"]:
            found += _of_lines(name, recording["requests"][name], lines)
    found += _names("Table", recording["tables"], tables)
    for name, table in tables.items():
        if name in recording["tables"]:
            found += _of_table(name, recording["tables"][name], table)
    return found


def _of_lines(name: str, recorded: Mapping[str, Any], lines: Lines) -> list[str]:
    now = lines.document()
    if now == recorded:
        return []
    if now["count"] != recorded["count"]:
        return [f"Requests {name}: {now['count']} lines; {recorded['count']} are recorded."]
    each = recorded["each"]
    before = [each[start : start + SHORT] for start in range(0, len(each), SHORT)]
    others = [
        custom_id
        for custom_id, one, other in zip(lines.custom_ids, lines.digests, before, strict=True)
        if one[:SHORT] != other
    ]
    return [f"Requests {name}: {len(others)} of {now['count']} lines differ, the first is {others[0]}."]


def _of_table(name: str, recorded: Mapping[str, Any], table: Table) -> list[str]:
    found = _names(f"Table {name}: column", recorded["columns"], table.columns)
    if table.rows != recorded["rows"]:
        return [*found, f"Table {name}: {table.rows} rows; {recorded['rows']} are recorded."]
    if not set(recorded["key"]) <= table.columns.keys():
        return found
    digests = table.digests(recorded["key"])
    others = [column for column, one in digests.items() if one != recorded["columns"].get(column, one)]
    return [*found, *(f"Table {name}: column {column} has other values." for column in others)]


def _names(what: str, recorded: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    gone = [f"{what} {name} is gone, and nothing is renamed to it." for name in recorded if name not in now]
    return [*gone, *(f"{what} {name} is new: not recorded and not in ADDED." for name in now if name not in recorded)]


def _is_left_out(table: str, column: str | None) -> bool:
    """By the names of today. What is in ADDED is left out as well."""
    recorded = RENAMED_TABLES.get(table, table)
    if column is None:
        return table in ADDED or (recorded, None) in LEFT_OUT
    return (table, column) in ADDED or (recorded, RENAMED.get((table, column), column)) in LEFT_OUT
