"""`grabient plan`: what it says before anything is sent, against what a run then does."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
import typer

from grabient_assets.cli.plan import report_plan
from grabient_assets.headless.planning import Plan, make_plan
from grabient_assets.settings import load_settings
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets_tests.cli.running import Ended, environment, palettes, typed


def plan(data: Path, *arguments: str | Path, **values: str) -> Ended:
    """`grabient plan ARGUMENTS` in this process."""
    return typed(data, "plan", *arguments, **values)


def test_an_empty_folder_is_not_made(data: Path):
    ended = plan(data, "--json")
    assert ended.code == 0 and not data.exists()
    found = ended.json
    assert (found["palettes"], found["needing"], len(found["models"])) == (0, 0, 10)
    assert found["total"]["requests"] == 0 and found["total"]["usd"] == {"low": 0.0, "expected": 0.0, "high": 0.0}
    assert "No palette is loaded. Load some first: grabient load FILE" in ended.err
    assert plan(data).code == 0 and not data.exists()


def test_the_shape_of_the_document(data: Path, tmp_path: Path):
    typed(data, "load", palettes(tmp_path, 3))
    found = plan(data, "--json", "--analyses", "3", "--limit", "2", GRABIENT_BUDGET_USD="0.05").json
    assert set(found) == {
        *("mode", "prompt_version", "analyses", "palettes", "needing", "models", "refinement", "total", "budget"),
        *("warnings", "refused", "over_budget", "adaptive", "finishes"),
    }
    assert (found["mode"], found["prompt_version"], found["analyses"], found["needing"]) == ("emulator", "v1", 3, 2)
    for row in found["models"]:
        assert (row["missing"], row["requests"], row["why"]) == (6, 6, {"new_palette": 6})
        assert (row["cached"], row["failed"], row["in_flight"], row["batches"], row["split_by"]) == (0, 0, 0, 1, [])
        assert row["usd"]["low"] < row["usd"]["expected"] < row["usd"]["high"]
    refinement = found["refinement"]
    assert (refinement["palettes"], refinement["model"]) == (2, "claude-opus-5-5")
    assert (refinement["missing"], refinement["expected"], refinement["why"]) == (2, 2, {"untagged": 2})
    assert found["total"]["requests"] == 62 and found["total"]["batches"] == 11
    together = sum(row["usd"]["expected"] for row in [*found["models"], refinement])
    assert found["total"]["usd"]["expected"] == pytest.approx(together)
    assert found["budget"] == {
        "month_usd": 0.05,
        "used_usd": 0.0,
        "reserved_usd": 0.0,
        "left_usd": 0.05,
        "fits": False,
    }
    assert plan(data, "--json", GRABIENT_BUDGET_USD="100").json["budget"]["fits"] is True
    shown = plan(data, GRABIENT_BUDGET_USD="100").out
    assert "3 of 3 palettes need work under v1" in shown and "new palette: 60 requests" in shown
    assert "100.00 USD" in shown and "It fits." in shown
    assert "Tokens are assumed for every model that is still to be asked: there are too few answers yet" in shown


def test_a_limit_begins_no_palette_whose_last_step_can_never_be_set_aside(data: Path, tmp_path: Path):
    """Of a palette, 0.0229 USD expected, the refinement is 0.0171 and sets aside 0.0422: 0.0480 begin one."""
    typed(data, "load", palettes(tmp_path, 4))
    for usd, low, expected, high in (("0.0479", 0, 0, 0), ("0.05", 0, 1, 1), ("0.06", 1, 1, 2), ("1", 4, 4, 4)):
        found = plan(data, "--json", "--analyses", "1", "--max-usd", usd).json["finishes"]
        assert found["palettes"] == {"low": low, "expected": expected, "high": high}
        assert 0.0479 < found["begins_usd"] <= 0.048
    shown = plan(data, "--analyses", "1", "--max-usd", "0.03").out
    assert "0.03 USD finish 0 of 4 palettes: none is begun that could not be finished." in shown
    assert "It takes 0.0480 USD to begin one; all of them would cost 0.0915 USD" in shown


def test_an_adaptive_plan_is_the_first_wave_and_what_may_follow(data: Path, tmp_path: Path):
    typed(data, "load", palettes(tmp_path, 3))
    found = plan(data, "--json", "--adaptive", "--analyses", "3").json
    first = {row["model"]: row["requests"] for row in found["models"] if row["requests"]}
    waves = found["adaptive"]
    assert first == {one["model"]: 3 for one in waves["first"]} and len(first) == 4
    assert (waves["waves"], waves["chosen"]) == (3, "cheapest")
    assert [(one["wave"], one["models"], one["requests"], one["share"], one["basis"]) for one in waves["later"]] == [
        (2, 6, 3 * 6, 0.775, "assumed"),
        (3, 10, 3 * 10 * 2, 0.5813, "assumed"),
    ]
    full = plan(data, "--json", "--analyses", "3").json
    assert full["adaptive"] is None
    usd, later = found["total"]["usd"], [one["usd"] for one in waves["later"]]
    together = [*(row["usd"] for row in found["models"]), found["refinement"]["usd"]]
    assert usd["low"] == pytest.approx(sum(one["low"] for one in together))
    expected = sum(one["expected"] for one in together) + 0.775 * later[0]["expected"] + 0.58125 * later[1]["expected"]
    assert usd["expected"] == pytest.approx(expected)
    assert usd["high"] == pytest.approx(full["total"]["usd"]["high"]), "at most everybody as often as that"
    shown = plan(data, "--adaptive").out
    assert "3 of 3 palettes need work under v1: up to 2 analyses" in shown
    assert "The table is wave 1 of 3: 4 models, chosen the cheapest of each family." in shown
    assert "Wave 2: at most 18 requests to 6 models" in shown and "78% of it is expected (assumed" in shown


def test_only_the_named_palettes(data: Path, tmp_path: Path):
    file = palettes(tmp_path, 3)
    typed(data, "load", file)
    one = tmp_path / "one.jsonl"
    one.write_text(file.read_text().splitlines()[1] + "\n")
    assert plan(data, "--json", "--seeds", one).json["needing"] == 1


def test_what_it_cannot_take_it_says_as_run_does(data: Path, tmp_path: Path):
    file = palettes(tmp_path, 1)
    wrong = (
        ("--prompt-version", "v99"),
        ("--analyses", "0"),
        ("--analyses", "21"),
        ("--limit", "0"),
        ("--seeds", str(file)),
        ("--seeds", str(tmp_path / "none.txt")),
    )
    for arguments in wrong:
        planned = plan(data, *arguments)
        done = typed(tmp_path / "other", "run", *arguments)
        assert planned.code == done.code == 2, arguments
        assert planned.err.replace("grabient plan", "grabient run").replace("tmp", "") == done.err.replace("tmp", "")
    assert not data.exists()


def test_live_it_says_who_is_left_out_with_and_without_keys(data: Path, tmp_path: Path):
    typed(data, "load", palettes(tmp_path, 1))
    some = plan(data, "--json", GRABIENT_MODE="live", OPENAI_API_KEY="k-openai")
    assert some.code == 0, some.err
    assert {row["provider"] for row in some.json["models"]} == {"openai"} and some.json["refinement"] is None
    assert "anthropic is left out: set ANTHROPIC_API_KEY to use it in live mode." in some.err
    none = plan(data, "--json", GRABIENT_MODE="live")
    assert none.code == 0 and len(none.json["models"]) == 10 and none.err.count("is left out: set") == 4
    assert none.json["refinement"]["palettes"] == 1


def test_what_could_not_be_sent_is_named_with_its_replacement_and_ends_with_1(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    typed(data, "load", palettes(tmp_path, 1))
    settings = load_settings(environment(data))

    def made(day: datetime) -> Plan:
        return make_plan(Warehouse(settings.database), settings, "v1", 2, None, None, day)

    soon = made(datetime(2026, 12, 20, tzinfo=UTC))
    report_plan(soon, "emulator", as_json=True)
    said = capsys.readouterr().err
    assert "Model gpt-4o-mini of openai will be shut down on 2027-01-14, in 25 days; use gpt-6-luna instead." in said
    gone = made(datetime(2027, 1, 14, tzinfo=UTC))
    with pytest.raises(typer.Exit) as ended:
        report_plan(gone, "emulator", as_json=False)
    assert ended.value.exit_code == 1
    said = capsys.readouterr()
    assert said.err.count("Model gpt-4o-mini of openai was shut down on 2027-01-14; use gpt-6-luna instead.") == 1
    assert gone.total.requests == soon.total.requests - 2, "what cannot be sent is not counted"
    unpriced = made(datetime(2026, 10, 10, tzinfo=UTC))
    assert any(sentence.startswith("No price of gpt-6-luna") for sentence in unpriced.refused)


SENT = """
    SELECT b.purpose, b.model, count(DISTINCT r.custom_id), sum(r.cost_usd)
    FROM batch_requests r JOIN batches b USING (batch_id) WHERE b.intended_at > $1 GROUP BY ALL
