"""What is read for portions of the palettes is looked up by the server; the rest of the table stays there."""

from __future__ import annotations

from pathlib import Path

from grabient_assets.groups.palettes.tables import images, palettes
from grabient_assets.groups.tagging.tag_consensus import consensus
from grabient_assets.groups.tagging.tags import answers
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets_tests.explained import Explained
from grabient_assets_tests.new_tables import NewTables


def test_palettes_are_looked_up_by_their_seed(new_tables: NewTables, tmp_path: Path) -> None:
    """Otherwise the consensus, 200 palettes at a time, reads all answers over the network each time."""
    one, other = "a seed", "another"
    with Warehouse(new_tables.new_address(), folder=tmp_path).read() as connection:
        explained = Explained(connection)
        pairs = [SubjectVersion("v1", one), SubjectVersion("v2", other)]
        assert not answers(explained.connection, pairs) and not consensus(explained.connection, pairs)
        assert not palettes(explained.connection, [one, other]) and not images(explained.connection, [one, other])
    reads = [plan for plan in explained.plans if "POSTGRES_SCAN" in plan]
    assert len(reads) == 4
    for plan in reads:
        assert "seed IN ('a seed', 'another')" in plan


def test_in_a_file_they_are_joined(tmp_path: Path) -> None:
    """DuckDB would compare every row with one literal after the other."""
    with Warehouse(tmp_path / "grabient.duckdb").read() as connection:
        explained = Explained(connection)
        assert not palettes(explained.connection, ["a seed", "another"])
    assert "HASH_JOIN" in explained.plans[-1] and "a seed" not in explained.plans[-1].partition("Filters")[2]
