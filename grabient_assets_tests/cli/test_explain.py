"""`grabient explain` along the way of three palettes through the pipeline: what it says before, meanwhile and after."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from grabient_assets.cli.explain_tables import show_explanation
from grabient_assets.cli.main import app
from grabient_assets.groups.refinement.explaining import explain as explained
from grabient_assets.groups.refinement.explaining import read_about
from grabient_assets.groups.tagging.purpose import TAGGING
from grabient_assets.ledger.due import due_requests
from grabient_assets.settings import PROVIDERS
from grabient_assets_tests.pipeline.driven import TAG_BATCHES, Driven, driven
from grabient_assets_tests.pipeline.place import settings_of

REFUSER, CUT = "gpt-4o-mini", "gemini-2.5-flash-lite"


def explain(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["explain", *arguments])


def document(*arguments: str) -> dict[str, Any]:
    return json.loads(explain("--json", *arguments).stdout)


def standings(found: dict[str, Any]) -> set[tuple[str, str | None]]:
    return {(one["standing"], one["reason"]) for one in found["analyses"]}


def test_a_seed_that_is_none_and_a_folder_without_palettes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in settings_of(tmp_path / "data").items():
        monkeypatch.setenv(name, value)
    broken = explain("hello")
    assert broken.exit_code == 2 and "Seed 'hello' is not a palette" in broken.stderr
    none = explain("_gH0gH0gH0gH0gH0gH0gPogPogPogAAgFNgKb")
    assert none.exit_code == 2 and "No palette is loaded. Load some first: grabient load FILE" in none.stderr
    assert not (tmp_path / "data").exists()
    wrong = explain("_gH0gH0gH0gH0gH0gH0gPogPogPogAAgFNgKb", "--field", "colour")
    assert wrong.exit_code == 2 and "--field is 'colour'; it must be one of temperature, contrast" in wrong.stderr


def test_the_story_of_three_palettes(tmp_path: Path) -> None:
    with driven(tmp_path / "data") as pipeline:
        good, failing, alone = pipeline.load(3)
        pipeline.tick()
        nobody_was_asked(good)
        keys = [f"v1|{seed}" for seed in (good, failing)]
        assert pipeline.person(TAG_BATCHES, key_range=(keys[0], keys[1])).success
        asked_and_not_sent(good)
        trouble(pipeline, good, failing)
        pipeline.tick()
        sent_and_not_answered(good)
        pipeline.until("the good palette", "embed_text", {keys[0]})
        everything_failed(failing)
        another_version(good)
        found = document(good)
        adds_up(pipeline, good, found)
        what_failed_and_what_it_cost(pipeline, good, found)
        the_refinement(pipeline, good, found)
        any_spelling(pipeline, good, found)
        readable(pipeline, good)
        assert explain(alone).exit_code == 1


def nobody_was_asked(seed: str) -> None:
    ended = explain(seed)
    assert ended.exit_code == 1 and ended.stdout == ""
    assert ended.stderr.startswith(f"Palette {seed} is loaded, but nobody has been asked about it. Ask: grabient run")
    slip = f"{seed[:-1]}{'A' if seed[-1] != 'A' else 'B'}"
    unknown = explain(slip)
    assert unknown.exit_code == 2
    assert f"is not loaded. The nearest that is: grabient explain -- {seed}" in unknown.stderr
    far = explain("_gH0gH0gH0gH0gH0gH0gPogPogPogAAgFNgKb")
    assert "gFNgKb is not loaded. Load it: grabient load FILE" in far.stderr


def asked_and_not_sent(seed: str) -> None:
    ended = explain(seed)
    assert ended.exit_code == 1 and "a waiting: asked, not sent yet; b waiting" in " ".join(ended.stdout.split())
    assert ended.stderr == (
        f"There is no consensus on palette {seed} under v1: 0 of 20 answers can be used, and 20 are under way or wait "
        "to be sent. See them through: grabient run\n"
    )
    found = document(seed)
    assert found["consensus"] is None and standings(found) == {("waiting", "asked, not sent yet")}


def trouble(pipeline: Driven, good: str, failing: str) -> None:
    """One model refuses one answer about the good palette, one is cut; nobody has a usable answer about the other."""
    with pipeline.warehouse.read() as connection:
        due = [one for name in PROVIDERS for one in due_requests(connection, TAGGING, name)]
    named = {(one.subject, one.model, one.analysis_index): one.custom_id for one in due}
    spoilt = [custom_id for (seed, _, _), custom_id in named.items() if seed == failing]
    assert len(spoilt) == 20
    pipeline.faults(
        {"match": {"provider": "openai"}, "action": {"do": "refuse", "custom_ids": [named[good, REFUSER, 1]]}},
        {"match": {"provider": "google"}, "action": {"do": "truncate", "custom_ids": [named[good, CUT, 0]]}},
        *({"match": {"provider": name}, "action": {"do": "refuse", "custom_ids": spoilt}} for name in PROVIDERS),
    )


def sent_and_not_answered(seed: str) -> None:
    found = document(seed)
    assert {one["standing"] for one in found["analyses"]} == {"under way"}
    assert all(one["reason"].startswith("in batch tagging-") for one in found["analyses"])
    assert found["costs"] == [] and found["refinement"] is None


def everything_failed(seed: str) -> None:
    ended = explain(seed)
    assert ended.exit_code == 1 and "refused: The model declined" in ended.stdout
    assert ended.stderr == (
        f"There is no consensus on palette {seed} under v1: all 20 answers failed or were stopped. Ask again: grabient "
        "retry --run --prompt-version v1\n"
    )


def another_version(seed: str) -> None:
    ended = explain(seed, "--prompt-version", "v9")
    assert ended.exit_code == 2 and ended.stderr.startswith("There is no prompt version 'v9'; there is v1")


def adds_up(pipeline: Driven, seed: str, found: dict[str, Any]) -> None:
    """What the rows say, counted again, is what is stored."""
    [(votes, temperature, models, answers)] = pipeline.rows(
        f"SELECT votes, temperature, models, answers FROM tag_consensus WHERE seed = '{seed}'"
    )
    stored = json.loads(votes)
    assert len(found["fields"]) == 10 and found["consensus"]["adds_up"] is True
    for field in found["fields"]:
        counted = {v["value"]: sum(who["votes"] for who in v["said_by"]) for v in field["values"]}
        expected = {vote["value"]: vote["models"] for vote in stored[field["field"]]}
        assert {value: models for value, models in counted.items() if models} == expected
    assert found["fields"][0]["result"][0] == temperature
    assert (found["consensus"]["models"], found["consensus"]["answers"]) == (models, answers)
    said = {(w["model"], tuple(w["said"])) for w in found["fields"][0]["weights"]}
    rows = pipeline.rows(
        f"SELECT model, list(temperature ORDER BY analysis_index) FROM palette_tags WHERE seed = '{seed}' "
        "AND error IS NULL GROUP BY model"
    )
    assert said == {(model, tuple(values)) for model, values in rows}


def what_failed_and_what_it_cost(pipeline: Driven, seed: str, found: dict[str, Any]) -> None:
    lacking = {(o["model"], o["analysis_index"]): o for o in found["analyses"] if o["standing"] != "answered"}
    assert lacking[REFUSER, 1]["reason"].startswith("refused: The model declined")
    assert lacking[CUT, 0]["reason"].startswith("truncated: ")
    assert len(found["analyses"]) == 20 and found["consensus"]["answers"] == 20 - len(lacking)
    rows = pipeline.rows(
        "SELECT b.purpose, b.model, count(*), sum(r.cost_usd) FROM batch_requests r JOIN batches b USING (batch_id) "
        f"WHERE r.subject = '{seed}' GROUP BY ALL"
    )
    assert {(c["purpose"], c["model"], c["requests"], Decimal(c["cost_usd"])) for c in found["costs"]} == set(rows)
    assert len(rows) == 11 and Decimal(found["cost_usd"]) == sum(row[3] for row in rows) > 0
    assert {c["basis"] for c in found["costs"]} == {"reported"}


def the_refinement(pipeline: Driven, seed: str, found: dict[str, Any]) -> None:
    [(mood, contrast, text)] = pipeline.rows(
        f"SELECT mood, contrast, embed_text FROM palette_tag_refined WHERE seed = '{seed}'"
    )
    refined = {field["field"]: field["refined"] for field in found["fields"]}
    assert refined["harmony"] is None
    assert (refined["mood"]["refined"], refined["contrast"]["refined"]) == (mood, [contrast])
    assert sorted(refined["mood"]["kept"] + refined["mood"]["added"]) == sorted(mood)
    assert found["refinement"]["embed_text"] == text and found["refinement"]["from_this_consensus"] is True
    distances = [one["distance"] for one in refined.values() if one]
    assert len(distances) == 9 and found["refinement"]["mean_distance"] == pytest.approx(sum(distances) / 9)


def any_spelling(pipeline: Driven, seed: str, found: dict[str, Any]) -> None:
    """The same palette as twelve decimals, and in the spelling it came in."""
    [(coeffs, source)] = pipeline.rows(f"SELECT coeffs, source_seed FROM palettes WHERE seed = '{seed}'")
    decimals = ",".join(str(value) for row in coeffs for value in row)
    assert document("--", decimals) == document("--", source) == found


def readable(pipeline: Driven, seed: str) -> None:
    """In 80 columns no table is cut, and nothing is a colour code where no terminal is."""
    with pipeline.warehouse.read() as connection:
        stored = read_about(connection, seed, "v1")
    text = io.StringIO()
    console = Console(file=text, width=80, highlight=False, markup=False, emoji=False)
    show_explanation(console, explained(stored), ("temperature", "mood", "dominant_colors"), emulated=True)
    lines = text.getvalue().splitlines()
    assert "…" not in text.getvalue() and "\x1b" not in text.getvalue()
    assert all(len(line) <= 80 for line in lines if line.startswith(("  ", " #", "10 ")) and "." not in line[-3:])
    assert any("together" in line and "(emulated)" in line for line in lines)
    shown = explain(seed, "--field", "temperature").stdout
    assert "\ntemperature: " in shown and "\nmood: " not in shown and "right where clear-cut" in shown
    assert "Refined by claude-opus" in shown
    brief = explain(seed).stdout
    assert len(brief.splitlines()) < 40 and "said by" not in brief and "--full" in brief
    [(text, name)] = pipeline.rows(
        f"SELECT embed_text, name FROM palette_tag_refined JOIN palettes USING (seed) WHERE seed = '{seed}'"
    )
    said = " ".join(brief.split())
    assert said.startswith(f"{name} {seed}, under v1 {text} Refined by "), "the result comes first"
    assert explain(seed, "--full").stdout.count("said by") == 10, "a table for each field"
