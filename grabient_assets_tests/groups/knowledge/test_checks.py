"""Every check of entries says no when there is one bad row, and names it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from grabient_assets.groups.knowledge.checks import entry_checks
from grabient_assets.thresholds import ENTRY_WORDS, Finding
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets_tests.groups.knowledge.planted_workflow import NOW, Said, Told, plant
from grabient_assets_tests.warehouse.results import insert

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

CHECKS = {check.spec.name: check for check in entry_checks}
QUOTE = "Ask what the price is compared with."
GOOD = (Said("Ask what the price is compared with.", QUOTE), Said(" ".join(["word"] * ENTRY_WORDS), "Then wait, and"))
BAD = Said("Sell to everybody.", "not in the text", reason="Its quote does not stand in the text.")


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    """One talk with two good entries of the area 4 and one that is quarantined."""
    warehouse = Warehouse(tmp_path / "grabient.duckdb")
    with warehouse.write() as connection:
        plant(connection, [Told("yt_price", "Price", {4: [*GOOD, BAD]})])
        rows = connection.execute("SELECT entry_id FROM knowledge_entries WHERE state = 'ok'").fetchall()
        for (entry_id,) in rows:
            link(connection, entry_id)
    return warehouse


@pytest.fixture
def found(warehouse: Warehouse) -> Callable[[str], Finding]:
    def look(name: str) -> Finding:
        with warehouse.read() as connection:
            return CHECKS[name].find(connection)

    return look


def link(connection: DuckDBPyConnection, entry_id: str) -> None:
    values = {"embedder": "wordllama-256", "content_sha256": "a digest", "created_at": NOW}
    insert(connection, "entry_embeddings", entry_id=entry_id, **values)


def entry_of(warehouse: Warehouse, content: str) -> str:
    with warehouse.read() as connection:
        [row] = connection.execute("SELECT entry_id FROM knowledge_entries WHERE content = $1", [content]).fetchall()
    return row[0]


def change(warehouse: Warehouse, entry_id: str, **columns: object) -> None:
    with warehouse.write() as connection:
        for name, value in columns.items():
            connection.execute(f"UPDATE knowledge_entries SET {name} = $1 WHERE entry_id = $2", [value, entry_id])


def test_good_entries_pass_and_so_do_those_in_quarantine(warehouse: Warehouse, found: Callable[[str], Finding]) -> None:
    assert {name: found(name).found for name in CHECKS} == dict.fromkeys(CHECKS, 0)
    change(warehouse, entry_of(warehouse, BAD.content), type="tip", content="word " * 60, focus_area=10)
    assert {name: found(name).found for name in CHECKS} == dict.fromkeys(CHECKS, 0)


@pytest.mark.parametrize(
    ("columns", "shown"),
    [
        ({"type": "tip"}, "tip, 7 words"),
        ({"content": " ".join(["word"] * (ENTRY_WORDS + 1))}, f"technique, {ENTRY_WORDS + 1} words"),
        ({"content": "  "}, "technique, 3 words"),
        ({"focus_area": 0}, "technique, 7 words"),
        ({"focus_area": 10}, "technique, 7 words"),
    ],
)
def test_an_entry_off_its_schema_is_named(
    warehouse: Warehouse, found: Callable[[str], Finding], columns: dict[str, object], shown: str
) -> None:
    entry_id = entry_of(warehouse, GOOD[0].content)
    change(warehouse, entry_id, **columns)
    finding = found("entries_keep_to_their_schema")
    assert (finding.found, finding.examples) == (1, [f"{entry_id}: {shown}"])


@pytest.mark.parametrize(
    "columns",
    [{"quote_start": None}, {"quote_end": None}, {"quote_start": 9, "quote_end": 9}, {"quote": " "}],
)
def test_an_entry_without_the_place_of_its_quote_is_named(
    warehouse: Warehouse, found: Callable[[str], Finding], columns: dict[str, object]
) -> None:
    entry_id = entry_of(warehouse, GOOD[0].content)
    change(warehouse, entry_id, **columns)
    finding = found("entries_are_grounded")
    assert (finding.found, finding.examples) == (1, [entry_id])


def test_an_entry_in_quarantine_that_is_embedded_is_named(
    warehouse: Warehouse, found: Callable[[str], Finding]
) -> None:
    entry_id = entry_of(warehouse, BAD.content)
    with warehouse.write() as connection:
        link(connection, entry_id)
    finding = found("entries_are_grounded")
    assert (finding.found, finding.examples) == (1, [entry_id])
