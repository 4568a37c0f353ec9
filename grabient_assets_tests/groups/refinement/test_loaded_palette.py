"""The palette that a person means: by its seed, by the vector_id of a search hit, or by its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from grabient_assets.errors import UsageError
from grabient_assets.groups.palettes.palette_line import typed_palette
from grabient_assets.groups.refinement.explaining import loaded_palette
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets_tests.warehouse import results

KEY = typed_palette("_gH0gH0gH0gH0gH0gH0gPogPogPogAAgFNgKb").palette.canonical


def test_by_the_vector_id_of_a_hit(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "grabient.duckdb")
    with warehouse.write() as connection:
        results.palette(connection, "brighter", name="Brighter")
        connection.execute("UPDATE palettes SET palette_key = ? WHERE seed = 'brighter'", [KEY])
    with warehouse.read() as connection:
        assert loaded_palette(connection, KEY).seed == "brighter", "the seed is another than the key"
    with warehouse.write() as connection:
        results.palette(connection, "darker", name="")
        connection.execute("UPDATE palettes SET palette_key = ?, name = NULL WHERE seed = 'darker'", [KEY])
    with warehouse.read() as connection, pytest.raises(UsageError) as refused:
        loaded_palette(connection, KEY)
    assert str(refused.value) == (
        f"2 palettes have the palette_key {KEY}. Give the seed of one of them:\n"
        "  Brighter brighter\n  without a name darker"
    )
    with warehouse.write() as connection:
        results.palette(connection, KEY)
    with warehouse.read() as connection:
        assert loaded_palette(connection, KEY).seed == KEY, "a seed is meant before a key"
