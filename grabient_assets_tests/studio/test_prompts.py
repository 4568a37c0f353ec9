"""Two prompt versions side by side, and the blind choice between them."""

from __future__ import annotations

import html
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from grabient_assets.groups.calibration.prompt_votes import (
    VOTED_PALETTES,
    Choice,
    PromptVote,
    record_vote,
    shown_palettes,
    sides,
    tally,
    vote_of,
)
from grabient_assets.studio.word_changes import Piece, changed_tags, changed_words
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets_tests.studio.opened import Opened, opened
from grabient_assets_tests.warehouse.results import palette, refined

NOW = datetime(2026, 11, 30, 14, tzinfo=UTC)
PAIR = {"left": "v1", "right": "v2"}
PALETTES = 23
TEXTS = {"v1": "A calm <b>harbour</b> at dusk.", "v2": "A wild <b>harbour</b> at night."}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Palettes that were refined under both versions, one of them alike; and two of which one version has nothing."""
    file = tmp_path_factory.mktemp("filled") / "grabient.duckdb"
    with Warehouse(file).write() as connection:
        for number in range(PALETTES):
            seed = f"seed-{number:02}"
            palette(connection, seed, f"Palette {number}")
            for version, text in TEXTS.items():
                refined(connection, seed, prompt_version=version, embed_text=text, mood=["calm", version])
        for seed in ("alike", "half", "broken"):
            palette(connection, seed)
        for version in TEXTS:
            refined(connection, "alike", prompt_version=version)
            refined(connection, "broken", "truncated" if version == "v2" else None, prompt_version=version)
        refined(connection, "half")
    return file


@pytest.fixture
def studio(filled: Path, tmp_path: Path) -> Opened:
    shutil.copy(filled, tmp_path)
    return opened(tmp_path, clock=lambda: NOW)


def test_changed_words_are_marked_where_they_stand() -> None:
    left, right = changed_words("A calm  harbour at dusk.", "A very calm harbour.")
    assert left == (Piece("A "), Piece("calm  "), Piece("harbour at dusk.", "del"))
    assert right == (Piece("A "), Piece("very", "ins"), Piece(" "), Piece("calm "), Piece("harbour.", "ins"))
    assert changed_words("one  two", "one two") == ((Piece("one  two"),), (Piece("one two"),)), "blanks are no words"
    assert changed_words("", "") == ((), ())
    assert changed_tags(("a", "b"), ("b", "c")) == (
        (Piece("a", "del"), Piece("b")),
        (Piece("b"), Piece("c", "ins")),
    )


def test_versions_stand_beside_each_other(studio: Opened) -> None:
    found = studio.json("/prompts/compare.json", **PAIR)
    assert (found["total"], found["pages"], len(found["palettes"])) == (PALETTES + 1, 2, 20)
    later = studio.json("/prompts/compare.json", page=2, **PAIR)["palettes"]
    seeds = [one["seed"] for one in (*found["palettes"], *later)]
    assert sorted(seeds) == sorted(["alike", *(f"seed-{number:02}" for number in range(PALETTES))])
    assert seeds[-1] == "alike", "those that changed most come first"
    page = studio.html("/prompts/compare", **PAIR)
    assert "A <del>calm</del> &lt;b&gt;harbour&lt;/b&gt; at <del>dusk.</del>" in page
    assert "A <ins>wild</ins> &lt;b&gt;harbour&lt;/b&gt; at <ins>night.</ins>" in page
    assert "<li>calm</li><li><del>v1</del></li>" in page and "<b>harbour" not in page
    assert "There is no page 9." in studio.html("/prompts/compare", page=9, **PAIR)
    assert studio.client.get("/prompts/compare", params={"left": "v1", "right": "v1"}).status_code == 400
    nothing = studio.html("/prompts/compare", left="v1", right="<b>")
    assert "No palette has been refined under both v1 and &lt;b&gt;." in nothing


def test_the_list_names_the_versions_and_what_they_share(studio: Opened) -> None:
    found = studio.json("/prompts.json")
    [pair] = found["pairs"]
    assert (pair["left"], pair["right"], pair["palettes"]) == ("v1", "v2", PALETTES + 1)
    assert {(one["prompt_version"], one["purpose"]) for one in found["prompts"]} >= {
        ("v1", "tagging"),
        ("v2", "tagging"),
    }
    assert "No vote yet." in studio.html("/prompts")


def test_sides_are_shuffled_by_palette_and_rater_alone() -> None:
    seeds = [f"s{number}" for number in range(40)]
    mine = [sides("v1", "v2", seed, "me") for seed in seeds]
    assert mine == [sides("v2", "v1", seed, "me") for seed in seeds]
    assert {("v1", "v2"), ("v2", "v1")} == set(mine)
    assert mine != [sides("v1", "v2", seed, "you") for seed in seeds]


def _shown(studio: Opened, **query: Any) -> Any:
    return studio.json("/prompts/blind.json", **{**PAIR, **query})


def test_nothing_on_the_page_tells_the_versions_apart(studio: Opened) -> None:
    one, other = _shown(studio), _shown(studio, left="v2", right="v1")
    assert one["shown"] == other["shown"]
    assert (one["palettes"], one["done"], one["result"]) == (VOTED_PALETTES, 0, None)
    page = studio.html("/prompts/blind", **PAIR)
    form = page[page.index('<div class="two">') : page.index("</form>")]
    assert form.count("&lt;b&gt;harbour") == 2 and "<del>" not in page and "<ins>" not in page
    assert not re.search(r"v[12]", re.sub(r'<li class="tag">v[12]</li>', "", form)), "the tags of this test alone"
    assert [f'data-key="{key}"' in page for key in "120"] == [True] * 3


def test_a_rater_votes_until_the_names_are_shown(studio: Opened) -> None:
    """v2 is preferred in 15 of 20: Wilson's interval, from 53.1 % to 88.8 %, is that of a table."""
    with studio.studio.to_read().read() as connection:
        seen = shown_palettes(connection, *PAIR.values())

    def choose(seed: str, version: str) -> Choice:
        return "left" if sides("v1", "v2", seed, "ann")[0] == version else "right"

    votes: list[tuple[str, Choice]] = [
        (seed, choose(seed, "v2" if number < 15 else "v1")) for number, seed in enumerate(seen)
    ]
    with studio.studio.to_write().write() as connection:
        for seed, side in votes[1:-1]:
            record_vote(connection, vote_of("v1", "v2", seed, side, "ann", NOW))
    for number, (seed, side) in enumerate((votes[0], votes[-1])):
        found = _shown(studio, rater="ann")
        assert (found["shown"]["seed"], found["done"]) == (seed, VOTED_PALETTES - 2 + number)
        [words] = [one for one in found["shown"]["sides"] if one["side"] == side]
        assert ("v2" if number == 0 else "v1") in words["tags"], "what the page shows there is that version"
        vote = {**PAIR, "rater": "ann", "seed": seed, "choice": side}
        assert studio.post("/prompts/votes", data=vote).status_code == 200
        assert studio.post("/prompts/votes", data={**vote, "choice": "tie"}).status_code == 200, "the first one stands"
    assert len(set(seen)) == VOTED_PALETTES and "alike" not in seen
    result = _shown(studio, rater="ann")["result"]
    assert (result["mine"]["first"], result["mine"]["second"], result["mine"]["ties"]) == (5, 15, 0)
    assert [round(result["mine"][name], 3) for name in ("share", "low", "high")] == [0.75, 0.531, 0.888]
    assert sorted(one["seed"] for one in result["votes"]) == sorted(seen) and result["raters"] == 1
    page = html.unescape(studio.html("/prompts/blind", rater="ann", **PAIR))
    assert 'v2 is preferred in <b class="number">75 %</b>' in page and "That is hardly chance." in page
    swapped = _shown(studio, rater="ann", left="v2", right="v1")["result"]["mine"]
    assert (swapped["first"], swapped["second"], swapped["share"]) == (15, 5, 0.25)
    assert _shown(studio, rater="bob")["done"] == 0, "everybody sees them all"
    assert studio.json("/prompts.json")["pairs"][0]["tally"]["second"] == 15


def test_a_vote_is_for_what_was_shown(studio: Opened) -> None:
    seed = _shown(studio)["shown"]["seed"]
    for wrong in ({"seed": "alike", "choice": "left"}, {"seed": seed, "choice": "both"}, {"seed": seed}):
        assert studio.post("/prompts/votes", data={**PAIR, **wrong}).status_code == 400
    assert studio.client.post("/prompts/votes", data={**PAIR, "seed": seed, "choice": "tie"}).status_code == 403
    assert _shown(studio)["done"] == 0
    moved = studio.client.post(
        "/prompts/votes",
        data={**PAIR, "token": studio.token, "seed": seed, "choice": "tie", "rater": " <i>me</i> "},
        follow_redirects=False,
    )
    assert moved.status_code == 303
    assert "2 of 20" in studio.client.get(moved.headers["location"]).text


def test_ties_alone_have_no_share() -> None:
    votes = [PromptVote("a", "s", "v1", "v2", "tie", "me", NOW)]
    found = tally(votes, "v1", "v2")
    assert (found.first, found.second, found.ties, found.share) == (0, 0, 1, None)
