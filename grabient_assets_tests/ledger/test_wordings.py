"""What was asked can be read for ever: its wording is kept from the moment it is asked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from grabient_assets.groups.palettes.palette_prompts import load_palette_prompts
from grabient_assets.groups.refinement.asking import ask_for_refinement
from grabient_assets.groups.tagging.adaptive import ask_in_waves
from grabient_assets.groups.tagging.asking import TaggingAsk
from grabient_assets.ledger.prompts import keep_wording
from grabient_assets_tests.ledger.house import House, palette

KEPT = "SELECT purpose, prompt_version, digest, text FROM {} ORDER BY recorded_at, digest"


@pytest.mark.parametrize("way", ["in full", "adaptively", "refinement"])
def test_asking_keeps_the_wording_although_nothing_is_ever_sent(house: House, way: str) -> None:
    """As when all answers are shared with another version: no batch carries the digest."""
    wanted, prompts = house.load(palette(1)), load_palette_prompts("v1")
    match way:
        case "in full":
            house.ask(wanted)
        case "adaptively":
            wish = TaggingAsk(wanted, ("openai", "groq"), 2, "emulator")
            ask_in_waves(wish, wish.providers, house.warehouse, house.clock())
        case _:
            ask_for_refinement(wanted, "emulator", house.warehouse, house.clock())
    said = prompts["refinement"] if way == "refinement" else prompts["tagging"]
    for table in ("prompt_versions", "prompt_texts"):
        assert house.rows(KEPT.format(table)) == [(said.purpose, "v1", said.digest, said.text)]


def test_an_edited_draft_loses_none_of_its_texts(house: House) -> None:
    first = replace(load_palette_prompts("v1")["tagging"], version="v2")
    edited = replace(first, digest="other", text="other text")
    copied = replace(first, version="v3")
    with house.warehouse.write() as connection:
        for prompt in (first, edited, first, edited, copied):
            keep_wording(connection, prompt, house.clock.wind(minutes=1))
    assert house.rows(KEPT.format("prompt_versions")) == [
        ("tagging", "v2", "other", "other text"),
        ("tagging", "v3", first.digest, first.text),
    ]
    assert house.rows(KEPT.format("prompt_texts")) == [
        ("tagging", "v2", first.digest, first.text),
        ("tagging", "v2", "other", "other text"),
    ]
