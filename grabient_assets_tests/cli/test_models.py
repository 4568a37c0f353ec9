"""`grabient models --check`: real SDKs ask the emulator, as live providers and in emulator mode."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from grabient_assets.cli.main import app
from grabient_assets.cli.run import name_ends
from grabient_assets.registry.load import load_registry
from grabient_assets_tests.cli.running import environment, grabient
from grabient_assets_tests.emulator.running import Running

URLS = {"anthropic": "ANTHROPIC", "openai": "OPENAI", "groq": "GROQ", "google": "GOOGLE_GEMINI"}
KEYS = {
    "anthropic": "ANTHROPIC_API_KEY",
    "openai": "OPENAI_API_KEY",
    "groq": "GROQ_API_KEY",
    "google": "GOOGLE_GENERATIVE_AI_API_KEY",
}


def check(folder: Path, server: Running, *arguments: str, **keys: str) -> Any:
    """`grabient models --check` in live mode against this emulator, with these keys."""
    urls = {f"{name}_BASE_URL": server.bases[provider] for provider, name in URLS.items()}
    given = {KEYS[provider]: key for provider, key in keys.items()}
    values = environment(folder / "data", GRABIENT_MODE="live", **urls, **given)
    return CliRunner().invoke(app, ["models", "--check", *arguments], env=values)


def served(shown: Any) -> dict[str, str]:
    return {row["model"]: row["served"] for row in json.loads(shown.stdout)["models"]}


def test_each_model_is_served_or_not_or_its_provider_was_not_asked(tmp_path: Path, emulator: Running) -> None:
    # This emulator knows no gpt-5.6-luna and no gpt-oss-120b.
    shown = check(tmp_path, emulator, "--json", openai="sk-right", groq="gsk_right")
    assert emulator.calls("anthropic") == {} and emulator.calls("openai") == {"models": 1}
    assert shown.exit_code == 1
    assert served(shown) == {
        "claude-haiku-4-5-20251001": "not asked",
        "claude-haiku-5-5": "not asked",
        "gpt-4o-mini": "served",
        "gpt-5.6-luna": "not served",
        "gpt-6-luna": "served",
        "openai/gpt-oss-120b": "not served",
        "openai/gpt-oss-20b": "served",
        "qwen/qwen3.8-27b": "served",
        "gemini-2.5-flash-lite": "not asked",
        "gemini-3.5-flash-lite": "not asked",
        "claude-opus-5-5": "not asked",
    }
    assert "openai does not serve gpt-5.6-luna" in shown.stderr
    assert "google is left out: set GOOGLE_GENERATIVE_AI_API_KEY" in shown.stderr
    assert "sk-right" not in shown.output


def test_a_panel_that_is_served_is_no_failure_and_retired_models_are_none_of_it(
    tmp_path: Path, emulator: Running
) -> None:
    shown = check(tmp_path, emulator, "--role", "tagger", "--all", "--json", google="right")
    assert shown.exit_code == 0
    found = served(shown)
    assert (found["gemini-2.5-flash-lite"], found["gemini-2.0-flash"]) == ("served", "not served")


def test_a_provider_that_cannot_be_asked_is_a_failure_with_its_reason(tmp_path: Path, emulator: Running) -> None:
    emulator.faults({"match": {"provider": "google"}, "action": {"do": "status", "status": 401}})
    shown = check(tmp_path, emulator, openai="sk-right", google="AIza-planted")
    assert shown.exit_code == 1
    assert "API key of google" in shown.stderr and "AIza-planted" not in shown.output
    assert "failed" in shown.stdout and "served" in shown.stdout


def test_in_emulator_mode_the_emulator_is_asked(data: Path) -> None:
    ended = grabient(data, "models", "--check", "--json")
    assert ended.code == 0, ended.err
    assert {row["served"] for row in ended.json["models"]} == {"served"}
    assert len(ended.json["models"]) == len(load_registry().panel()) + 1


def test_without_check_nobody_is_asked(tmp_path: Path) -> None:
    shown = CliRunner().invoke(app, ["models", "--json"], env=environment(tmp_path / "data"))
    assert shown.exit_code == 0 and set(served(shown).values()) == {None}
    assert not (tmp_path / "data").exists()
    assert shown.stderr == "", "the panel as it is shipped gives no cause for a warning"
    old = "claude-opus-4-5-20251101"
    chosen = environment(tmp_path / "data", GRABIENT_REFINER=old)
    shown = CliRunner().invoke(app, ["models", "--json"], env=chosen)
    assert [r["model"] for r in json.loads(shown.stdout)["models"] if r["panel"] and "refiner" in r["roles"]] == [old]
    assert f"Model {old} of anthropic may be shut down" in shown.stderr


@pytest.mark.parametrize(
    ("role", "models"),
    [
        (
            "artist",
            ["claude-haiku-5-5", "claude-sonnet-5-5", "gpt-6-luna", "openai/gpt-oss-120b", "gemini-3.5-flash-lite"],
        ),
        ("refiner", ["claude-opus-5-5"]),
        ("brush", ["gpt-image-2.5-flare", "gemini-nano-banana-2.1"]),
        ("editor", ["gpt-image-2.5-sunburst"]),
        ("embedder", ["wordllama-256"]),
    ],
)
def test_a_role_has_a_panel_of_its_own(role: str, models: list[str], tmp_path: Path) -> None:
    shown = CliRunner().invoke(app, ["models", "--role", role, "--json"], env=environment(tmp_path / "data"))
    rows = json.loads(shown.stdout)["models"]
    assert shown.exit_code == 0 and {row["model"] for row in rows if row["panel"]} == set(models)
    able = load_registry().in_role(role)  # pyright: ignore[reportArgumentType]
    gone = load_registry().refusals(able, datetime.now(UTC).date())
    assert [row["model"] for row in rows] == [model.id for model in able if model not in gone]
    table = CliRunner().invoke(app, ["models", "--role", role], env=environment(tmp_path / "data")).stdout
    assert {line.split()[1] for line in table.splitlines() if " panel " in line[:60]} >= set(models), table
    every = CliRunner().invoke(app, ["models", "--role", role, "--all"], env=environment(tmp_path / "data"))
    assert every.exit_code == 0 and all(model in every.stdout for model in models)


def test_what_a_brush_costs_is_shown_and_what_nobody_verified_is_not(tmp_path: Path) -> None:
    asked = ["models", "--role", "brush", "--all", "--json"]
    shown = CliRunner().invoke(app, asked, env=environment(tmp_path / "data"))
    rows = {row["model"]: row for row in json.loads(shown.stdout)["models"]}
    flare, newest = rows["gpt-image-2.5-flare"], rows["gpt-image-2.6-flare"]
    assert (flare["batch_usd_image_out"], flare["standard_usd_image_out"]) == (15.0, 30.0)
    assert (newest["batch_usd_image_out"], newest["standard_usd_image_out"]) == (None, 30.0)
    assert "Model dall-e-3 of openai was shut down on 2026-05-12; use gpt-image-2.5-flare instead." in shown.stderr


def test_a_model_of_this_process_is_asked_of_nobody(tmp_path: Path, emulator: Running) -> None:
    shown = check(tmp_path, emulator, "--role", "embedder", "--json", openai="sk-right")
    assert shown.exit_code == 0
    [row] = [row for row in json.loads(shown.stdout)["models"] if row["panel"]]
    assert (row["provider"], row["served"], row["standard_usd_in"]) == ("local", None, 0.0)


def test_a_run_begins_with_the_models_that_end(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def said(until: str, today: date) -> list[str]:
        name_ends(("anthropic", "openai"), until, today)
        return capsys.readouterr().err.splitlines()

    opus = "Model claude-opus-4-5-20251101 of anthropic may be shut down from 2026-11-24 on; be ready to use "
    mini = "Model gpt-4o-mini of openai"
    assert said("refined", date(2026, 11, 20)) == []
    monkeypatch.setenv("GRABIENT_REFINER", "claude-opus-4-5-20251101")
    assert said("refined", date(2026, 11, 20)) == [opus + "claude-opus-5-5 instead."]
    assert said("consensus", date(2026, 11, 20)) == []
    assert said("tags", date(2027, 1, 13)) == [
        f"{mini} will be shut down on 2027-01-14, in 1 day; use gpt-6-luna instead."
    ]
    assert said("tags", date(2027, 1, 14)) == [f"{mini} was shut down on 2027-01-14; use gpt-6-luna instead."]
