"""What a person sees in the browser: the palette itself, its words, and the groups of the lineage."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from grabient_assets.gradient.colour_data import describe
from grabient_assets.gradient.seed import decode_seed
from grabient_assets.gradient.thumbnail import thumbnail
from grabient_assets_tests.dagster_ui.chromium import page, pictures, words
from grabient_assets_tests.dagster_ui.conftest import Carried
from grabient_assets_tests.pipeline.driven import AFTER_PICTURES

pytestmark = pytest.mark.xdist_group("dagster_ui")


def partition_page(carried: Carried, asset: str, key: str) -> str:
    return page(f"{carried.dev.url}/assets/{asset}?view=partitions&partition={quote(key, safe='')}")


def row(carried: Carried, columns: str, table: str, key: str) -> tuple[object, ...]:
    from grabient_assets.warehouse.connection import Warehouse

    with Warehouse(carried.dev.folder / "grabient.duckdb").read() as connection:
        found = connection.execute(f"SELECT {columns} FROM {table} WHERE prompt_version || '|' || seed = ?", [key])
        [only] = found.fetchall()
    return only


def test_the_consensus_of_a_palette_shows_its_picture_and_the_votes(carried: Carried):
    key = carried.keys[1]
    shown = partition_page(carried, "tag_consensus", key)
    assert thumbnail(describe(decode_seed(key.removeprefix("v1|"))).hex) in pictures(shown)
    temperature, mood = row(carried, "temperature, votes->'mood'->0->>'value'", "tag_consensus", key)
    text = words(shown)
    assert "votes (models)" in text
    assert f"temperature {temperature} " in text and f"mood {mood} " in text


def test_the_refined_tags_of_a_palette_show_its_picture_and_its_words(carried: Carried):
    key = carried.keys[2]
    shown = partition_page(carried, "refined_tags", key)
    assert thumbnail(describe(decode_seed(key.removeprefix("v1|"))).hex) in pictures(shown)
    mood, associations = row(carried, "mood, associations", "palette_tag_refined", key)
    assert isinstance(mood, list) and isinstance(associations, list)
    text = words(shown)
    assert ", ".join(mood) in text and ", ".join(associations) in text


def test_the_lineage_shows_the_three_groups(carried: Carried):
    text = words(page(f"{carried.dev.url}/asset-groups"))
    for group in ("palettes", "tagging", "refinement"):
        assert f" {group} " in text


def test_a_group_shows_its_assets(carried: Carried):
    text = words(page(f"{carried.dev.url}/locations/grabient/asset-groups/tagging"))
    for asset in [name for name in AFTER_PICTURES if "refine" not in name and name != "embed_text"]:
        assert asset in text
