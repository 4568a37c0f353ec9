"""Every setting: what it takes, what it refuses and how it says so, and where it comes from."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from grabient_assets import settings as module
from grabient_assets.errors import SettingsError
from grabient_assets.settings import PROJECT_DIR, SETTINGS, load_settings, parse_analyses, setting_values

R2 = {
    "R2_BUCKET": "pictures",
    "R2_ENDPOINT": "https://account.r2.example",
    "R2_ACCESS_KEY_ID": "id-4711",
    "R2_SECRET_ACCESS_KEY": "secret-4712",
}


def test_without_any_setting_everything_has_its_default() -> None:
    found = load_settings({})
    assert (found.mode, found.analyses, found.budget_usd, found.r2) == ("emulator", 2, None, None)
    assert found.data_dir == PROJECT_DIR / ".grabient"
    assert found.database == PROJECT_DIR / ".grabient" / "grabient.duckdb"
    assert found.objects_dir == PROJECT_DIR / ".grabient" / "objects"
    assert found.dagster_home == PROJECT_DIR / ".grabient" / "dagster"
    assert (found.api_keys, found.base_urls) == ({}, {})


@pytest.mark.parametrize("blank", ["", "  ", "\t\n"])
def test_a_blank_value_counts_as_not_set(blank: str) -> None:
    assert load_settings({setting.name: blank for setting in SETTINGS}) == load_settings({})


@pytest.mark.parametrize(("value", "mode"), [("live", "live"), (" emulator ", "emulator")])
def test_modes(value: str, mode: str) -> None:
    assert load_settings({"GRABIENT_MODE": value}).mode == mode


@pytest.mark.parametrize("text", ["1", "20", " 7 "])
def test_analyses(text: str) -> None:
    assert load_settings({"TAG_ANALYSIS_COUNT": text}).analyses == int(text)


@pytest.mark.parametrize(("value", "dollars"), [("25.00", "25"), ("0.005", "0.005"), ("1e3", "1000")])
def test_budgets(value: str, dollars: str) -> None:
    assert load_settings({"GRABIENT_BUDGET_USD": value}).budget_usd == Decimal(dollars)


BAD = [
    ("GRABIENT_MODE", "Live", "it must be emulator or live"),
    ("GRABIENT_MODE", "test", "it must be emulator or live"),
    *(("TAG_ANALYSIS_COUNT", text, "whole number from 1 to 20") for text in ("0", "21", "-1", "2.0", "two", "1e1")),
    *(("GRABIENT_BUDGET_USD", text, "number such as 25.00") for text in ("abc", "$5", "nan", "inf", "sNaN", "5,00")),
    *(("GRABIENT_BUDGET_USD", text, "with no money nothing could ever be sent") for text in ("0", "-0", "0.00")),
    *(("GRABIENT_BUDGET_USD", text, "a sum to be spent is never below 0") for text in ("-1", "-0.01")),
    ("GRABIENT_BUDGET_USD", "0.00000000001", "ten decimals at most"),
    ("GRABIENT_BUDGET_USD", "100000000", "below 100,000,000"),
    ("ANTHROPIC_BASE_URL", "localhost:8080", "http:// or https://"),
    ("OPENAI_BASE_URL", "ftp://x", "http:// or https://"),
    ("GROQ_BASE_URL", "//x", "http:// or https://"),
    ("GOOGLE_GEMINI_BASE_URL", "x", "http:// or https://"),
]


@pytest.mark.parametrize(("name", "value", "way_out"), BAD)
def test_a_refusal_names_the_setting_the_value_and_the_way_out(name: str, value: str, way_out: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({name: value})
    said = str(caught.value)
    assert said.startswith(f"{name} is {value!r}") and way_out in said and said.endswith(".")
    assert caught.value.exit_code == 2


def test_an_option_is_refused_under_its_own_name() -> None:
    with pytest.raises(SettingsError, match=r"^--analyses is '99'"):
        parse_analyses(99, "--analyses")


def test_the_data_folder(tmp_path: Path) -> None:
    assert load_settings({"GRABIENT_DATA_DIR": "other/place"}).data_dir == PROJECT_DIR / "other/place"
    assert load_settings({"GRABIENT_DATA_DIR": str(tmp_path)}).data_dir == tmp_path
    assert load_settings({"GRABIENT_DATA_DIR": "~/grabient"}).data_dir == Path.home() / "grabient"
    home = load_settings({"GRABIENT_DATA_DIR": str(tmp_path), "DAGSTER_HOME": "/srv/dagster"}).dagster_home
    assert home == Path("/srv/dagster")


def test_the_refiner_is_the_registrys_unless_one_is_named() -> None:
    assert load_settings({}).refiner is None
    assert load_settings({"GRABIENT_REFINER": ""}).refiner is None
    assert load_settings({"GRABIENT_REFINER": "claude-opus-5"}).refiner == "claude-opus-5"


def test_keys_and_the_two_other_names_of_the_google_key() -> None:
    names = {
        "ANTHROPIC_API_KEY": "a",
        "OPENAI_API_KEY": "o",
        "GROQ_API_KEY": "q",
        "GEMINI_API_KEY": "third",
        "GOOGLE_API_KEY": "second",
        "GOOGLE_GENERATIVE_AI_API_KEY": "first",
    }
    expected = {"anthropic": "a", "openai": "o", "groq": "q"}
    for name in ("GOOGLE_GENERATIVE_AI_API_KEY", "GOOGLE_API_KEY", "GEMINI_API_KEY"):
        found = load_settings(names)
        assert found.api_keys == {**expected, "google": names.pop(name)}
        assert found.key_names("google")[0] == "GOOGLE_GENERATIVE_AI_API_KEY"
    assert load_settings(names).api_keys == expected


def test_base_urls_lose_their_trailing_slash() -> None:
    urls = {"ANTHROPIC_BASE_URL": "http://localhost:1/", "OPENAI_BASE_URL": "https://x/v1"}
    assert load_settings(urls).base_urls == {"anthropic": "http://localhost:1", "openai": "https://x/v1"}


@pytest.mark.parametrize("missing", ["R2_ENDPOINT", "R2_ACCESS_KEY_ID", "R2_SECRET_ACCESS_KEY"])
def test_r2_half_set_names_what_is_missing(missing: str) -> None:
    with pytest.raises(SettingsError, match=f"R2_BUCKET is set but {missing} is not. Set what is missing, or unset"):
        load_settings({name: value for name, value in R2.items() if name != missing})


def test_r2() -> None:
    found = load_settings({**R2, "R2_PUBLIC_URL": "https://images.example/"}).r2
    assert found is not None
    assert (found.bucket, found.endpoint) == ("pictures", "https://account.r2.example")
    assert (found.access_key_id, found.secret_access_key) == ("id-4711", "secret-4712")
    assert found.public_url == "https://images.example"
    assert load_settings({name: value for name, value in R2.items() if name != "R2_BUCKET"}).r2 is None
    for name in ("R2_ENDPOINT", "R2_PUBLIC_URL"):
        with pytest.raises(SettingsError, match=f"{name} is 'r2.example'"):
            load_settings({**R2, name: "r2.example"})


def test_secrets_show_nowhere() -> None:
    secrets = {setting.name: f"hidden-{n}" for n, setting in enumerate(SETTINGS) if setting.secret}
    values = {**secrets, "R2_BUCKET": "b", "R2_ENDPOINT": "https://x"}
    assert len(secrets) == 6
    found = load_settings(values)
    assert "hidden" not in repr(found) + str(found) + repr(found.r2)
    shown = setting_values(values)
    assert {shown[name] for name in secrets} == {"(set)"}
    assert shown["R2_BUCKET"] == "b" and shown["GRABIENT_MODE"] == "emulator" and shown["GROQ_BASE_URL"] == ""
    assert list(shown) == [setting.name for setting in SETTINGS]


def in_a_project(folder: Path, dotenv: str, **environ: str) -> dict[str, str]:
    """What a project in `folder` reads from its `.env` and this environment, asked in a process of its own."""
    package = folder / "grabient_assets"
    package.mkdir()
    source = Path(module.__file__).parent
    for name in ("__init__.py", "settings.py", "errors.py"):
        shutil.copy(source / name, package / name)
    (folder / ".env").write_text(dotenv, encoding="utf-8")
    ours = {setting.name for setting in SETTINGS} | {"GOOGLE_API_KEY", "GEMINI_API_KEY", "DAGSTER_HOME"}
    clean = {name: value for name, value in os.environ.items() if name not in ours}
    code = "import json; from grabient_assets.settings import setting_values; print(json.dumps(setting_values()))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**clean, **environ, "PYTHONPATH": str(folder)},
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_the_environment_goes_before_the_file_and_a_blank_one_does_not(tmp_path: Path) -> None:
    dotenv = "GRABIENT_MODE=live\nTAG_ANALYSIS_COUNT = 5\nGRABIENT_BUDGET_USD=\nR2_BUCKET='my bucket'\n# GROQ_API_KEY=x"
    found = in_a_project(tmp_path, dotenv, TAG_ANALYSIS_COUNT="9", GRABIENT_MODE="")
    assert found["TAG_ANALYSIS_COUNT"] == "9"
    assert found["GRABIENT_MODE"] == "live"
    assert (found["GRABIENT_BUDGET_USD"], found["R2_BUCKET"], found["GROQ_API_KEY"]) == ("", "my bucket", "")
