from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from grabient_assets.gradient.facts import PaletteColours, describe
from grabient_assets.gradient.harmony import HARMONIES
from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES, STYLES
from grabient_assets.groups.palettes.loading import load_palettes
from grabient_assets.groups.palettes.palette_file import SAMPLES, PaletteFile, read_palette_file
from grabient_assets.groups.palettes.tables import palettes
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets_tests.vectors import vectors_dir


@pytest.fixture(scope="module")
def samples() -> PaletteFile:
    return read_palette_file(SAMPLES)


@pytest.fixture(scope="module")
def colours(samples: PaletteFile) -> list[PaletteColours]:
    return [describe(row.palette) for row in samples.rows]


def test_all_lines_are_palettes_with_their_own_name_and_colours(samples: PaletteFile):
    assert len(samples.rows) >= 48
    assert (samples.rejected, samples.duplicates) == ([], [])
    assert len({row.name for row in samples.rows if row.name}) == len(samples.rows)
    assert len({row.palette.palette_key for row in samples.rows}) == len(samples.rows)


def test_they_show_every_value_harmony_style_and_encoding(samples: PaletteFile, colours: list[PaletteColours]):
    for field, values in CATEGORICAL_VALUES.items():
        assert {getattr(one.facts, field) for one in colours} == set(values)
    assert {harmony for one in colours for harmony in one.harmonies} == set(HARMONIES)
    assert any(one.harmonies == () for one in colours)
    assert {row.style for row in samples.rows} == set(STYLES)
    assert {row.source_seed[0] == "_" and len(row.source_seed) for row in samples.rows} >= {37, 45, False}
    assert {"," in row.source_seed for row in samples.rows if row.source_seed[0] != "_"} == {True, False}
    assert len({row.steps for row in samples.rows}) >= 5
    assert len({row.angle for row in samples.rows}) >= 5


def test_they_are_none_of_the_real_palettes(samples: PaletteFile):
    path = vectors_dir().parent / "data" / "palettes.jsonl"
    if not path.exists():
        pytest.skip("the list of real palettes lies only on machines that hold the real system's outputs")
    real = {row.palette.palette_key for row in read_palette_file(path).rows}
    assert not real & {row.palette.palette_key for row in samples.rows}


def test_loading_again_renews_what_is_clear_cut(tmp_path: Path, samples: PaletteFile):
    warehouse = Warehouse(tmp_path / "grabient.duckdb")
    first = load_palettes(warehouse, samples, "samples", datetime(2026, 1, 1, tzinfo=UTC))
    with warehouse.write() as connection:
        before = palettes(connection)
        connection.execute("UPDATE palettes SET clear_cut = ['saturation'] WHERE len(clear_cut) != 2")
    again = load_palettes(warehouse, samples, "samples", datetime(2026, 2, 2, tzinfo=UTC))
    assert (len(first.accepted), again.accepted, len(again.known)) == (len(samples.rows), (), len(samples.rows))
    with warehouse.read() as connection:
        assert {one.seed: one for one in palettes(connection)} == {one.seed: one for one in before}
