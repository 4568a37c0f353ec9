"""A data folder of schema 23, the last in which an ask named a seed, met by the present program.

It was made by the program of that time, with the emulator: five bundled palettes, one analysis, ten models. Of two
palettes everything is collected, of the third the refinement is with the provider, of the fourth the tagging, and the
fifth is asked for and not sent.
"""

from __future__ import annotations

import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.migrations import newest_version
from grabient_assets_tests.pipeline.place import creates
from grabient_assets_tests.recordings.names import RENAMED
from grabient_assets_tests.recordings.pipeline import pipeline

ARCHIVE = Path(__file__).with_name("folder_of_schema_23.tar.xz")
TABLES = "SELECT table_name FROM duckdb_tables() WHERE NOT internal AND table_name <> 'schema_migrations'"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    yield tmp_path


def rows(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table, by the column names of schema 23."""
    found: dict[str, list[dict[str, Any]]] = {}
    with duckdb.connect(str(path), read_only=True) as connection:
        for (table,) in connection.execute(TABLES).fetchall():
            result = connection.execute(f"SELECT * FROM {table} ORDER BY ALL")
            names = [RENAMED.get((table, column[0]), column[0]) for column in result.description]
            found[table] = [dict(zip(names, row, strict=True)) for row in result.fetchall()]
    return found


def multiset(found: list[dict[str, Any]], columns: list[str]) -> Counter[str]:
    return Counter(repr([row[column] for column in columns]) for row in found)


def test_every_row_is_kept_and_every_ask_has_the_identity_it_had(folder: Path) -> None:
    path = folder / "grabient.duckdb"
    before = rows(path)
    assert {table for table, found in before.items() if found} >= {"asks", "batches", "batch_requests", "palette_tags"}
    with Warehouse(path).read() as connection:
        assert connection.execute("SELECT max(number) FROM schema_migrations").fetchall() == [(newest_version(),)]
        # What was sent then carries the custom_ids that the asks of now would be sent under.
        unknown = connection.execute(
            "SELECT count(*) FROM batch_requests r WHERE left(r.custom_id, -3) NOT IN "
            "(SELECT stem FROM asks WHERE stem IS NOT NULL)"
        ).fetchall()
        assert unknown == [(0,)]
        rests = connection.execute(
            "SELECT purpose, rests_on, count(*), count(basis), count(stem), min(delivery) FROM asks "
            "GROUP BY ALL ORDER BY 1"
        ).fetchall()
        assert rests == [("refinement", "tag_consensus", 3, 3, 3, "batch"), ("tagging", None, 50, 0, 50, "batch")]
        by_palette = connection.execute("SELECT count(DISTINCT seed), sum(cost_usd) FROM cost_by_palette").fetchall()
        by_purpose = connection.execute("SELECT sum(requests), sum(cost_usd) FROM cost_by_purpose").fetchall()
    after = rows(path)
    for table, found in before.items():
        assert len(after[table]) == len(found), table
        columns = list(found[0]) if found else []
        assert multiset(after[table], columns) == multiset(found, columns), table
    collected = [batch for batch in before["batches"] if batch["status"] == "collected"]
    assert by_palette == [(3, sum(batch["cost_usd"] for batch in collected))]
    assert by_purpose == [(sum(batch["request_count"] for batch in collected), by_palette[0][1])]


def test_what_was_open_goes_on_and_nothing_is_sent_twice(folder: Path) -> None:
    before = rows(folder / "grabient.duckdb")
    with pipeline(folder) as one:
        one.house.clock.wind(days=1)
        one.ask(lambda _: None)  # asks for nothing: what was open is collected, sent and refined
        sent = Counter(
            custom_id for create in creates(one.emulator.server.endpoint) for custom_id in create["custom_ids"]
        )
        refined = one.house.rows("SELECT count(*) FROM palette_tag_refined WHERE error IS NULL")
        open_asks = one.house.rows("SELECT count(*) FROM asks WHERE state = 'open'")
        chosen = [SubjectVersion("v1", seed) for (seed,) in one.house.rows("SELECT seed FROM palettes")]
    assert refined == [(5,)] and open_asks == [(0,)] and len(chosen) == 5
    assert set(sent.values()) == {1} and len(sent) == 55, "five palettes, ten models, and five refinements"
    assert sum(batch["request_count"] for batch in before["batches"]) == 43
