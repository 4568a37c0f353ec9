"""The pages of the chorus over a group with every kind of run, without any provider."""

from __future__ import annotations

import hashlib
import re
from decimal import Decimal
from pathlib import Path

import pytest

from grabient_assets.groups.comparisons.votes import next_duel
from grabient_assets_tests.studio.opened import Opened, opened
from grabient_assets_tests.studio.planted_chorus import ARTISTS, GROUP, NOW, SCRIPT, plant_chorus, png


@pytest.fixture
def studio(tmp_path: Path) -> Opened:
    plant_chorus(tmp_path)
    return opened(tmp_path, clock=lambda: NOW)


def test_the_grid_shows_every_run_with_its_caption_and_every_hole_with_its_reason(studio: Opened) -> None:
    page, data = studio.html(f"/chorus/{GROUP}"), studio.json(f"/chorus/{GROUP}.json")
    assert data["counts"] == {"queued": 0, "generating": 0, "done": 4, "failed": 2, "cancelled": 0}
    cells = re.findall(r'<td data-run="([^"]+)" data-status="(\w+)"', page)
    assert sorted(cells) == sorted((run["run_id"], run["status"]) for run in data["runs"]) and len(cells) == 6
    assert page.count("gpt-6-luna → gpt-image-2.5-flare") == 2
    assert "no image prompt, so nothing was painted" in page and "Not this." in page
    assert "<script>alert" not in page and "&lt;script&gt;alert" in page
    assert [one["done"] for one in data["columns"]] == [2, 2, 0]
    [file] = set(re.findall(r"/files/(images/[0-9a-f]{64}\.png)", page)) & {data["rows"][0]["cells"][0]["file"]}
    answer = studio.client.get(f"/files/{file}")
    assert answer.headers["content-type"] == "image/png"
    assert f"images/{hashlib.sha256(answer.content).hexdigest()}.png" == file


def test_the_address_holds_what_is_shown(studio: Opened) -> None:
    failed = studio.json(f"/chorus/{GROUP}.json", status="failed")
    assert [[cell["status"] if cell else None for cell in row["cells"]] for row in failed["rows"]] == [
        [None, None, "failed"],
        [None, None, "failed"],
    ]
    one = studio.json(f"/chorus/{GROUP}.json", artist="gpt-6-luna", status="done")
    assert [column["artist"] for column in one["columns"]] == ["gpt-6-luna"] and len(one["rows"]) == 2
    left, right = (f"{GROUP}-gpt-6-luna-0{number}" for number in range(2))
    assert [cell["run_id"] for cell in studio.json(f"/chorus/{GROUP}.json", left=left, right=right)["side"]] == [
        left,
        right,
    ]


def test_one_run_says_what_was_said_and_what_it_cost(studio: Opened) -> None:
    run = f"{GROUP}-claude-haiku-5-5-01"
    data, page = studio.json(f"/chorus/{GROUP}/{run}.json"), studio.html(f"/chorus/{GROUP}/{run}")
    assert (data["run_id"], data["status"], data["statement"]) == (run, "done", SCRIPT)
    assert data["image"] == {"width": 32, "height": 32, "bytes": len(png("#118040"))}
    assert "claude-haiku-5-5 → gpt-image-2.5-flare" in page and "<script>alert" not in page
    assert studio.client.get(f"/chorus/{GROUP}/nobody").status_code == 404
    assert studio.client.get("/chorus/rg_none").status_code == 404


