"""models, prompts, settings: what prints and asks nothing."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from grabient_assets.cli.main import app
from grabient_assets.cli.settings import show_settings
from grabient_assets.settings import PROJECT_DIR, SETTINGS
from grabient_assets_tests.cli.running import environment, grabient
from grabient_assets_tests.hanging import HANGING_SECONDS


def invoke(*arguments: str, data: Path = Path("/nowhere"), **values: str):
    return CliRunner().invoke(app, list(arguments), env=environment(data, **values))


def test_models_are_the_panel_and_the_refiner():
    rows = json.loads(invoke("models", "--json").stdout)["models"]
    assert len(rows) == 11
    assert {row["provider"] for row in rows} == {"anthropic", "openai", "groq", "google"}
    assert [row["model"] for row in rows if row["roles"] == ["refiner"]] == ["claude-opus-5-5"]
    mini = next(row for row in rows if row["model"] == "gpt-4o-mini")
    assert (mini["batch_usd_in"], mini["batch_usd_out"], mini["retires_on"]) == (0.075, 0.3, "2027-01-14")


def test_all_models_name_the_retired_ones_and_what_replaces_them():
    rows = json.loads(invoke("models", "--all", "--json").stdout)["models"]
    gone = next(row for row in rows if row["model"] == "gemini-2.0-flash")
    assert not gone["panel"] and "was shut down on 2026-06-01" in gone["warning"]


def test_prompts():
    rows = json.loads(invoke("prompts", "--json").stdout)["prompts"]
    assert [(row["prompt_version"], row["purpose"]) for row in rows][:2] == [("v1", "tagging"), ("v1", "refinement")]
    assert all(len(row["digest"]) == 64 and row["message"] for row in rows)


def test_settings_never_show_a_secret(tmp_path: Path):
    shown = invoke("settings", "--json", data=tmp_path, GRABIENT_MODE="live", GROQ_API_KEY="gsk_secret")
    document = json.loads(shown.stdout)
    assert document["settings"]["GROQ_API_KEY"] == "(set)" and "gsk_secret" not in shown.output
    assert document["providers"]["usable"] == ["groq"]
    assert set(document["providers"]["left_out"]) == {"anthropic", "openai", "google"}
    assert document["dagster_home"] == str(tmp_path / "dagster")
    plain = invoke("settings", data=tmp_path, GROQ_API_KEY="gsk_secret")
    assert "gsk_secret" not in plain.output and all(s.name in plain.stdout for s in SETTINGS)
    assert f"export DAGSTER_HOME={tmp_path / 'dagster'}" in plain.stdout


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_no_setting_is_cut_or_broken_at_any_width(width: int):
    """An address and a path can be copied, and a folder with a space in its name goes to the shell as one word."""
    text = io.StringIO()
    console = Console(file=text, width=width, highlight=False, markup=False, emoji=False)
    path = "/srv/data/a-folder-with-a-long-name/grabient"
    show_settings(console, [(one.name, path, one.meaning) for one in SETTINGS])
    shown = text.getvalue().split()
    assert all(word in shown for one in SETTINGS for word in (one.name, path, *one.meaning.split()))
    assert max(map(len, text.getvalue().splitlines())) <= width


def test_the_line_for_the_shell_is_quoted(tmp_path: Path):
    spaced = tmp_path / "my data"
    assert f"export DAGSTER_HOME='{spaced / 'dagster'}'" in invoke("settings", data=spaced).stdout


def test_settings_that_cannot_be_are_shown_and_named():
    for name, value in (
        ("GRABIENT_MODE", "dry"),
        ("TAG_ANALYSIS_COUNT", "21"),
        ("TAG_ANALYSIS_COUNT", "x"),
        ("GRABIENT_BUDGET_USD", "-1"),
        ("OPENAI_BASE_URL", "localhost"),
        ("R2_BUCKET", "pictures"),
    ):
        shown = CliRunner().invoke(app, ["settings"], env=environment(Path("/nowhere"), **{name: value}))
        assert shown.exit_code == 2 and value in shown.stdout and name in shown.stderr


def test_env_example_is_what_the_command_prints():
    shown = invoke("settings", "--env-example")
    assert (PROJECT_DIR / ".env.example").read_text(encoding="utf-8") == shown.stdout
    assert all(f"\n{s.name}={s.default}\n" in shown.stdout for s in SETTINGS)


def test_help_names_every_command_and_each_has_an_example():
    shown = invoke("--help")
    assert shown.exit_code == 0
    for name in ("load", "palette", "run", "status", "demo", "settings", "models", "prompts", "retry", "emulator"):
        assert name in shown.stdout
        helped = invoke(name, "--help")
        assert helped.exit_code == 0 and f"Example: grabient {name}" in " ".join(helped.stdout.split())


def test_unknown_commands_are_a_usage_error(data: Path):
    ended = grabient(data, "tag")
    assert ended.code == 2 and "No such command 'tag'" in ended.err and ended.out == ""
    assert not data.exists()


@pytest.mark.parametrize(
    "arguments",
    [("load", "pal\udcff.csv"), ("palettes", "--like", "\udcff"), ("explain", "\udcff"), ("cancel", "b-\udcff")],
)
def test_bytes_that_are_no_text_are_a_usage_error(data: Path, arguments: tuple[str, ...]):
    ended = grabient(data, *arguments)
    assert ended.code == 2 and "holds a byte that is not UTF-8. Type it again" in ended.err
    assert "Traceback" not in ended.err and not data.exists()


def test_help_is_quick_because_nothing_heavy_is_imported():
    heavy = ("dagster", "duckdb", "pandas", "cairosvg", "anthropic", "openai", "groq", "google.genai", "pydantic")
    script = f"import sys, grabient_assets.cli.main; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=HANGING_SECONDS
    )
    assert done.stdout.strip() == "[]"


def test_the_version_is_that_of_the_package():
    shown = invoke("--version")
    assert (shown.exit_code, shown.stdout) == (0, f"grabient {version('grabient-assets')}\n")


def test_a_shell_completes_commands():
    asked = {"_GRABIENT_COMPLETE": "complete_bash", "COMP_WORDS": "grabient prom", "COMP_CWORD": "1"}
    program = str(Path(sys.executable).with_name("grabient"))
    done = subprocess.run([program], env={**environment(Path("/nowhere")), **asked}, capture_output=True, text=True)
    assert done.stdout.split() == ["prompts"], done.stderr
    assert "--install-completion" in invoke("--help").stdout


SEED = "_gIMgGAgFZgGvgEFgB4gH0gH0gH0gHMgG5gJf"


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--prompt-version", "v99"),
        ("plan", "--prompt-version", "v99"),
        ("retry", "--prompt-version", "v99"),
        ("reparse", "--prompt-version", "v99"),
        ("reports", "--prompt-version", "v99"),
        ("explain", SEED, "--prompt-version", "v99"),
        ("prompts", "diff", "v1", "v99"),
        ("prompts", "release", "v99"),
    ],
    ids=" ".join,
)
def test_an_unknown_prompt_version_is_a_usage_error_everywhere(tmp_path: Path, arguments: tuple[str, ...]):
    refused = invoke(*arguments, data=tmp_path / "data")
    assert refused.exit_code == 2
    assert "There is no prompt version 'v99'; there is v1" in refused.stderr
