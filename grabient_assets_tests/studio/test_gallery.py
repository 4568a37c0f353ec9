"""The gallery: palettes by meaning, by letters, by tags and by how they stand."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest

from grabient_assets.groups.palettes.tables import PaletteRecord, palettes
from grabient_assets.studio.rendering import gradient
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets_tests.cli.running import typed
from grabient_assets_tests.studio.furnished import PALETTES, REFINED, seeds
from grabient_assets_tests.studio.opened import opened
from grabient_assets_tests.warehouse import results

_HIT = re.compile(r'data-seed="([^"]+)" data-score="([^"]+)"')


def change(data: Path, statement: str, *values: object) -> None:
    with Warehouse(data / "grabient.duckdb").write() as connection:
        connection.execute(statement, list(values))


def record(data: Path, seed: str) -> PaletteRecord:
    with Warehouse(data / "grabient.duckdb").read() as connection:
        return palettes(connection, [seed])[0]


def test_all_palettes_in_order_of_arrival_as_they_are_drawn(data: Path) -> None:
    studio = opened(data)
    page, html = studio.json("/palettes.json"), studio.html("/palettes")
    assert [one["seed"] for one in page["palettes"]] == seeds(data) and page["total"] == PALETTES
    listed = typed(data, "palettes", "--json").json["palettes"]
    assert [(one["state"], one["reason"] or None) for one in page["palettes"]] == [
        (one["state"], one["reason"]) for one in listed
    ]
    assert re.findall(r'data-seed="([^"]+)"', html) == seeds(data) and "data-score" not in html
    for one in page["palettes"]:
        palette = record(data, one["seed"])
        assert f'style="background: {gradient(palette.hex, palette.style, palette.angle)}"' in unescape(html)
    assert page["palettes"][5]["text"] == "The deep sea, where no light comes."


def test_a_search_finds_what_the_command_finds(data: Path) -> None:
    studio = opened(data)
    page, html = studio.json("/palettes.json", q="cold water"), studio.html("/palettes", q="cold water")
    hits = typed(data, "search", "cold water", "--json").json["hits"]
    assert [(one["seed"], one["score"], one["tags"]) for one in page["palettes"]] == [
        (hit["seed"], hit["score"], hit["why"]) for hit in hits
    ]
    assert [(seed, float(score)) for seed, score in _HIT.findall(html)] == [(hit["seed"], hit["score"]) for hit in hits]
    assert (page["found_by"], page["total"]) == ("meaning", REFINED)
    warm = studio.json("/palettes.json", q="cold water", where="temperature=warm")
    assert [one["text"] for one in warm["palettes"]] == ["Embers of a camp fire glow in a cold night."]
    assert studio.json("/palettes.json", q="cold water", state="tagged")["total"] == 0


def test_filters_stand_in_the_address(data: Path) -> None:
    studio = opened(data)
    two = studio.json("/palettes.json", where=["temperature=cool", "style=art deco"])
    assert two["total"] == REFINED - 1
    assert studio.json("/palettes.json", state="tagged")["filters"] == [
        {"text": "state: tagged", "without": "/palettes"}
    ]
    assert two["filters"][0] == {"text": "temperature: cool", "without": "/palettes?where=style%3Dart+deco"}
    assert studio.json(two["filters"][0]["without"].replace("?", ".json?"))["total"] == REFINED
    assert studio.json("/palettes.json", state="tagged")["total"] == PALETTES - REFINED
    assert studio.json("/palettes.json", state="refined", where="temperature=warm")["total"] == 1
    moods = next(one for one in two["choices"] if one["name"] == "mood")
    assert moods["values"] == [{"value": "calm", "palettes": REFINED}]
    html = studio.html("/palettes", where="temperature=cool", state="refined")
    assert '<option value="temperature=cool" selected>' in html and '<option value="refined" selected>' in html


def test_changed_is_what_was_refined_after_its_export(data: Path) -> None:
    studio = opened(data)
    assert studio.json("/palettes.json", state="changed")["total"] == REFINED
    change(
        data,
        "INSERT INTO exported_palettes SELECT 'site', seed, 'v1', 'digest', now() FROM palette_tag_refined",
    )
    assert studio.json("/palettes.json", state="changed")["total"] == 0
    change(data, "UPDATE palette_tag_refined SET created_at = now() + INTERVAL 1 HOUR WHERE seed = ?", seeds(data)[2])
    assert [one["seed"] for one in studio.json("/palettes.json", state="changed")["palettes"]] == [seeds(data)[2]]


def test_before_there_is_an_index_names_are_looked_through(data: Path) -> None:
    change(data, "DELETE FROM index_entries")
    change(data, "DELETE FROM index_versions")
    studio = opened(data)
    page = studio.json("/palettes.json", q="harbour at")
    assert (page["found_by"], page["total"], page["palettes"][0]["name"]) == ("letters", 1, "Harbour at dusk")
    assert page["note"].startswith("There is no search index yet")
    assert "<code>grabient index sync</code>" in studio.html("/palettes", q="harbour at")


def test_an_index_of_a_paid_embedder_is_not_asked_by_looking(data: Path) -> None:
    change(data, "UPDATE index_versions SET embedder = 'text-embedding-3-small'")
    page = opened(data).json("/palettes.json", q="harbour")
    assert page["found_by"] == "letters" and "a page sends nothing" in page["note"]


def test_pages_of_sixty(data: Path) -> None:
    with Warehouse(data / "grabient.duckdb").write() as connection:
        for number in range(60):
            results.palette(connection, f"more-{number}", f"More {number}", results.NOON)
    studio = opened(data)
    first, second = studio.json("/palettes.json"), studio.json("/palettes.json", page=2)
    assert (len(first["palettes"]), len(second["palettes"]), first["pages"]) == (60, 10, 2)
    assert (first["next"], first["previous"], second["previous"]) == ("/palettes?page=2", None, "/palettes")
    assert not {one["seed"] for one in first["palettes"]} & {one["seed"] for one in second["palettes"]}
    assert 'rel="next" href="/palettes?page=2"' in studio.html("/palettes")
    beyond = studio.html("/palettes", page=9)
    assert "There is no page 9." in beyond


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"where": "taste=sweet"}, "names 'taste'"),
        ({"where": "mood"}, "write it as temperature=warm"),
        ({"state": "odd"}, "There is no state 'odd'"),
        ({"q": "?!"}, "holds no letter or digit"),
        ({"version": "v99"}, "no prompt version 'v99'"),
    ],
)
def test_what_cannot_be_asked_for_is_a_sentence(data: Path, query: dict[str, str], sentence: str) -> None:
    studio = opened(data)
    answer = studio.client.get("/palettes", params=query)
    assert answer.status_code in (400, 404) and sentence in unescape(answer.text)


def test_texts_of_models_and_files_are_text(data: Path) -> None:
    evil = '"><script>alert(1)</script>'
    change(data, "UPDATE palettes SET name = ? WHERE seed = ?", evil, seeds(data)[0])
    change(data, "UPDATE palette_tag_refined SET embed_text = ?, mood = [?]", evil, evil)
    html = opened(data).html("/palettes", q="sea")
    assert "<script>alert" not in html and html.count("&lt;script&gt;alert(1)") > REFINED


def test_only_colours_get_into_a_style() -> None:
    assert gradient(["#000000", "red;} body{", "#ffffff"]) == "linear-gradient(90deg, #000000, #ffffff)"
    assert gradient(["#000000", "#ffffff"], "radialGradient") == (
        "radial-gradient(circle farthest-corner, #000000, #ffffff)"
    )
    assert gradient(["#000000", "#ffffff"], "angularSwatches", 405) == (
        "conic-gradient(from 45deg, #000000 0.00% 50.00%, #ffffff 50.00% 100.00%)"
    )
