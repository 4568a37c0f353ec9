"""A run beside its recording."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from grabient_assets_tests.ledger.house import House
from grabient_assets_tests.recordings.names import Names
from grabient_assets_tests.recordings.request_lines import Lines, read_lines
from grabient_assets_tests.recordings.tables import Table, read_tables


@dataclass(frozen=True, slots=True)
class Run:
    """What was sent and stored, under the names that the recordings use."""

    requests: Mapping[str, Lines]
    tables: Mapping[str, Table]

    def document(self) -> dict[str, Any]:
        """What is recorded of it: counts and digests."""
        return {
            "requests": {name: lines.document() for name, lines in self.requests.items()},
            "tables": {
                name: {"rows": table.rows, "key": list(table.key), "columns": table.digests(table.key)}
                for name, table in self.tables.items()
            },
        }


def run_of(house: House) -> Run:
    """The requests and rows of a house whose pipeline has come to its end."""
    names, tables = Names(), read_tables(house.warehouse)
    unknown = names.unknown(tables)
    assert not unknown, f"names.py is about tables and columns that do not exist: {', '.join(unknown)}"
    return Run(read_lines(house), names.recorded(tables))


def differences(recording: Mapping[str, Any], run: Run) -> list[str]:
    """A sentence for each difference; first those of requests, which are often the cause of the others."""
    found = _names("Requests", recording["requests"], run.requests)
    for name, recorded in recording["requests"].items():
        if name in run.requests:
            found += _of_lines(f"Requests {name}", recorded, run.requests[name])
    found += _names("Table", recording["tables"], run.tables)
    for name, recorded in recording["tables"].items():
        if name in run.tables:
            found += _of_table(f"Table {name}", recorded, run.tables[name])
    return found


def _of_lines(what: str, recorded: Mapping[str, Any], lines: Lines) -> list[str]:
    now = lines.document()
    if now == recorded:
        return []
    first = f"the first line that differs is {lines.first_other(recorded['each'])}"
    if now["count"] != recorded["count"]:
        return [f"{what}: {now['count']} lines, {recorded['count']} are recorded; {first}."]
    return [f"{what}: {first}."]


def _of_table(what: str, recorded: Mapping[str, Any], table: Table) -> list[str]:
    found = _names(f"{what}: column", recorded["columns"], table.columns)
    if table.rows != recorded["rows"]:
        return [*found, f"{what}: {table.rows} rows; {recorded['rows']} are recorded."]
    if not table.columns.keys() >= set(recorded["key"]):
        return found
    now = table.digests(recorded["key"])
    others = [name for name, one in recorded["columns"].items() if now.get(name, one) != one]
    return [*found, *(f"{what}: column {name} has other values." for name in others)]


def _names(what: str, recorded: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    gone = [
        f"{what} {name} is recorded and gone, and nothing in RENAMED leads to it." for name in recorded.keys() - now
    ]
    new = [f"{what} {name} is not recorded, and not in ADDED." for name in now.keys() - recorded]
    return [*sorted(gone), *sorted(new)]
