"""A data folder as a run leaves it, put straight into its tables: ten palettes that the panel has answered, with their
consensus; six are refined and found by search."""

from __future__ import annotations

from pathlib import Path

from grabient_assets.groups.tagging.tallying import tally
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets_tests.cli.running import palettes
from grabient_assets_tests.groups.answered import AT, all_palettes, answered_warehouse
from grabient_assets_tests.groups.search.shelf import Shelf
from grabient_assets_tests.warehouse import results

PALETTES, REFINED = 10, 6
TEXTS = (
    "A harbour at dusk, navy water under a copper sky.",
    "Embers of a camp fire glow in a cold night.",
    "Ice on a mountain lake, pale and still.",
    "Moss on slate after a week of rain.",
    "Candy floss and lemonade at a summer fair.",
    "The deep sea, where no light comes.",
)


def furnish(folder: Path) -> Path:
    """Make it, in that folder."""
    warehouse = answered_warehouse(folder / "grabient.duckdb", 1, palettes(folder, PALETTES))
    tally(warehouse, all_palettes(warehouse), AT, "majority")
    with warehouse.write() as connection:
        rows = connection.execute(
            "SELECT seed, digest FROM tag_consensus JOIN palettes p USING (seed) ORDER BY p.place"
        )
        for (seed, digest), text in zip(rows.fetchall()[:REFINED], TEXTS, strict=True):
            words = {"temperature": "warm" if "fire" in text else "cool", "style": ["art deco"]}
            results.refined(connection, seed, embed_text=text, consensus_digest=digest, **words)
    Shelf(folder, {}).build()
    return folder


def seeds(folder: Path) -> list[str]:
    """The palettes in order of arrival."""
    with Warehouse(folder / "grabient.duckdb").read() as connection:
        rows = connection.execute("SELECT seed FROM palettes ORDER BY created_at, place").fetchall()
    return [row[0] for row in rows]