def test_a_blind_vote_names_nobody_before_it_is_cast(studio: Opened) -> None:
    page = studio.html(f"/chorus/{GROUP}/vote")
    assert not [artist.model for artist in ARTISTS if artist.model in page]
    sides = re.findall(r'name="(?:left|right)" value="(\d+)"', page)
    assert len(sides) == 2 and 'data-key="1"' in page and 'data-key="2"' in page and 'data-key="0"' in page
    sent = {"left": sides[0], "right": sides[1], "choice": "left", "rater": "me"}
    document = studio.post(f"/chorus/{GROUP}/votes", sent).json()
    with studio.studio.to_read().read() as connection:
        rows = connection.execute("SELECT left_run, right_run, choice, blind, rater FROM comparison_votes").fetchall()
        assert rows == [(document["left"], document["right"], "left", True, "me")]
        assert next_duel(connection, GROUP, "me") is not None
    assert "The last two were by" in studio.html(f"/chorus/{GROUP}/vote")
    for _ in range(3):
        page = studio.html(f"/chorus/{GROUP}/vote")
        left, right = re.findall(r'name="(?:left|right)" value="(\d+)"', page)
        studio.post(f"/chorus/{GROUP}/votes", {"left": left, "right": right, "choice": "tie", "rater": "me"})
    assert "There are no two works" in studio.html(f"/chorus/{GROUP}/vote")
    assert "There are no two works" not in studio.html(f"/chorus/{GROUP}/vote", rater="another")


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"left": "0", "right": "0", "choice": "left"}, "not with itself"),
        ({"left": "0", "right": "99", "choice": "left"}, "is no run of"),
        ({"left": "0", "right": "1", "choice": "up"}, "left, right or tie"),
    ],
)
def test_a_vote_on_nothing_is_refused(studio: Opened, sent: dict[str, str], words: str) -> None:
    answer = studio.post(f"/chorus/{GROUP}/votes", sent)
    assert answer.status_code == 400 and words in answer.text


def test_retry_asks_what_failed_but_not_what_was_refused_for_its_prompt(studio: Opened) -> None:
    """The model of the failed statement is no longer in the registry, which the sentence says."""
    answer = studio.post(f"/chorus/{GROUP}/retry")
    assert answer.status_code == 500 and "oss/x" in answer.text
    with studio.studio.to_read().read() as connection:
        assert connection.execute("SELECT count(*) FROM asks").fetchone() == (0,)


def test_a_new_group_is_priced_before_it_is_asked_and_sends_nothing(studio: Opened) -> None:
    wish = {"artists": "gpt-6-luna", "new_brush": "gpt-image-2.5-flare", "iterations": "3", "size": "1024x1024"}
    form = studio.json("/chorus.json")["form"]
    assert [one["model"] for one in form["brushes"] if one["chosen"]] == ["gpt-image-2.5-flare"]
    offered = {one["model"] for one in (*form["artists"], *form["brushes"])}
    assert {"gpt-6-luna", "gemini-nano-banana-2.1"} <= offered and not offered & {"dall-e-3", "gpt-image-1"}
    plan = studio.json("/chorus.json", plan="1", **wish)["plan"]
    assert plan["runs"] == 3 and 0 < Decimal(plan["usd"]["low"]) <= Decimal(plan["usd"]["high"]) and not plan["over"]
    assert studio.json("/chorus.json", plan="1", **wish, max_usd="0.001")["plan"]["over"]
    assert "is no brush" in studio.json("/chorus.json", plan="1", **{**wish, "new_brush": "gpt-6-luna"})["why_not"]
    with studio.studio.to_read().read() as connection:
        assert connection.execute("SELECT count(*) FROM asks").fetchone() == (0,)
    assert studio.client.post("/chorus", data=wish).status_code == 403
    refused = studio.post("/chorus", {**wish, "max_usd": "0.001"})
    assert refused.status_code == 500 and "Nothing was asked" in refused.text
    changed = studio.post("/chorus", {**wish, "iterations": "4", "priced": plan["priced"]})
    assert changed.status_code == 409 and "the form was changed" in changed.json()["notice"]
    assert studio.json("/chorus.json", plan="1", iterations="3")["why_not"] == "Choose an artist."
    answer = studio.post("/chorus", {**wish, "priced": plan["priced"]})
    assert answer.status_code == 201 and answer.json()["group"].startswith("rg_")
    with studio.studio.to_read().read() as connection:
        assert connection.execute("SELECT purpose, analyses, state FROM asks").fetchall() == [("statement", 3, "open")]
        assert connection.execute("SELECT count(*) FROM batches").fetchone() == (0,)
    listed = studio.json("/chorus.json")["groups"]
    assert [one["counts"]["queued"] for one in listed] == [3, 0]