"""


def test_a_run_does_what_the_plan_says_and_costs_what_it_says(data: Path, tmp_path: Path):
    typed(data, "load", palettes(tmp_path, 4))
    first = typed(data, "run", "--limit", "2", "--analyses", "3", "--until", "consensus")
    assert first.code == 0, first.err
    planned = plan(data, "--json", "--analyses", "3").json
    assert (planned["palettes"], planned["needing"]) == (4, 4), "two lack their refinement only"
    shown = plan(data, "--analyses", "3").out
    assert "consensus not complete yet: 2 requests" in shown and "not tagged yet" not in shown
    other = plan(data, "--json", "--prompt-version", "v2").json
    assert other["warnings"][0] == (
        "2 palettes are tagged under v1. Prompt version v2 is another wording: they are asked about and paid for "
        "again. Prompt version v1 goes on with what is there."
    )
    assert plan(data, "--json", GRABIENT_PROMPT_VERSION="v2").json == other
    with duckdb.connect(str(data / "grabient.duckdb"), read_only=True) as connection:
        before = connection.execute("SELECT max(intended_at) FROM batches").fetchone()
    ended = typed(data, "run", "--analyses", "3")
    assert ended.code == 0, ended.err
    with duckdb.connect(str(data / "grabient.duckdb"), read_only=True) as connection:
        sent = {(row[0], row[1]): (row[2], float(row[3])) for row in connection.execute(SENT, before).fetchall()}
    for row in planned["models"]:
        requests, usd = sent["tagging", row["model"]]
        assert (row["cached"] + row["failed"], row["requests"], row["basis"]) == (6, requests, ["measured"])
        assert 0.6 * row["usd"]["expected"] <= usd <= 1.7 * row["usd"]["expected"], "some are answered twice"
    refinement = planned["refinement"]
    requests, usd = sent["refinement", refinement["model"]]
    assert refinement["palettes"] == refinement["missing"] == requests == 4
    assert refinement["why"] == {"new_palette": 2, "untagged": 2}, "of two the consensus stands"
    assert refinement["usd"]["low"] <= usd <= refinement["usd"]["high"]
    total = sum(usd for _, usd in sent.values())
    assert planned["total"]["usd"]["low"] <= total <= planned["total"]["usd"]["high"]
    again = plan(data, "--json", "--analyses", "3")
    assert again.code == 0 and again.json["total"]["requests"] == 0
    assert all(row["cached"] + row["failed"] == 12 for row in again.json["models"])
    there = again.json["refinement"]
    assert (there["cached"], there["failed"], there["in_flight"], there["missing"], there["why"]) == (4, 0, 0, 0, {})
    assert there["usd"] == {"low": 0.0, "expected": 0.0, "high": 0.0}


def test_the_default_prompt_version_is_a_setting(data: Path):
    assert plan(data, "--json").json["prompt_version"] == "v1", "a release does not become the default by itself"
    assert plan(data, "--json", GRABIENT_PROMPT_VERSION="v2").json["prompt_version"] == "v2"
    assert plan(data, "--json", "--prompt-version", "v1", GRABIENT_PROMPT_VERSION="v2").json["prompt_version"] == "v1"
    unknown = plan(data, GRABIENT_PROMPT_VERSION="v9")
    assert unknown.code == 2
    assert "GRABIENT_PROMPT_VERSION is 'v9'; it must be one of v1, v2." in unknown.err
